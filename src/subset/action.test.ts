import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Action,
  drop,
  hold,
  isXdp,
  noteReason,
  pass,
  redirect,
  redirectLater,
  resume,
  sendBack,
  taken,
} from './action.ts'

test('actions say what they are, and leave word of where to', () => {
  assert.equal(pass(), Action.pass)
  assert.equal(drop(), Action.drop)
  assert.equal(redirect(7), Action.redirect)
  assert.equal(taken.egress, 7)
  assert.equal(hold(8, 0, 0, 0xffff, 0x0a000001), Action.hold)
  assert.deepEqual([taken.egress, ...taken.next], [8, 0, 0, 0xffff, 0x0a000001])
  assert.equal(sendBack(6), Action.redirect)
  assert.equal(taken.egress, 6)
  assert.equal(redirectLater(9), Action.redirectLater)
  assert.equal(taken.egress, 9)
  assert.equal(resume(), Action.pass)
  assert.equal(isXdp(), false)
  noteReason(64)
  assert.equal(taken.reason, 64)
})
