/**
 * The end of tunnels in the kernel against itself in V8: every kind of tunnel packet, sound, changed in places, cut and
 * padded. Outcome, frame and counters must come out the same. FUZZ_KERNEL and FUZZ_SEED say how many, and which.
 */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { ipToWords } from '../../src/base/ip.ts'
import { Random } from '../../src/base/random.ts'
import { compileProgram } from '../../src/compiler/programs.ts'
import type { Attachment } from '../../src/compiler/target/target.ts'
import { enterAddress } from '../../src/dataplane/decapsulation/addresses.ts'
import { decapsulate } from '../../src/dataplane/decapsulation/main.ts'
import { Outcome } from '../../src/dataplane/decapsulation/outcome.ts'
import {
  DECAPSULATION_TABLES,
  HostRole,
  outcomes,
  tunnelSettings,
} from '../../src/dataplane/decapsulation/tables.ts'
import { Packet } from '../../src/subset/packet.ts'
import { allocateTables, type TableSet } from '../../src/subset/table.ts'
import { fold, pseudoHeaderSum } from '../../src/wire/checksum.ts'
import { emitIpLayers } from '../../src/wire/frame.ts'
import { Protocol } from '../../src/wire/ip-protocol.ts'
import { addVeth, enterOwnNetwork, notRoot } from '../kernel/own-network.ts'
import { TUNNEL_KINDS, TUNNEL_PORT, wrap } from '../packets/tunnels.ts'
import { checkedPacketPath, KernelPacketPath, packetPathSources } from './packet-path.ts'

const FRAMES = Number(process.env['FUZZ_KERNEL'] ?? 3000)
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_251_126)
const START = 256
const ETHERNET = 14
/** What the verifier takes now, twice. */
const STEPS_MAX = 120_000
const OUTER = {
  4: { source: '10.97.0.2', destination: '10.97.0.1' },
  6: { source: '2001:db8:97::2', destination: '2001:db8:97::1' },
}
const INNER = {
  4: { source: '192.0.2.9', destination: '10.97.1.100' },
  6: { source: '2001:db8:9::9', destination: '2001:db8:97:1::100' },
}
const STRANGER = { 4: '10.97.0.3', 6: '2001:db8:97::3' }

describe('the end of tunnels in the kernel', { skip: notRoot }, () => {
  let ingress = 0
  before(() => {
    enterOwnNetwork()
    ingress = addVeth('slreal', 'slfar')[0].index
  })

  for (const attachment of ['xdp', 'tc'] as const) {
    it(`does under ${attachment} what it does in V8: ${FRAMES} frames, seed ${SEED}`, (context) => {
      const seen = compare(attachment, ingress)
      context.diagnostic(seen.map((count, outcome) => `${outcome}: ${count}`).join(', '))
      const names = Object.entries(Outcome).filter(([, outcome]) => seen[outcome] === undefined)
      const unseen = names.map(([name]) => name)
      assert.deepEqual(unseen, ['mergedDatagrams', 'noRoom'], 'all others are seen')
    })
  }
})

function furnish(tables: TableSet): void {
  tables.use()
  for (const family of [4, 6] as const) {
    enterAddress(ipToWords(INNER[family].destination), HostRole.vip)
    enterAddress(ipToWords(OUTER[family].destination), HostRole.local)
    enterAddress(ipToWords(OUTER[family].source), HostRole.director)
  }
  const settings = tunnelSettings.row(0)
  settings.datagramMax = 0xffffffff
  settings.guePort = TUNNEL_PORT
  settings.checksSource = 1
}

/** How often each outcome was seen, by its number. */
function compare(attachment: Attachment, ingress: number): number[] {
  const name = `tun_${attachment}` as const
  const sources = packetPathSources()
  const artefact = compileProgram(name, checkedPacketPath(), sources, { clock: 'set' })
  const program = new KernelPacketPath(artefact, {}, DECAPSULATION_TABLES)
  try {
    const steps = Number(/processed (\d+) insns/.exec(program.log)?.[1])
    console.log(`${name}: ${steps} verifier steps`)
    assert.ok(steps < STEPS_MAX, `the verifier takes ${steps} steps`)
    const inV8 = allocateTables(DECAPSULATION_TABLES)
    furnish(inV8)
    furnish(program.tables)
    const random = new Random(SEED)
    const seen: number[] = []
    for (let i = 0; i < FRAMES; i++) {
      const bytes = makeFrame(random)
      inV8.use()
      const packet = new Packet()
      const memory = new Uint8Array(START + bytes.length)
      memory.set(bytes, START)
      packet.point(new DataView(memory.buffer), START, bytes.length, START, memory.length)
      const outcome = decapsulate(packet)
      const after = memory.subarray(packet.start, packet.start + packet.length)
      const got = program.run(bytes, ingress, { ticks: 0, seed: 1 })
      const where = `seed ${SEED}, frame ${i}: ${Buffer.from(bytes).toString('hex')}`
      assert.equal(got.reason, outcome, where)
      assert.equal(
        Buffer.from(got.frame).toString('hex'),
        Buffer.from(after).toString('hex'),
        where,
      )
      assert.equal(got.verdict, verdictOf(outcome, attachment), where)
      seen[outcome] = (seen[outcome] ?? 0) + 1
    }
    for (const [outcome, count] of seen.entries()) {
      if (count === undefined || outcome === Outcome.notTunnel) continue
      for (const tables of [inV8, program.tables]) {
        tables.use()
        assert.equal(outcomes.row(outcome).packets, count, `outcome ${outcome} is counted`)
      }
    }
    return seen
  } finally {
    program.close()
  }
}

function verdictOf(outcome: number, attachment: Attachment): number {
  if (outcome === Outcome.congested) return attachment === 'xdp' ? 1 : 2
  return attachment === 'xdp' ? 2 : 0xffffffff
}

function makeFrame(random: Random): Uint8Array {
  const family = () => (random.oneIn(2) ? 4 : 6)
  const [outerFamily, innerFamily] = [family(), family()] as const
  const inner = makeInner(random, innerFamily)
  const outer = {
    ...OUTER[outerFamily],
    typeOfService: random.below(4),
    trafficClass: random.below(4),
    ...(random.oneIn(20) ? { source: STRANGER[outerFamily] } : {}),
    ...(random.oneIn(20) ? { destination: STRANGER[outerFamily] } : {}),
    ...(random.oneIn(20) ? { moreFragments: true } : {}),
  }
  const { tunnel } = TUNNEL_KINDS[random.below(TUNNEL_KINDS.length)]!
  const whole = wrap(tunnel, inner, outer, 50_000)
  if (tunnel.type === 'gue' && random.oneIn(10)) return remote(whole, outerFamily, random)
  const bytes = new Uint8Array(whole.length + (random.oneIn(4) ? random.below(40) : 0))
  bytes.set(whole)
  const edits = random.oneIn(2) ? 0 : 1 + random.below(3)
  for (let i = 0; i < edits; i++) {
    bytes[ETHERNET + random.below(Math.min(110, bytes.length - ETHERNET))] = random.below(256)
  }
  // Test runs for tc want a whole IP header where the type says IP.
  const least = ETHERNET + (outerFamily === 4 ? 20 : 40)
  const isCut = random.oneIn(6)
  return isCut ? bytes.subarray(0, least + random.below(bytes.length - least)) : bytes
}

function makeInner(random: Random, family: 4 | 6): Uint8Array {
  const ports = { sourcePort: 4000, destinationPort: 80 }
  const payload = new Uint8Array(random.below(600)).map(() => random.below(256))
  const isPartial = random.oneIn(3)
  const layer = (protocol: number, headerBytes: number) => {
    if (!isPartial) return { ...ports, payload }
    const { source, destination } = INNER[family]
    const bytes = payload.length + headerBytes
    return {
      ...ports,
      payload,
      checksum: fold(pseudoHeaderSum(source, destination, protocol, bytes)),
    }
  }
  const [tcp, udp] = [layer(Protocol.tcp, 20), layer(Protocol.udp, 8)]
  const mark = random.below(4)
  const ip = { ...INNER[family], typeOfService: mark, trafficClass: mark }
  if (random.oneIn(20)) ip.destination = STRANGER[family]
  return emitIpLayers({ ip, ...(random.oneIn(2) ? { tcp } : { udp }) })
}

/** GUE says that the inner checksum is left to us: three more words, which a header's lengths do not know of. */
function remote(whole: Uint8Array, outerFamily: 4 | 6, random: Random): Uint8Array {
  const gue = ETHERNET + (outerFamily === 4 ? 20 : 40) + 8
  const bytes = whole.slice()
  bytes[gue] = random.oneIn(2) ? 2 : random.below(4)
  bytes[gue + 3] = 1
  bytes.set([random.oneIn(4) ? 0x40 : 0x80, 0, 0, 0], gue + 4)
  return bytes
}
