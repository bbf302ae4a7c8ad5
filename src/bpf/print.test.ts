import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { EVERY_INSTRUCTION } from '../../tests/verifier/every-instruction.ts'
import { decode } from './decode.ts'
import { encode } from './encode.ts'
import * as i from './instruction.ts'
import { formatProgram } from './print.ts'

const { r0, r1, r2 } = i

/** How Linux 6.18 prints EVERY_INSTRUCTION in the verifier's log. */
function recorded(): string {
  const path = 'tests/verifier/every-instruction.txt'
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, path))) folder = dirname(folder)
  return readFileSync(join(folder, path), 'utf8')
}

describe('a program as text', () => {
  it('is as the kernel prints it, before and after a detour through bytes', () => {
    assert.equal(formatProgram(EVERY_INSTRUCTION), recorded())
    assert.equal(formatProgram(decode(encode(EVERY_INSTRUCTION).bytes)), recorded())
  })

  it('shows labels, source lines, maps and what nobody knows', () => {
    const program = [
      i.label('again'),
      i.mapPointer(r1, 'fd', 5),
      i.mapValue(r2, 'index', 1, 640),
      i.functionPointer(r2, 'f'),
      i.mayGoto('again'),
      i.callKernel(77),
      i.call(9999),
      i.swapBytes(r0, 64),
      i.jump('again'),
      i.label('f'),
      i.exit(),
      { kind: 'raw', opcode: 0xff, dst: 1, src: 2, offset: 3, immediate: 4 } as const,
    ]
    const lines = [
      { slot: 2, file: 'src/dataplane/hash.ts', line: 7, column: 1, text: '  return row' },
    ]
    assert.equal(
      formatProgram(program, lines),
      [
        'again:',
        '   0: (18) r1 = map[fd:5]',
        '; return row @ hash.ts:7',
        '   2: (18) r2 = map[index:1][0]+640',
        '   4: (18) r2 = func pc+6',
        '   6: (e5) may_goto pc-7',
        '   7: (85) call kernel-function#77',
        '   8: (85) call unknown#9999',
        '   9: (d7) r0 = bswap64 r0',
        '  10: (05) goto pc-11',
        'f:',
        '  11: (95) exit',
        '  12: (ff) raw dst 1 src 2 offset 3 immediate 4',
        '',
      ].join('\n'),
    )
  })
})
