import assert from 'node:assert/strict'
import { it } from 'node:test'
import { JsonRows } from './json-rows.ts'

/** Nothing, two rows, nothing, one row. */
class Few extends JsonRows {
  readonly room = 8
  readonly #pieces = ['', '1,[2],', '', '"3",']

  get isDone(): boolean {
    return this.#pieces.length === 0
  }

  write(bytes: Uint8Array, at: number): number {
    return at + Buffer.from(bytes.buffer, bytes.byteOffset).write(this.#pieces.shift()!, at)
  }
}

it('rows as text are one JSON array, however they were written', () => {
  const rows = new Few()
  assert.deepEqual(JSON.parse(rows.text()), [1, [2], '3'])
  assert.equal(rows.text(), '[]')
})
