import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseLeadingNumber, parseNumber } from './number.ts'

test('a number is decimal, all of the word, and in range', () => {
  const cases: [string, number | undefined][] = [
    ['0', 0],
    ['12', 12],
    ['010', 10],
    [' 7', 7],
    ['+7', 7],
    ['100', 100],
    ['101', undefined],
    ['-1', undefined],
    ['', undefined],
    [' ', undefined],
    ['7 ', undefined],
    ['0x10', undefined],
    ['1.5', undefined],
    ['1e1', undefined],
    ['abc', undefined],
    ['99999999999999999999', undefined],
  ]
  for (const [text, value] of cases) {
    assert.equal(parseNumber(text, 0, 100), value, JSON.stringify(text))
  }
})

test('the leading number is what the text begins with', () => {
  assert.equal(parseLeadingNumber('64'), 64)
  assert.equal(parseLeadingNumber('64.5'), 64)
  assert.equal(parseLeadingNumber(' 12x'), 12)
  assert.equal(parseLeadingNumber('-3'), -3)
  assert.equal(parseLeadingNumber('x'), 0)
  assert.equal(parseLeadingNumber('99999999999999999999'), 0)
})
