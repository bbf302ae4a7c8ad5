/**
 * Fragments in the wrong order, in either engine and every way through a director: the later ones wait for the first,
 * and the whole datagram reaches a real server, whose stack puts it together.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { fragmentFrame, fragmentIpv6 } from '../src/engine/fragment.ts'
import { getLink } from '../src/kernel/netlink/link.ts'
import { bracketed } from '../src/lab/modes.ts'
import { udpFrame } from '../src/wire/flow.ts'
import { notRoot } from './kernel/own-network.ts'
import { Station } from './kernel/station.ts'
import { bindUdp } from './lan/sockets.ts'
import {
  clearWays,
  clientIp,
  FAMILIES,
  PORT,
  serviceIp,
  vipOf,
  WAYS,
  WaysLan,
} from './lan/ways-lan.ts'

const DATA = Buffer.from(Array.from({ length: 4000 }, (_, i) => i % 251))
const PIECE = 1280
const CLIENT_PORT = 41_000

for (const [engine, attach] of [
  ['v8', 'auto'],
  ['kernel', 'tc'],
  ['kernel', 'xdp'],
] as const) {
  describe(`early fragments, ${engine} ${attach}`, { skip: notRoot }, () => {
    let lan: WaysLan
    before(async () => {
      lan = await WaysLan.build(engine, attach)
    })
    after(() => clearWays(lan))

    for (const family of FAMILIES) {
      for (const way of WAYS) {
        it(`${way}, IPv${family}: the last comes first, and nothing is lost`, async (t) => {
          const server = await bindUdp(lan.servers[way], serviceIp(way, family), PORT)
          const station = new Station(lan.client, 'net1')
          t.after(() => {
            station.close()
            server.close()
          })
          const destinationMac = getLink(lan.router.socket, 'net1')!.mac!
          const ip = { dontFragment: false, identification: 7 }
          const whole = udpFrame(
            `${bracketed(clientIp(family))}:${CLIENT_PORT}`,
            `${bracketed(vipOf(way, family))}:${PORT}`,
            { data: DATA, over: { sourceMac: station.mac, destinationMac, ip } },
          )
          const pieces =
            family === 4 ? fragmentFrame(whole, PIECE) : fragmentIpv6(whole, PIECE, 0xf1a9)
          const early = await lan.counted('fragmentEarly')
          const arrived = once(server, 'message', { signal: AbortSignal.timeout(10_000) })
          for (const piece of pieces.reverse()) station.send(piece)
          const [data] = (await arrived) as [Buffer]
          assert.ok(data.equals(DATA))
          assert.equal((await lan.counted('fragmentEarly')) - early, pieces.length - 1)
        })
      }
    }

    it('none waits any more, none waited in vain', async () => {
      const { engineCounters } = await lan.control.call('status', {})
      const { fragmentsWaiting, fragmentsInVain } = engineCounters
      assert.deepEqual([fragmentsWaiting, fragmentsInVain], [0, 0])
    })
  })
}
