/**
 * Our lines against tcpdump's own, live, over random frames that go to it in a capture file of ours: that
 * tests the printer, the capture file, the frame builder and what tcpdump thinks of our checksums at once.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { Random } from '../base/random.ts'
import { emitArp } from './arp.ts'
import { echoFrame, icmpErrorFrame, tcpFrame, udpFrame } from './flow.ts'
import type { Over } from './flow.ts'
import { emitFrame } from './frame.ts'
import { writePcap } from './pcap.ts'
import { printFrame } from './print.ts'
import type { TcpOption } from './tcp.ts'

const SEED = 7
const FRAMES = 600

function randomOption(random: Random): TcpOption {
  return random.pick<TcpOption>([
    { type: 'nop' },
    { type: 'sackPermitted' },
    { type: 'mss', size: random.below(65536) },
    { type: 'windowScale', shift: random.below(15) },
    { type: 'timestamps', value: random.next32(), echo: random.next32() },
    { type: 'sack', blocks: [{ left: random.next32(), right: random.next32() }] },
  ])
}

function randomOver(random: Random): NonNullable<Over['over']> {
  const vlans = random.oneIn(4) ? [{ id: 1 + random.below(4094), priority: random.below(8) }] : []
  return { vlans, ip: { timeToLive: 1 + random.below(255), hopLimit: 1 + random.below(255) } }
}

/** Ports that tcpdump does not look behind. */
function randomPort(random: Random): number {
  return 31_000 + random.below(500)
}

function randomFrame(random: Random): Uint8Array {
  const is4 = random.oneIn(2)
  const [from, to] = is4
    ? [`10.0.0.${1 + random.below(250)}`, `10.1.0.${1 + random.below(250)}`]
    : [`2001:db8::${random.below(65536).toString(16)}`, '2001:db8:1:2:3:4:5:6']
  const endpoint = (ip: string) => `${is4 ? ip : `[${ip}]`}:${randomPort(random)}`
  const over = randomOver(random)
  const data = random.bytes(random.below(60))
  switch (random.below(6)) {
    case 0: {
      const mac = '02:00:00:00:0a:01'
      const arp = { operation: 1 + random.below(2), senderMac: mac, targetMac: mac }
      const ips = { senderIp: '10.0.0.1', targetIp: `10.0.0.${random.below(256)}` }
      return emitFrame({ type: 0x0806, payload: emitArp({ ...arp, ...ips }) })
    }
    case 1:
      return udpFrame(endpoint(from), endpoint(to), { over, data })
    case 2:
      return echoFrame(from, to, { over, data, identifier: random.below(65536), sequence: 9 })
    case 3: {
      const quoted = udpFrame(endpoint(to), endpoint(from), { data }).subarray(14)
      const type = is4 ? 3 : 1
      return icmpErrorFrame(from, to, {
        over,
        type,
        code: is4 ? random.pick([1, 3, 4]) : 4,
        quoted,
      })
    }
    default: {
      const options = Array.from({ length: random.below(4) }, () => randomOption(random))
      const numbers = { sequence: random.next32(), acknowledgement: random.next32() }
      const flags = random.below(256)
      const rest = { flags, options, data, window: random.below(65536) }
      return tcpFrame(endpoint(from), endpoint(to), { over, ...numbers, ...rest })
    }
  }
}

function tcpdump(frames: readonly Uint8Array[], ...flags: string[]): string[] | undefined {
  const file = writePcap(
    frames.map((bytes, i) => {
      return { seconds: i, nanoseconds: i, bytes, originalLength: bytes.length }
    }),
  )
  const { stdout, error } = spawnSync('tcpdump', [...flags, '-r', '-'], { input: file })
  if (error !== undefined) return undefined
  return stdout.toString().trimEnd().split('\n')
}

test('random frames print as tcpdump prints them', (context) => {
  const random = new Random(SEED)
  const frames = Array.from({ length: FRAMES }, () => randomFrame(random))
  const lines = tcpdump(frames, '-nntS')
  if (lines === undefined) {
    assert.equal(process.env.CI, undefined, 'tcpdump is not installed')
    context.skip('tcpdump is not installed')
    return
  }
  assert.equal(lines.length, FRAMES)
  frames.forEach((bytes, i) => assert.equal(printFrame(bytes), lines[i], `seed ${SEED} frame ${i}`))
})

test('tcpdump -v finds every checksum of ours right', (context) => {
  const random = new Random(SEED + 1)
  const frames = Array.from({ length: FRAMES }, () => randomFrame(random))
  const lines = tcpdump(frames, '-nntSvv')
  if (lines === undefined) {
    assert.equal(process.env.CI, undefined, 'tcpdump is not installed')
    context.skip('tcpdump is not installed')
    return
  }
  // What an ICMP error quotes is whole here, so its checksums are judged, too.
  const complaints = lines.filter((line) =>
    /bad (udp )?cksum|incorrect|wrong|sum mismatch/i.test(line),
  )
  assert.deepEqual(complaints, [])
  const judged = lines.join('\n').match(/\(correct\)|udp sum ok|icmp6 sum ok/g)?.length ?? 0
  assert.ok(judged > FRAMES / 2, `${judged} checksums judged`)
})
