import assert from 'node:assert/strict'
import { test } from 'node:test'
import { choosePlaces, type AttachWish, type Place } from './attach-choice.ts'

test('cards get XDP, virtual devices tc, and everybody what was asked for', () => {
  const cases: [AttachWish, string | undefined, Place[], RegExp][] = [
    ['auto', undefined, ['xdp', 'tc'], /network card/],
    ['auto', 'veth', ['tc'], /veth is a virtual device/],
    ['auto', 'bridge', ['tc'], /bridge/],
    ['auto', 'macvlan', ['tc'], /macvlan/],
    ['xdp', 'veth', ['xdp', 'xdp generic'], /asked for; veth has no segmentation .* tx off/],
    ['xdp', undefined, ['xdp', 'xdp generic'], /asked/],
    ['tc', undefined, ['tc'], /asked/],
  ]
  for (const [wish, kind, places, why] of cases) {
    const choice = choosePlaces(wish, kind)
    assert.deepEqual(choice.places, places, `${wish} ${kind}`)
    assert.match(choice.why, why)
  }
})
