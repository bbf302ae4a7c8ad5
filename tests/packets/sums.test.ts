import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goldenFrames } from './golden-frames.ts'
import { isHeaderRight, isTransportRight, layoutOf, repairSums } from './sums.ts'

/** IP straight behind Ethernet, with a protocol that has a checksum we know, by a sender that computed it. */
const frames = goldenFrames().filter(
  ({ bytes, made }) =>
    /^(0800|86dd)/.test(Buffer.from(bytes.subarray(12, 14)).toString('hex')) &&
    !/partial|chksum=/.test(made) &&
    [1, 6, 17, 58].includes(layoutOf(bytes).protocol),
)

test("golden frames' checksums are found right, and wrong after any change", () => {
  assert.ok(frames.length > 20)
  for (const { name, bytes } of frames) {
    const layout = layoutOf(bytes)
    assert.ok(isHeaderRight(bytes, layout), name)
    assert.ok(isTransportRight(bytes, layout), name)
    if (layout.isFragment) continue
    const changed = bytes.slice()
    changed[layout.transport]! ^= 0x10
    assert.ok(!isTransportRight(changed, layout), name)
    repairSums(changed, changed.length)
    assert.ok(isTransportRight(changed, layout), name)
  }
})
