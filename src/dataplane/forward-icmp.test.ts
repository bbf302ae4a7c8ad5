import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DIRECTOR_MAC, Laboratory, type Side } from '../../tests/goldens/laboratory.ts'
import { layoutOf, repairSums } from '../../tests/packets/sums.ts'
import { bytesToHex } from '../base/hex.ts'
import type { ForwardingMethod } from '../director/model.ts'
import { icmpErrorFrame, tcpFrame, udpFrame } from '../wire/flow.ts'
import { printFrame } from '../wire/print.ts'
import { reasonName, type ReasonName } from './reason-text.ts'

const FAMILIES = {
  IPv4: {
    client: '10.0.0.10',
    vip: '10.0.0.100',
    server: '192.168.10.11',
    local: '192.168.10.200',
    routers: { client: '10.0.0.2', server: '192.168.10.99' },
    type: 3,
  },
  IPv6: {
    client: '2001:db8:a::10',
    vip: '2001:db8:a::100',
    server: '2001:db8:b::11',
    local: '2001:db8:b::c8',
    routers: { client: '2001:db8:a::2', server: '2001:db8:b::99' },
    type: 2,
  },
}
type Family = (typeof FAMILIES)['IPv4']

const PEER_MAC: Readonly<Record<Side, string>> = {
  client: '02:00:00:00:0a:01',
  server: '02:00:00:00:0b:11',
}

function at(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

/** A frame that comes in on a side, or leaves there. */
function over(side: Side, isIn: boolean, hops = isIn ? 64 : 63) {
  const [destinationMac, sourceMac] = [DIRECTOR_MAC[side], PEER_MAC[side]]
  const macs = isIn
    ? { destinationMac, sourceMac }
    : { destinationMac: sourceMac, sourceMac: destinationMac }
  return { over: { ...macs, ip: { timeToLive: hops, hopLimit: hops } } }
}

function send(
  lab: Laboratory,
  side: Side,
  frame: Uint8Array,
): { reason: ReasonName; bytes: Uint8Array } {
  const { reason, departed } = lab.send(side, frame)
  assert.equal(departed.length, 1, `${reasonName(reason)}: ${printFrame(frame)}`)
  return { reason: reasonName(reason), bytes: departed[0]!.bytes }
}

/** The IP packet of `frame`, one hop on, with the transport checksum that it had when it came as `later`. */
function quotedBack(frame: Uint8Array, later: Uint8Array, protocol: string): Uint8Array {
  const bytes = frame.slice()
  bytes[frame[12] === 8 ? 22 : 21]! -= 1
  repairSums(bytes, bytes.length)
  const place = protocol === 'tcp' ? 16 : 6
  const from = layoutOf(later).transport + place
  bytes.set(later.subarray(from, from + 2), layoutOf(bytes).transport + place)
  return bytes.subarray(14)
}

/** Opens a connection, and has it answered: the frames in and out. */
function converse(family: Family, forwarding: ForwardingMethod, protocol: 'tcp' | 'udp') {
  const lab = new Laboratory()
  const key = { protocol, address: family.vip, port: 80 }
  lab.addService(key)
  if (forwarding === 'fullnat') lab.addLocal(key, family.local)
  const port = forwarding === 'direct' ? 80 : 8080
  lab.addServer(key, { address: family.server, port }, { forwarding })
  const make = (from: string, to: string, side: Side) =>
    protocol === 'udp'
      ? udpFrame(from, to, { data: 'hello', ...over(side, true) })
      : tcpFrame(from, to, { flags: side === 'client' ? 0x02 : 0x12, ...over(side, true) })
  const request = make(at(family.client, 4000), at(family.vip, 80), 'client')
  const requestOut = send(lab, 'client', request).bytes
  const back = forwarding === 'fullnat' ? at(family.local, 5000) : at(family.client, 4000)
  const reply = make(at(family.server, port), back, 'server')
  const replyOut = forwarding === 'direct' ? reply : send(lab, 'server', reply).bytes
  return { lab, request, requestOut, reply, replyOut }
}

for (const [name, family] of Object.entries(FAMILIES)) {
  for (const forwarding of ['masquerade', 'fullnat'] as const) {
    for (const protocol of ['tcp', 'udp'] as const) {
      describe(`${name}, ${forwarding}, ${protocol}`, () => {
        const { lab, request, requestOut, reply, replyOut } = converse(family, forwarding, protocol)
        const { client, vip, server, local, routers, type } = family
        const error = { type, code: 1, rest: 1400 }
        const reached = forwarding === 'fullnat' ? local : client

        it('from the server or any router behind, to the client: from the VIP', () => {
          const quoted = quotedBack(request, requestOut, protocol)
          const want = icmpErrorFrame(vip, client, { ...error, quoted, ...over('client', false) })
          for (const from of [server, routers.server]) {
            const sent = { ...error, quoted: requestOut.subarray(14), ...over('server', true) }
            const { reason, bytes } = send(lab, 'server', icmpErrorFrame(from, reached, sent))
            assert.deepEqual([reason, bytesToHex(bytes)], ['icmpToClient', bytesToHex(want)], from)
          }
        })

        it('from the client or any router there, to the server', () => {
          const quoted = quotedBack(reply, replyOut, protocol)
          for (const from of [client, routers.client]) {
            const source = forwarding === 'fullnat' ? local : from
            const out = { ...error, quoted, ...over('server', false) }
            const want = icmpErrorFrame(source, server, out)
            const sent = { ...error, quoted: replyOut.subarray(14), ...over('client', true) }
            const { reason, bytes } = send(lab, 'client', icmpErrorFrame(from, vip, sent))
            assert.deepEqual([reason, bytesToHex(bytes)], ['icmpToServer', bytesToHex(want)], from)
          }
        })
      })
    }
  }

  it(`${name}, direct: to the server as it is`, () => {
    const { lab } = converse(family, 'direct', 'tcp')
    const { vip, client, routers, type } = family
    const quoted = tcpFrame(at(vip, 80), at(client, 4000), { flags: 0x12 }).subarray(14)
    const make = (isIn: boolean) =>
      icmpErrorFrame(routers.client, vip, {
        type,
        quoted,
        ...over(isIn ? 'client' : 'server', isIn),
      })
    const { reason, bytes } = send(lab, 'client', make(true))
    assert.deepEqual([reason, bytesToHex(bytes)], ['icmpToServer', bytesToHex(make(false))])
  })
}

it('about strangers, or with a time to live of 1, nothing leaves', () => {
  const { lab, requestOut, replyOut } = converse(FAMILIES.IPv4, 'masquerade', 'tcp')
  const reasonOf = (side: Side, from: string, to: string, quoted: Uint8Array, hops = 64) => {
    const frame = icmpErrorFrame(from, to, { type: 3, quoted, ...over(side, true, hops) })
    return reasonName(lab.send(side, frame).reason)
  }
  const { client, vip, server } = FAMILIES.IPv4
  const stranger = tcpFrame(at(vip, 80), at(client, 4001)).subarray(14)
  assert.equal(reasonOf('client', client, vip, stranger), 'icmpUnrelated')
  assert.equal(reasonOf('client', client, vip, replyOut.subarray(14), 1), 'timeExceeded')
  assert.equal(reasonOf('server', server, client, requestOut.subarray(14), 1), 'timeExceeded')
  assert.equal(reasonOf('client', client, '10.0.0.7', stranger), 'notOurs')
})
