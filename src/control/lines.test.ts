/**
 * Lines come out whole however the stream was cut, and a long one ends it.
 */
import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { LineReader } from './lines.ts'

/** All lines of `chunks`. */
function readAll(reader: LineReader, chunks: readonly (string | Buffer)[]): string[] {
  return chunks.flatMap((chunk) => reader.push(Buffer.from(chunk)))
}

describe('LineReader', () => {
  const cases: readonly [string, readonly string[], readonly string[]][] = [
    ['one line in one chunk', ['a\n'], ['a']],
    ['several in one chunk', ['a\nb\nc\n'], ['a', 'b', 'c']],
    ['one in several chunks', ['a', 'b', 'c\n'], ['abc']],
    ['a newline alone in its chunk', ['abc', '\n'], ['abc']],
    ['empty lines', ['\n\na\n\n'], ['', '', 'a', '']],
    ['a line without an end', ['a\nb'], ['a']],
    ['an empty chunk', ['a', '', 'b\n'], ['ab']],
    ['a carriage return is part of the line', ['a\r\n'], ['a\r']],
  ]
  for (const [what, chunks, lines] of cases) {
    test(what, () => assert.deepEqual(readAll(new LineReader(10), chunks), lines))
  }

  test('a character may be cut in two', () => {
    const [left, right] = [Buffer.from([0xc3]), Buffer.from([0xa4, 0x0a])]
    assert.deepEqual(readAll(new LineReader(10), [left, right]), ['ä'])
  })

  test('a line of the greatest length is read, one byte more is not', () => {
    const exact = new LineReader(3)
    assert.deepEqual(readAll(exact, ['abc\n', 'ab', 'c\n']), ['abc', 'abc'])
    assert.equal(exact.isTooLong, false)
    for (const chunks of [['abcd\n'], ['abcd'], ['ab', 'cd']]) {
      const reader = new LineReader(3)
      assert.deepEqual(readAll(reader, chunks), [])
      assert.equal(reader.isTooLong, true)
    }
  })

  test('lines before the too long one are read, lines behind it are not', () => {
    const reader = new LineReader(3)
    assert.deepEqual(readAll(reader, ['a\nb\nlong…\nc\n', 'd\n']), ['a', 'b'])
    assert.equal(reader.isTooLong, true)
  })

  test('the same lines wherever the stream is cut', () => {
    const text = 'aä\n\n🙂b\r\ncde\n'
    const bytes = Buffer.from(text)
    for (let i = 0; i <= bytes.length; i++) {
      for (let j = i; j <= bytes.length; j++) {
        const chunks = [bytes.subarray(0, i), bytes.subarray(i, j), bytes.subarray(j)]
        const lines = readAll(new LineReader(10), chunks)
        assert.deepEqual(lines, text.split('\n').slice(0, -1), `cut at ${i} and ${j}`)
      }
    }
  })
})
