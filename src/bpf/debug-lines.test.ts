import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BtfReader } from './btf-reader.ts'
import { Kind } from './btf.ts'
import { describeProgram, placeOf, type LineAt } from './debug-lines.ts'

const at = (slot: number, line: number, column = 1, file = 'main.ts'): LineAt => ({
  slot,
  file,
  line,
  column,
  text: `  line ${line} of ${file}`,
})

/** The records of lines, with their texts. */
function readLines({ btf, lines }: { btf: Uint8Array; lines: Uint8Array }): unknown[] {
  const view = new DataView(btf.buffer)
  const texts = 24 + view.getUint32(16, true)
  const text = (offset: number) =>
    Buffer.from(btf.subarray(texts + offset, btf.indexOf(0, texts + offset))).toString()
  const words = new Uint32Array(lines.buffer)
  return Array.from({ length: words.length / 4 }, (_, i) => {
    const [slot, file, line, place] = words.subarray(4 * i, 4 * i + 4)
    return [slot, text(file!), text(line!), place! >>> 10, place! & 1023]
  })
}

describe('debug information', () => {
  it('names each function and the lines that begin anew', () => {
    const lines = [at(0, 3), at(2, 3), at(3, 4, 5), at(7, 3), at(9, 1, 1, 'hash.ts')]
    const bytes = describeProgram(
      [
        { slot: 0, name: 'receive' },
        { slot: 9, name: 'hash-of' },
      ],
      lines,
    )
    assert.deepEqual(readLines(bytes), [
      [0, 'main.ts', 'line 3 of main.ts', 3, 1],
      [3, 'main.ts', 'line 4 of main.ts', 4, 5],
      [7, 'main.ts', 'line 3 of main.ts', 3, 1],
      [9, 'hash.ts', 'line 1 of hash.ts', 1, 1],
    ])
    const reader = BtfReader.parse(bytes.btf)!
    const functions = ['receive', 'hash_of'].map((name) => reader.find(Kind.function, name))
    assert.deepEqual(
      [...new Uint32Array(bytes.functions.buffer)],
      [0, functions[0], 9, functions[1]],
    )
  })

  it('gives a function without a line the one before it, or none', () => {
    const functions = [0, 4, 8].map((slot) => ({ slot, name: `f${slot}` }))
    const slots = (lines: LineAt[]) =>
      readLines(describeProgram(functions, lines)).map((record) => (record as unknown[])[0])
    assert.deepEqual(slots([at(1, 5)]), [0, 1, 4, 8])
    assert.deepEqual(readLines(describeProgram(functions, [at(2, 7)])), [
      [0, '', '', 0, 0],
      [2, 'main.ts', 'line 7 of main.ts', 7, 1],
      [4, 'main.ts', 'line 7 of main.ts', 7, 1],
      [8, 'main.ts', 'line 7 of main.ts', 7, 1],
    ])
  })

  it('keeps the last of several lines for one slot, and what its fields can hold', () => {
    const bytes = describeProgram([{ slot: 0, name: 'f' }], [at(0, 1), at(0, 2 ** 23, 5000)])
    assert.deepEqual(readLines(bytes), [
      [0, 'main.ts', `line ${2 ** 23} of main.ts`, 2 ** 22 - 1, 1023],
    ])
  })

  it('finds the line of a slot', () => {
    const lines = [at(2, 3), at(5, 4)]
    assert.deepEqual(
      [0, 2, 4, 5, 99].map((slot) => placeOf(lines, slot)?.line),
      [undefined, 3, 3, 4, 4],
    )
  })

  it('wants the first function at the beginning', () => {
    assert.throws(() => describeProgram([{ slot: 1, name: 'f' }], []), { name: 'AssertionError' })
  })
})
