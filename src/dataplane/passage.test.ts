/**
 * Servers' answers that cannot go on: who tells the server so.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { DIRECTOR_MAC, Laboratory } from '../../tests/goldens/laboratory.ts'
import { tcpFrame } from '../wire/flow.ts'
import { parseFrame } from '../wire/frame.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { reasonName } from './reason-text.ts'

const FAMILIES = {
  IPv4: ['10.0.0.100', '192.168.10.11', '10.0.0.10:4000', '192.168.10.1'],
  IPv6: ['2001:db8:a::100', '2001:db8:b::11', '[2001:db8:a::10]:4000', '2001:db8:b::1'],
} as const
const NAT = { forwarding: 'masquerade' } as const
/** The frame comes from another MAC address than the server's: a router's, say. */
const OTHER_MAC = '02:00:00:00:0b:77'

for (const [name, [vip, server, client, host]] of Object.entries(FAMILIES)) {
  const isIpv6 = name === 'IPv6'
  const endpoint = (ip: string) => (isIpv6 ? `[${ip}]:80` : `${ip}:80`)

  /** What a server is told about its segment, by whom, and to which MAC address. */
  function told(bytes: number, timeToLive: number): string {
    const lab = new Laboratory()
    const key = { protocol: 'tcp', address: vip, port: 80 } as const
    lab.addService(key)
    lab.addServer(key, { address: server, port: 80 }, NAT)
    const opening = { flags: TcpFlag.syn, over: { destinationMac: DIRECTOR_MAC.client } }
    lab.send('client', tcpFrame(client, endpoint(vip), opening))
    lab.setMtu('client', 1400)
    const ip = { timeToLive, hopLimit: timeToLive }
    const over = { destinationMac: DIRECTOR_MAC.server, sourceMac: OTHER_MAC, ip }
    const data = new Uint8Array(bytes)
    const flags = TcpFlag.ack
    const answer = tcpFrame(endpoint(server), client, { flags, data, over })
    const { reason, departed } = lab.send('server', answer)
    const [{ at, bytes: frame } = { at: 'nowhere', bytes: answer }] = departed
    const { destinationMac, ip: from, icmp, icmpv6 } = parseFrame(frame)!
    const rest = (icmp ?? icmpv6)?.rest
    return `${reasonName(reason)} ${at} ${destinationMac} ${from!.source} ${rest}`
  }

  it(`the host on its side tells a server that its answer's time is over, ${name}`, () => {
    assert.equal(told(10, 1), `answeredTimeExceeded server 02:00:00:00:0b:11 ${host} 0`)
  })

  it(`and that it is too large for the way to the client, ${name}`, () => {
    assert.equal(told(1410, 64), `answeredTooBig server 02:00:00:00:0b:11 ${host} 1400`)
  })
}
