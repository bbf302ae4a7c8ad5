import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DIRECTOR_MAC, GATEWAY_MAC, Laboratory, type Side } from '../../tests/goldens/laboratory.ts'
import { bytesToHex } from '../base/hex.ts'
import { tcpFrame, udpFrame, type TcpFrameOptions } from '../wire/flow.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { reasonName } from './reason-text.ts'

const FAMILIES = {
  IPv4: {
    client: '10.0.0.10:4000',
    vip: '10.0.0.100',
    virtual: '10.0.0.100:80',
    address: '192.168.10.11',
    server: '192.168.10.11:8080',
  },
  IPv6: {
    client: '[2001:db8:a::10]:4000',
    vip: '2001:db8:a::100',
    virtual: '[2001:db8:a::100]:80',
    address: '2001:db8:b::11',
    server: '[2001:db8:b::11]:8080',
  },
}
const MAC: Readonly<Record<Side, string>> = { client: GATEWAY_MAC, server: '02:00:00:00:0b:11' }
const SYN_ACK = TcpFlag.syn | TcpFlag.ack

/** Of a frame that comes to the director from that side, or leaves it there. */
function over(side: Side, isIn: boolean) {
  const [own, peer] = [DIRECTOR_MAC[side], MAC[side]]
  const macs = isIn
    ? { destinationMac: own, sourceMac: peer }
    : { destinationMac: peer, sourceMac: own }
  const hops = isIn ? 64 : 63
  return { over: { ...macs, ip: { timeToLive: hops, hopLimit: hops } } }
}

function laboratory(vip: string, address: string, port: number): Laboratory {
  const lab = new Laboratory()
  for (const protocol of ['tcp', 'udp'] as const) {
    const key = { protocol, address: vip, port: 80 }
    lab.addService(key)
    lab.addServer(key, { address, port }, { forwarding: 'masquerade' })
  }
  return lab
}

type Make = typeof tcpFrame

for (const [name, { client, vip, virtual, address, server }] of Object.entries(FAMILIES)) {
  describe(`NAT, ${name}`, () => {
    function check(
      lab: Laboratory,
      side: Side,
      make: Make,
      ends: string[],
      options: TcpFrameOptions,
    ) {
      const [from, to, newFrom, newTo] = ends as [string, string, string, string]
      const other = side === 'client' ? 'server' : 'client'
      const { reason, departed } = lab.send(
        side,
        make(from, to, { ...options, ...over(side, true) }),
      )
      const want = make(newFrom, newTo, { ...options, ...over(other, false) })
      assert.deepEqual(
        departed.map(({ at, bytes }) => [at, bytesToHex(bytes)]),
        [[other, bytesToHex(want)]],
        reasonName(reason),
      )
    }

    it('puts the server in the place of the VIP, and back, and touches nothing else', () => {
      const lab = laboratory(vip, address, 8080)
      const timestamps = { type: 'timestamps', value: 7, echo: 0 } as const
      const options = [{ type: 'mss', size: 9000 } as const, timestamps]
      const there = [client, virtual, client, server]
      const back = [server, client, virtual, client]
      check(lab, 'client', tcpFrame, there, { flags: TcpFlag.syn, options })
      check(lab, 'server', tcpFrame, back, { flags: SYN_ACK, options })
      check(lab, 'client', tcpFrame, there, { flags: TcpFlag.ack, data: 'GET / odd' })
      check(lab, 'server', tcpFrame, back, { flags: TcpFlag.ack, data: '200' })
      check(lab, 'client', udpFrame as Make, there, { data: 'who?' })
      check(lab, 'server', udpFrame as Make, back, { data: 'me!' })
    })

    it('keeps the port where the server has none of its own', () => {
      const lab = laboratory(vip, address, 0)
      const same = server.replace(/8080$/, '80')
      check(lab, 'client', tcpFrame, [client, virtual, client, same], { flags: TcpFlag.syn })
      check(lab, 'server', tcpFrame, [same, client, virtual, client], { flags: SYN_ACK })
    })

    it('leaves alone what only looks like an answer', () => {
      const lab = laboratory(vip, address, 8080)
      check(lab, 'client', tcpFrame, [client, virtual, client, server], { flags: TcpFlag.syn })
      for (const [what, from, to] of [
        ['from another port', server.replace('8080', '8081'), client],
        ['to another port', server, client.replace('4000', '4001')],
        ['from another server', server.replace('11', '12'), client],
        ['to another client', server, client.replace('10]', '2]').replace('.10:', '.2:')],
      ] as const) {
        const frame = tcpFrame(from, to, { flags: SYN_ACK, ...over('server', true) })
        const { reason, verdict } = lab.send('server', frame)
        assert.equal(verdict, 0, `${what}: ${reasonName(reason)}`)
      }
    })
  })
}

describe('NAT of a UDP datagram', () => {
  const { client, vip, virtual, address, server } = FAMILIES.IPv4

  it('without a checksum: it gets one, there and back', () => {
    const lab = laboratory(vip, address, 8080)
    const data = 'xyz'
    const none = { data, checksum: 0 }
    const there = udpFrame(client, virtual, { ...none, ...over('client', true) })
    const wantThere = udpFrame(client, server, { data, ...over('server', false) })
    assert.equal(bytesToHex(lab.send('client', there).departed[0]!.bytes), bytesToHex(wantThere))
    const back = udpFrame(server, client, { ...none, ...over('server', true) })
    const wantBack = udpFrame(virtual, client, { data, ...over('client', false) })
    assert.equal(bytesToHex(lab.send('server', back).departed[0]!.bytes), bytesToHex(wantBack))
  })

  it('a fragment of one without a checksum: it gets none, as not all is at hand', () => {
    const lab = laboratory(vip, address, 8080)
    const none = { data: new Uint8Array(64), checksum: 0 }
    const { over: layers } = over('client', true)
    const came = udpFrame(client, virtual, {
      ...none,
      over: { ...layers, ip: { moreFragments: true, dontFragment: false } },
    })
    const [left] = lab.send('client', came).departed
    assert.deepEqual([...left!.bytes.subarray(40, 42)], [0, 0])
  })

  it('whose checksum would become 0: it becomes ffff, for 0 says that there is none', () => {
    const lab = laboratory(vip, address, 8080)
    const frame = (data: Uint8Array) => udpFrame(client, server, { data, ...over('server', false) })
    const checksumOf = (bytes: Uint8Array) => bytes.slice(14 + 20 + 6, 14 + 20 + 8)
    // What the sum lacks of ffff, as data, makes it so.
    const data = checksumOf(frame(new Uint8Array(2)))
    const want = frame(data)
    assert.deepEqual([...checksumOf(want)], [0xff, 0xff])
    const came = udpFrame(client, virtual, { data, ...over('client', true) })
    assert.equal(bytesToHex(lab.send('client', came).departed[0]!.bytes), bytesToHex(want))
  })
})
