import nodeAssert from 'node:assert/strict'
import { test } from 'node:test'
import { assert, AssertionError } from './assert.ts'

test('a condition that holds passes and narrows', () => {
  const value = [3].at(0)
  assert(value !== undefined, 'one element')
  nodeAssert.equal(value + 1, 4)
})

test('a condition that does not hold throws with the message', () => {
  for (const falsy of [false, 0, undefined, null, '']) {
    nodeAssert.throws(() => assert(falsy, 'no such row'), new AssertionError('no such row'))
  }
})
