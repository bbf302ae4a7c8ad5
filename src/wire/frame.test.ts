import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut, goldenFrame, goldenFrames } from '../../tests/packets/golden-frames.ts'
import { recordedFrames } from '../../tests/packets/golden-frames.ts'
import { bytesToHex } from '../base/hex.ts'
import { emitFrame, parseFrame } from './frame.ts'
import type { IpLayers } from './frame.ts'
import { isFragment } from './ipip.ts'
import { fragmentOf } from './ipv6.ts'
import { TcpFlag } from './tcp.ts'

/** Two goldens hold a TCP header that is cut on purpose. */
const recorded = recordedFrames().filter(({ sum }) => !sum.startsWith('undecoded'))

test('every golden frame is read and emitted as it was', () => {
  assert.ok(recorded.length > 200)
  for (const { name, bytes } of [...goldenFrames(), ...recorded]) {
    const frame = parseFrame(bytes)
    assert.ok(frame !== undefined, name)
    const padding = name === 'udp4-padded' ? 17 : 0
    const want = bytes.subarray(0, bytes.length - padding)
    assert.equal(bytesToHex(emitFrame(frame)), bytesToHex(want), name)
  }
})

/** The layers, with every checksum left out, so that emitting computes them. */
function withoutChecksums(layers: Partial<IpLayers>): Partial<IpLayers> {
  const without = Object.entries(layers).map(([name, layer]) => {
    if (name === 'inner') return [name, withoutChecksums(layer as IpLayers)]
    const hasOne = typeof layer === 'object' && 'checksum' in layer && name !== 'gre'
    return [name, hasOne ? { ...layer, checksum: undefined } : layer]
  })
  return Object.fromEntries(without) as Partial<IpLayers>
}

test('every checksum of every golden frame is computed as its sender did', () => {
  const isOther = /partial|chksum=/ // left to hardware, or set by hand
  for (const { name, made, bytes } of goldenFrames()) {
    if (isOther.test(made) || name === 'udp4-padded') continue
    const frame = withoutChecksums(parseFrame(bytes)!)
    assert.equal(bytesToHex(emitFrame(frame)), bytesToHex(bytes), name)
  }
})

/** What the program that recorded the goldens decoded, said in its words. */
function summaryOf(layers: IpLayers): string {
  const { ip, tcp, udp, icmp, icmpv6, inner } = layers
  const flags = ip.version === 4 ? fragmentWords(layers) : ''
  const time = ip.version === 4 ? `[ttl=${ip.timeToLive} ` : `[hl=${ip.hopLimit}]`
  const header = ip.version === 4 ? `${time}id=${ip.identification}${flags}]` : time
  const flow = ({ sourcePort, destinationPort }: { sourcePort: number; destinationPort: number }) =>
    `${ip.source}:${sourcePort} > ${ip.destination}:${destinationPort}`
  const between = `${ip.source} > ${ip.destination}`
  if (tcp) {
    const { sequence, acknowledgement, payload } = tcp
    const numbers = `seq=${sequence} ack=${acknowledgement} len=${payload.length}`
    return `TCP ${flow(tcp)} ${letters(tcp.flags)} ${numbers} ${header}`
  }
  const icmpAny = icmp ?? icmpv6
  if (icmpAny) {
    const { type, code, rest } = icmpAny
    const words = `type ${type} code ${code} rest ${rest.toString(16).padStart(8, '0')}`
    return `${icmp ? 'ICMP' : 'ICMP6'} ${between} ${words} ${header}`
  }
  if (udp) return `UDP ${flow(udp)} len=${udp.payload.length} ${header}`
  if (layers.gre) return `GRE ${between} flags 0000 proto 86dd ${header} {${summaryOf(inner!)}}`
  if (inner) return `IPIP ${between} ${header} {${summaryOf(inner)}}`
  return `IP ${between} proto ${ip.protocol} len ${ip.payload.length} ${header}`
}

function fragmentWords({ ip }: IpLayers): string {
  if (ip.version !== 4) return ''
  const offset = ip.fragmentOffset > 0 ? ` off=${ip.fragmentOffset}` : ''
  return `${ip.dontFragment ? ' DF' : ''}${ip.moreFragments ? ' MF' : ''}${offset}`
}

function letters(flags: number): string {
  const names = { S: TcpFlag.syn, F: TcpFlag.fin, R: TcpFlag.rst, P: TcpFlag.psh, A: TcpFlag.ack }
  const entries = Object.entries(names).filter(([, flag]) => (flags & flag) !== 0)
  return entries.map(([letter]) => letter).join('')
}

/** A golden's summary without what ICMP errors quote: icmp.test.ts looks at that. */
function withoutQuotes(sum: string): string {
  const tunnel = /^((?:IPIP|GRE) [^{]*)\{(.*)\}$/.exec(sum)
  if (tunnel !== null) return `${tunnel[1]}{${withoutQuotes(tunnel[2]!)}}`
  return sum.startsWith('ICMP') ? sum.replace(/ \{.*/, '') : sum
}

test("what another program decoded in IPVS's frames, we decode, too", () => {
  let compared = 0
  for (const { name, sum, bytes } of recorded) {
    const frame = parseFrame(bytes)!
    const ip = frame.ip!
    // Of first fragments it said what their UDP header claims.
    if (isFragment(ip) && !sum.startsWith('IP ')) continue
    assert.equal(summaryOf({ ...frame, ip }), withoutQuotes(sum), name)
    compared++
  }
  assert.ok(compared > 190, `${compared} of ${recorded.length}`)
})

test('cut anywhere, every golden frame is refused', () => {
  for (const { name, bytes } of goldenFrames()) {
    const minimum = name === 'unknown-ethertype' ? 14 : name === 'udp4-padded' ? 43 : bytes.length
    for (const cut of everyCut(bytes)) {
      assert.equal(parseFrame(cut) !== undefined, cut.length >= minimum, `${name} ${cut.length}`)
    }
  }
})

test('a frame whose type contradicts its IP version is refused', () => {
  const bytes = Uint8Array.from(goldenFrame('udp4'))
  bytes.set([0x86, 0xdd], 12)
  assert.equal(parseFrame(bytes), undefined)
})

test('layers: tags, tunnels, fragments', () => {
  const tagged = parseFrame(goldenFrame('qinq-udp'))!
  assert.deepEqual(
    tagged.vlans.map(({ id, announcedBy }) => [id, announcedBy]),
    [
      [10, 0x88a8],
      [20, 0x8100],
    ],
  )
  assert.equal(tagged.udp?.destinationPort, 6000)
  assert.equal(parseFrame(goldenFrame('gre6'))?.inner?.udp?.destinationPort, 6000)
  assert.equal(parseFrame(goldenFrame('ip6-in-ip4'))?.inner?.ip.source, '2001:db8:a::10')
  const gue = recorded.map(({ bytes }) => parseFrame(bytes)).find((frame) => frame?.gue)
  assert.equal(gue?.inner?.tcp?.destinationPort, 80)
  const fragment = parseFrame(goldenFrame('udp6-later-fragment'))!
  assert.equal(fragment.udp, undefined)
  assert.ok(fragment.ip?.version === 6 && fragmentOf(fragment.ip)?.offset === 32)
})

test('defaults make a whole frame of little', () => {
  const ip = { source: '10.0.0.10', destination: '10.0.0.100' }
  const tcp = { sourcePort: 40000, destinationPort: 80, flags: TcpFlag.syn }
  const frame = parseFrame(emitFrame({ ip, tcp }))!
  assert.equal(frame.sourceMac, '02:00:00:00:0a:01')
  assert.ok(frame.ip?.version === 4 && frame.ip.timeToLive === 64 && frame.ip.dontFragment)
  assert.equal(frame.tcp?.window, 64_240)
  const mixed = { source: '10.0.0.10', destination: '::1' }
  assert.throws(() => emitFrame({ ip: mixed, tcp }), /10\.0\.0\.10 > ::1/)
})
