import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { notRoot } from '../../../tests/kernel/own-network.ts'
import { encode } from '../../bpf/encode.ts'
import * as i from '../../bpf/instruction.ts'
import { describeProgram } from '../../bpf/debug-lines.ts'
import { formatProgram } from '../../bpf/print.ts'
import { EVERY_INSTRUCTION } from '../../../tests/verifier/every-instruction.ts'
import { readRefusal } from '../../bpf/verifier-log.ts'
import { REFUSED_PROGRAMS, TOO_COMPLEX } from '../../../tests/verifier/refused-programs.ts'
import { loadBtf, loadProgram, ProgramRefusal, type ProgramImage } from './program.ts'
import { close } from '../ffi.ts'

const { r0, r1 } = i

function image(...program: i.Instruction[]): ProgramImage {
  return { type: 'tc', name: 'test', instructions: encode(program).bytes }
}

describe('BPF programs', { skip: notRoot }, () => {
  it('are loaded, silently or with a log', () => {
    const good = image(i.move32(r0, 0), i.exit())
    const silent = loadProgram(good)
    assert.equal(silent.log, '')
    close(silent.fd)
    const loud = loadProgram(good, { logLevel: 2 })
    assert.match(loud.log, /0: \(b4\) w0 = 0[^]*\nprocessed 2 insns/)
    close(loud.fd)
    const terse = loadProgram(good, { logLevel: 4 })
    assert.match(terse.log, /^(verification time .*\nstack depth 0\n)?processed 2 insns/)
    close(terse.fd)
  })

  it('are refused with what the verifier said', () => {
    const bad = image(i.load(r0, i.u32(r1, 5000)), i.exit())
    assert.throws(
      () => loadProgram(bad),
      (error) => {
        assert.ok(error instanceof ProgramRefusal)
        assert.equal(error.call, 'load BPF program test')
        assert.equal(error.code, 'EACCES')
        assert.equal(error.hint, 'invalid bpf_context access off=5000 size=4')
        assert.match(error.log, /0: \(61\) r0 = \*\(u32 \*\)\(r1 \+5000\)/)
        return true
      },
    )
    assert.throws(() => loadProgram(bad, { logLevel: 1 }), { hint: /invalid bpf_context access/ })
  })

  for (const refused of [...REFUSED_PROGRAMS, TOO_COMPLEX]) {
    it(`are refused at the line of the source: ${refused.name}`, () => {
      const debug = describeProgram(refused.functions, refused.lines)
      const btf = loadBtf(debug.btf)
      try {
        const program = { ...image(...refused.program), debug: { ...debug, btf } }
        assert.throws(
          () => loadProgram({ ...program, type: 'xdp' }),
          (error) => {
            assert.ok(error instanceof ProgramRefusal)
            assert.match(error.hint, refused.sentence)
            if (refused === TOO_COMPLEX) return true
            const { slot, place } = readRefusal(error.log, refused.lines)
            assert.deepEqual([slot, place?.line], [refused.slot, refused.line])
            return true
          },
        )
      } finally {
        close(btf)
      }
    })
  }

  it('are printed by the kernel in the words of print.ts', () => {
    const { fd, log } = loadProgram(
      { ...image(...EVERY_INSTRUCTION), type: 'xdp' },
      { logLevel: 2 },
    )
    close(fd)
    const printed = new Map<string, string>()
    const instruction = /(?:^|\s)(\d+: \([0-9a-f]{2}\)) ([^;\n]*?)\s*(?:;.*)?$/gm
    for (const [, head, text] of log.matchAll(instruction)) printed.set(head!, text!)
    for (const line of formatProgram(EVERY_INSTRUCTION).trim().split('\n')) {
      const [, head, text] = /^\s*(\d+: \(..\)) (.*)$/.exec(line)!
      assert.equal(printed.get(head!), text)
    }
  })

  it('are refused where it is not about the program', () => {
    const missing = { ...image(i.mapPointer(r1, 'fd', 9999), i.move32(r0, 0), i.exit()) }
    assert.throws(() => loadProgram(missing), { code: 'EBADF' })
  })

  it('say what is wrong with their debug information', () => {
    assert.throws(() => loadBtf(Uint8Array.of(1, 2, 3, 4)), {
      name: 'KernelError',
      call: 'load BTF',
    })
  })
})
