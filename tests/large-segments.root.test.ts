/**
 * Large segments of TCP (segmentation offload) go through a director under tc whole, and as their sender made them:
 * with their headers where a program can read them and their payload in pages. So no payload is copied on the way, and
 * the receiver may join what came.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import * as i from '../src/bpf/instruction.ts'
import type { Host } from '../src/lab/host.ts'
import { countFrames } from './kernel/frame-counter.ts'
import { notRoot } from './kernel/own-network.ts'
import { connectTcp, exchangeTcp, listenTcp } from './lan/sockets.ts'
import { clearWays, FAMILIES, PORT, vipOf, WaysLan } from './lan/ways-lan.ts'

const BULK = Buffer.alloc(1 << 20, 'bulk ')
/** Longer than any frame on the wire. */
const LARGE = 4000
/** Ethernet, IPv6, TCP with all options. */
const HEADERS_MAX = 14 + 40 + 60
const { r1, r2, r3, r4 } = i
const Context = { length: 0, data: 76, dataEnd: 80 } as const

/** Large frames that came in at that interface; and of them those with more than their headers to be read. */
function watch(t: TestContext, host: Host, name: string): () => { large: number; copied: number } {
  const count = countFrames(t, host, name, [
    i.load(r2, i.u32(r1, Context.length)),
    i.branch(r2, 'less', LARGE, 'out'),
    i.load(r2, i.u32(r1, Context.data)),
    i.load(r3, i.u32(r1, Context.dataEnd)),
    i.subtract(r3, r2),
    i.mapValue(r1, 'index', 0, 0),
    i.move32(r4, 1),
    i.move(r2, r4),
    i.atomicAdd(i.u32(r1, 0), r2),
    i.branch(r3, 'lessOrEqual', HEADERS_MAX, 'out'),
    i.atomicAdd(i.u32(r1, 4), r4),
  ])
  return () => ({ large: count(0), copied: count(1) })
}

describe('large segments, in the kernel by tc', { skip: notRoot }, () => {
  let lan: WaysLan
  before(async () => {
    lan = await WaysLan.build('kernel', 'tc')
  })
  after(() => clearWays(lan))

  for (const family of FAMILIES) {
    for (const [way, network] of [
      ['nat', 'net5'],
      ['dr', 'net2'],
      ['fullnat', 'net3'],
    ] as const) {
      it(`${way}, IPv${family}: come as they were sent`, async (t) => {
        const server = await listenTcp(lan.servers[way], PORT, (socket) => {
          socket.resume()
          socket.end(BULK)
        })
        t.after(() => server.close())
        const there = watch(t, lan.servers[way], network)
        const back = watch(t, lan.client, 'net1')
        const socket = await connectTcp(lan.client, vipOf(way, family), PORT)
        assert.equal((await exchangeTcp(socket, BULK)).length, BULK.length)
        for (const seen of [there(), back()]) {
          assert.ok(seen.large > 0, 'no large frame came')
          assert.equal(seen.copied, 0)
        }
      })
    }
  }
})
