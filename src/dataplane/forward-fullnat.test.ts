import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  DIRECTOR_MAC,
  Laboratory,
  type Arrival,
  type Side,
} from '../../tests/goldens/laboratory.ts'
import { bytesToHex } from '../base/hex.ts'
import { fold, pseudoHeaderSum } from '../wire/checksum.ts'
import { tcpFrame, udpFrame, type TcpFrameOptions } from '../wire/flow.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { TcpFlag, type TcpOption } from '../wire/tcp.ts'
import { reasonName } from './reason-text.ts'

const FAMILIES = {
  IPv4: {
    client: '10.0.0.10:4000',
    vip: '10.0.0.100',
    virtual: '10.0.0.100:80',
    server: '192.168.10.11:8080',
    local: '192.168.10.200:5000',
    segment: 1460,
  },
  IPv6: {
    client: '[2001:db8:a::10]:4000',
    vip: '2001:db8:a::100',
    virtual: '[2001:db8:a::100]:80',
    server: '[2001:db8:b::11]:8080',
    local: '[2001:db8:b::c8]:5000',
    segment: 1440,
  },
} as const
type Family = (typeof FAMILIES)[keyof typeof FAMILIES]

const NOP: TcpOption = { type: 'nop' }
const TIMES: TcpOption = { type: 'timestamps', value: 9, echo: 0 }
const BLANK = Array.from({ length: 10 }, () => NOP)
const MAC: Readonly<Record<Side, string>> = {
  client: '02:00:00:00:0a:01',
  server: '02:00:00:00:0b:11',
}

function makeLaboratory(family: Family): Laboratory {
  const lab = new Laboratory()
  for (const protocol of ['tcp', 'udp'] as const) {
    const key = { protocol, address: family.vip, port: 80 }
    const [address, port] = [family.server.replace(/^\[|\]?:\d+$/g, ''), 8080]
    lab.addService(key)
    lab.addLocal(key, family.local.replace(/^\[|\]?:\d+$/g, ''))
    lab.addServer(key, { address, port }, { forwarding: 'fullnat' })
  }
  return lab
}

/** A TCP segment to the director, or from it, at that side. */
function segment(side: Side, isIn: boolean, from: string, to: string, tcp: TcpFrameOptions) {
  const [destinationMac, sourceMac] = isIn
    ? [DIRECTOR_MAC[side], MAC[side]]
    : [MAC[side], DIRECTOR_MAC[side]]
  const hops = isIn ? 64 : 63
  const ip = { timeToLive: hops, hopLimit: hops }
  return tcpFrame(from, to, { ...tcp, over: { destinationMac, sourceMac, ip } })
}

function check(
  lab: Laboratory,
  side: Side,
  frame: Uint8Array,
  want: Uint8Array,
  how: Arrival = {},
) {
  const { reason, departed } = lab.send(side, frame, how)
  assert.deepEqual(
    departed.map(({ at, bytes }) => `${at} ${bytesToHex(bytes)}`),
    [`${side === 'client' ? 'server' : 'client'} ${bytesToHex(want)}`],
    reasonName(reason),
  )
}

for (const [name, family] of Object.entries(FAMILIES)) {
  const { client, virtual, server, local, segment: size } = family
  const mss = (bytes: number): TcpOption => ({ type: 'mss', size: bytes })

  describe(name, () => {
    it('there and back: every address and port changes, and nothing else', () => {
      const lab = makeLaboratory(family)
      for (const tcp of [{ flags: TcpFlag.syn }, { flags: TcpFlag.ack, data: 'GET /' }]) {
        const frame = segment('client', true, client, virtual, tcp)
        check(lab, 'client', frame, segment('server', false, local, server, tcp))
        const answer = { flags: tcp.flags | TcpFlag.ack, data: '200' }
        const back = segment('server', true, server, local, answer)
        check(lab, 'server', back, segment('client', false, virtual, client, answer))
      }
    })

    it("a client's SYN loses its timestamps, a server's does not; both must fit both sides", () => {
      const lab = makeLaboratory(family)
      lab.setMtu('server', 1400)
      const syn = (options: TcpOption[]) => ({ flags: TcpFlag.syn, options })
      const frame = segment('client', true, client, virtual, syn([mss(9000), TIMES]))
      const want = segment('server', false, local, server, syn([mss(size - 100), ...BLANK]))
      check(lab, 'client', frame, want)
      const synAck = (options: TcpOption[]) => ({ flags: TcpFlag.syn | TcpFlag.ack, options })
      const back = segment('server', true, server, local, synAck([mss(9000), TIMES]))
      const wanted = segment('client', false, virtual, client, synAck([mss(size - 100), TIMES]))
      check(lab, 'server', back, wanted)
      const data = { flags: TcpFlag.ack, options: [NOP, NOP, TIMES] }
      const later = segment('client', true, client, virtual, data)
      check(lab, 'client', later, segment('server', false, local, server, data))
    })

    it('a partial checksum covers the new addresses', () => {
      const lab = makeLaboratory(family)
      const partial = (from: string, to: string) => {
        const [a, b] = [from, to].map((each) => each.replace(/^\[|\]?:\d+$/g, ''))
        return { flags: 2, checksum: fold(pseudoHeaderSum(a!, b!, Protocol.tcp, 20)) }
      }
      const frame = segment('client', true, client, virtual, partial(client, virtual))
      const want = segment('server', false, local, server, partial(local, server))
      check(lab, 'client', frame, want, { hasPartialChecksum: true })
    })

    it('too large or too old, it is answered from the VIP, on either side', () => {
      const lab = makeLaboratory(family)
      const make = (from: string, to: string, hops: number, bytes: number) =>
        udpFrame(from, to, {
          data: new Uint8Array(bytes),
          over: {
            destinationMac: DIRECTOR_MAC[from === server ? 'server' : 'client'],
            ip: { timeToLive: hops, hopLimit: hops },
          },
        })
      const reasonOf = (side: Side, frame: Uint8Array) => {
        const { reason, departed } = lab.send(side, frame)
        return [reasonName(reason), departed.map(({ at }) => at).join()]
      }
      const request = (hops: number, bytes: number) => make(client, virtual, hops, bytes)
      const reply = (hops: number, bytes: number) => make(server, local, hops, bytes)
      assert.deepEqual(reasonOf('client', request(64, 1400)), ['toServer', 'server'])
      assert.deepEqual(reasonOf('client', request(1, 1)), ['answeredTimeExceeded', 'client'])
      assert.deepEqual(reasonOf('client', request(64, 1600)), ['answeredTooBig', 'client'])
      assert.deepEqual(reasonOf('server', reply(1, 1)), ['answeredTimeExceeded', 'server'])
      assert.deepEqual(reasonOf('server', reply(64, 1600)), ['answeredTooBig', 'server'])
    })
  })
}
