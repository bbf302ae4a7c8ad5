import assert from 'node:assert/strict'
import { release } from 'node:os'
import { describe, it } from 'node:test'
import { notRoot } from '../../../tests/kernel/own-network.ts'
import { createTwoHosts } from '../../../tests/kernel/two-hosts.ts'
import { addLink, getLink } from './link.ts'
import { parseXdpFeatures, readXdpFeatures } from './xdp-features.ts'

const [major, minor] = release().split('.').map(Number) as [number, number]
/** Linux 6.3 was the first. */
const isOld = major < 6 || (major === 6 && minor < 3)

describe('XDP features', { skip: notRoot }, () => {
  it('are those of the driver, if the kernel tells', async () => {
    const { a, remove } = await createTwoHosts()
    addLink(a.socket, 'bridge', { name: 'bridge0' })
    const of = (name: string) => readXdpFeatures(getLink(a.socket, name)!.index, a.namespace)
    const veth = of('eth0')
    assert.deepEqual(
      [veth?.isNative, veth?.redirects],
      isOld ? [undefined, undefined] : [true, true],
    )
    const none = { isNative: false, redirects: false, takesFrames: false }
    assert.deepEqual(of('bridge0'), isOld ? undefined : none)
    assert.equal(readXdpFeatures(9999, a.namespace), undefined)
    remove()
  })

  it('are read bit by bit', () => {
    const answer = (...features: number[]) =>
      Uint8Array.of(1, 1, 0, 0, 4 + features.length, 0, 3, 0, ...features)
    const all = { isNative: true, redirects: true, takesFrames: true }
    assert.deepEqual(parseXdpFeatures(answer(0x7f, 0, 0, 0, 0, 0, 0, 0)), all)
    const none = { isNative: false, redirects: false, takesFrames: false }
    assert.deepEqual(parseXdpFeatures(answer(0x78, 0, 0, 0, 0, 0, 0, 0)), none)
    assert.equal(parseXdpFeatures(answer(1, 0, 0, 0)), undefined)
    assert.equal(parseXdpFeatures(Uint8Array.of(1, 1, 0, 0)), undefined)
    assert.equal(parseXdpFeatures(new Uint8Array(0)), undefined)
  })
})
