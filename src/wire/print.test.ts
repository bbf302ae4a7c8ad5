import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut, goldenFrame, goldenFrames } from '../../tests/packets/golden-frames.ts'
import { recordedFrames } from '../../tests/packets/golden-frames.ts'
import { concatBytes } from '../base/bytes.ts'
import { tcpFrame } from './flow.ts'
import { emitFrame, parseFrame } from './frame.ts'
import type { IpLayersSpec } from './frame.ts'
import { printFrame, printPacket } from './print.ts'

/** Where tcpdump looks into what we do not. */
const DEEPER = ['kernel-mld-report', 'kernel-igmp']
/** tcpdump -e says of a tunnel's inner packet not which IP it is; we do. */
const TUNNELS = /^(ipip|ip[46]-in-ip[46]|gre.*)$/

/** What tcpdump says of SCTP, without what it says about each chunk. */
function shortened(line: string): string {
  return line.includes(' sctp (1)')
    ? line.replace(/\] ?(\[[^\]]*: [^,]*|\([BE]\)[^,]*|\[cum[^,]*)/g, '] ')
    : line
}

test('every golden frame prints as tcpdump -nntS prints it', () => {
  for (const { name, tcpdump, bytes } of goldenFrames()) {
    if (DEEPER.includes(name)) continue
    const want = shortened(tcpdump).replace(/ +(,|$)/g, '$1')
    assert.equal(printFrame(bytes), want, name)
  }
})

test('every golden frame prints with its link layer as tcpdump -nntSe prints it', () => {
  for (const { name, link, bytes } of goldenFrames()) {
    if (DEEPER.includes(name) || TUNNELS.test(name)) continue
    const want = shortened(link).replace(/ +(,|$)/g, '$1')
    assert.equal(printFrame(bytes, { link: true }), want, name)
  }
})

test('tunnels, GUE too, are printed inside out', () => {
  const gue = recordedFrames().find(({ bytes }) => parseFrame(bytes)?.gue)!
  assert.equal(
    printFrame(gue.bytes),
    'IP 192.168.10.1.49041 > 192.168.10.11.6080: UDP, length 64: GUE, proto IPIP (4), length 64: ' +
      'IP 10.0.0.10.40000 > 10.0.0.100.80: Flags [S], seq 1000, win 64240, ' +
      'options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0',
  )
})

test('tunnels in tunnels end somewhere', () => {
  const ip = { source: '10.0.0.1', destination: '10.0.0.2' }
  let layers: IpLayersSpec = { ip, udp: { sourcePort: 1, destinationPort: 2 } }
  for (let i = 0; i < 20; i++) layers = { ip, inner: layers }
  assert.match(printFrame(emitFrame(layers)), /\[too many tunnels\]$/)
})

test('verbose adds the IP header', () => {
  assert.equal(
    printFrame(goldenFrame('udp4'), { verbose: true }),
    'IP (tos 0xb8, ttl 1, id 1, offset 0, flags [none], proto UDP (17), length 36) ' +
      '10.0.0.10.5000 > 10.0.0.100.6000: UDP, length 8',
  )
  const packet = goldenFrame('udp6').subarray(14)
  assert.match(
    printPacket(packet, { verbose: true }),
    /^IP6 \(hlim 64, .*\) 2001:db8:a::10\.5000 > /,
  )
  assert.match(printPacket(packet), /^IP6 2001:db8:a::10\.5000 > /)
})

test('what is cut is said to be', () => {
  const cases: [Uint8Array, string][] = [
    [goldenFrame('udp4').subarray(0, 13), '[|ether]'],
    [goldenFrame('arp-reply').subarray(0, 40), 'ARP, [|arp], length 26'],
    [goldenFrame('udp4').subarray(0, 40), 'IP [|ip]'],
    [goldenFrame('udp6').subarray(0, 40), 'IP6 [|ip6]'],
    [emitFrame({ ip: { source: '10.0.0.1', destination: '10.0.0.2', protocol: 6 } }), '[|tcp]'],
    [emitFrame({ ip: { source: '10.0.0.1', destination: '10.0.0.2', protocol: 1 } }), '[|icmp]'],
  ]
  for (const [bytes, want] of cases) assert.ok(printFrame(bytes).endsWith(want), printFrame(bytes))
})

test('no frame, cut or mutated, makes it throw', () => {
  for (const { bytes } of goldenFrames()) {
    for (const cut of everyCut(bytes)) assert.ok(printFrame(cut, { link: true }).length > 0)
    for (let at = 0; at < bytes.length; at++) {
      const mutated = Uint8Array.from(bytes)
      mutated[at]! ^= 0xff
      assert.ok(printFrame(mutated, { verbose: true }).length > 0)
    }
  }
})

test('bytes behind the IP packet change nothing', () => {
  const frame = tcpFrame('10.0.0.1:1000', '10.0.0.2:2000', { flags: 16 })
  assert.equal(printFrame(concatBytes(frame, new Uint8Array(6))), printFrame(frame))
})
