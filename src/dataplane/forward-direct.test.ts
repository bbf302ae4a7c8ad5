import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DIRECTOR_MAC, GATEWAY_MAC, Laboratory } from '../../tests/goldens/laboratory.ts'
import { bytesToHex } from '../base/hex.ts'
import { tcpFrame, udpFrame } from '../wire/flow.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { reasonName } from './reason-text.ts'

const FAMILIES = {
  IPv4: {
    client: '10.0.0.10:4000',
    vip: '10.0.0.100',
    virtual: '10.0.0.100:80',
    server: '192.168.10.11',
    far: '203.0.113.1',
  },
  IPv6: {
    client: '[2001:db8:a::10]:4000',
    vip: '2001:db8:a::100',
    virtual: '[2001:db8:a::100]:80',
    server: '2001:db8:b::11',
    far: '2001:db8:f::1',
  },
}
const SERVER_MAC = '02:00:00:00:0b:11'

function laboratory(vip: string, server: string, port = 80): Laboratory {
  const lab = new Laboratory()
  for (const protocol of ['tcp', 'udp'] as const) {
    const key = { protocol, address: vip, port: 80 }
    lab.addService(key)
    lab.addServer(key, { address: server, port }, { forwarding: 'direct' })
  }
  return lab
}

const IN = { destinationMac: DIRECTOR_MAC.client, sourceMac: GATEWAY_MAC }
const OUT = { destinationMac: SERVER_MAC, sourceMac: DIRECTOR_MAC.server }
const old = (hops: number) => ({ ip: { timeToLive: hops, hopLimit: hops } })

for (const [name, { client, vip, virtual, server, far }] of Object.entries(FAMILIES)) {
  describe(`direct routing, ${name}`, () => {
    it('changes the MAC addresses and the time to live, and nothing else', () => {
      const lab = laboratory(vip, server)
      const frames = [
        [tcpFrame, { flags: TcpFlag.syn, options: [{ type: 'mss', size: 9000 }] }],
        [tcpFrame, { flags: TcpFlag.ack, data: 'GET /' }],
        [udpFrame, { data: 'hello' }],
        [udpFrame, { data: 'no checksum', checksum: 0x1234 }],
      ] as const
      for (const [frame, options] of frames) {
        const make = frame as typeof tcpFrame
        const came = make(client, virtual, { ...options, over: { ...IN, ...old(64) } } as object)
        const want = make(client, virtual, { ...options, over: { ...OUT, ...old(63) } } as object)
        const { reason, departed } = lab.send('client', came)
        assert.equal(reasonName(reason), 'toServer')
        assert.deepEqual(
          departed.map(({ at, bytes }) => [at, bytesToHex(bytes)]),
          [['server', bytesToHex(want)]],
        )
      }
    })

    it('leaves a server that is no neighbour to the gateway on its way, as IPVS does', () => {
      const lab = laboratory(vip, far)
      const came = tcpFrame(client, virtual, { flags: TcpFlag.syn, over: { ...IN, ...old(64) } })
      const macs = { destinationMac: GATEWAY_MAC, sourceMac: DIRECTOR_MAC.client }
      const want = tcpFrame(client, virtual, { flags: TcpFlag.syn, over: { ...macs, ...old(63) } })
      const [left] = lab.send('client', came).departed
      assert.deepEqual([left!.at, bytesToHex(left!.bytes)], ['client', bytesToHex(want)])
    })

    it('holds the frame for a neighbour that is not resolved', () => {
      const lab = laboratory(vip, server.replace(/11$/, '99'))
      const came = tcpFrame(client, virtual, { flags: TcpFlag.syn, over: { ...IN, ...old(64) } })
      assert.equal(reasonName(lab.send('client', came).reason), 'nextHopUnresolved')
    })

    it('keeps the port that was asked for, whatever the server’s is', () => {
      const lab = laboratory(vip, server, 8080)
      const came = tcpFrame(client, virtual, { flags: TcpFlag.syn, over: { ...IN, ...old(64) } })
      const want = tcpFrame(client, virtual, { flags: TcpFlag.syn, over: { ...OUT, ...old(63) } })
      const [left] = lab.send('client', came).departed
      assert.equal(bytesToHex(left!.bytes), bytesToHex(want))
    })

    it("takes no part in the server's answers", () => {
      const lab = laboratory(vip, server)
      lab.send(
        'client',
        tcpFrame(client, virtual, { flags: TcpFlag.syn, over: { ...IN, ...old(64) } }),
      )
      const over = { destinationMac: DIRECTOR_MAC.server, sourceMac: SERVER_MAC, ...old(64) }
      const answer = tcpFrame(virtual, client, { flags: TcpFlag.syn | TcpFlag.ack, over })
      assert.equal(reasonName(lab.send('server', answer).reason), 'notOurs')
    })
  })
}
