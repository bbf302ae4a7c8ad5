/**
 * A director of its own, on paper: tables, services, next hops and a clock, and the packet path on them.
 *
 * Frames go in, verdicts and frames come out; nothing else is changed, and no interface, daemon or file is needed.
 * The same frames at the same times give the same answers: seed and time are handed in.
 *
 * The packet path works on the tables in use, and so may others in this process: every method puts its own in use,
 * and none puts back what was before.
 */
import { wordsToIp } from '../base/ip.ts'
import { macToParts } from '../base/mac.ts'
import { viewOf } from '../base/bytes.ts'
import { PROBES_MAX } from '../dataplane/limits.ts'
import { forwardCall } from '../dataplane/call-id.ts'
import { flow } from '../dataplane/main.ts'
import { reasonName, verdictName, type ReasonName } from '../dataplane/reason-text.ts'
import * as tables from '../dataplane/tables.ts'
import { Verdict, verdictOf } from '../dataplane/verdict.ts'
import { Director } from '../director/director.ts'
import { Hops } from '../director/hops/hops.ts'
import { initTables } from '../director/init.ts'
import { Sweep } from '../director/sweep.ts'
import { setNow, setSeed, TICKS_PER_SECOND } from '../subset/clock.ts'
import { Packet } from '../subset/packet.ts'
import { allocateTables, type TableSet } from '../subset/table.ts'
import { Ethernet } from '../wire/ethernet.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { parseIpPacket } from '../wire/ipip.ts'
import { parseTcp } from '../wire/tcp.ts'
import { neighboursOf, networkOf, type Lan } from './lan.ts'
import { nameServer, nameService, virtualPortOf } from './name.ts'
import { obeyRules, type RefusedRule, type Rule } from './rule.ts'

/** Any will do, and the same always. */
const HASH_SEED = 0x510c1ce5
const RANDOM_SEED = 1
/** Room before a frame for outer headers, as the V8 engine has it, and behind it. */
const HEADROOM = 128
const TAILROOM = 64

/** How many rows the tables need. */
export interface WorldSize {
  /** Connections that may be open at once. */
  readonly connections: number
  readonly neighbours: number
  readonly rules: number
}

/** A frame that left. */
export interface SentFrame {
  readonly interfaceName: string
  readonly bytes: Uint8Array
  /** Bytes at its head that were not there when it came in. */
  readonly grown: number
}

/** What became of a frame. */
export interface Outcome {
  readonly verdict: keyof typeof Verdict
  readonly reason: ReasonName
  /** As `ipvsadm` writes them; null where none was found. */
  readonly service: string | null
  readonly server: string | null
  /** Did it open a connection? */
  readonly isOpening: boolean
  /** What left, if something did. */
  readonly sent: SentFrame | null
  /** The neighbour that must be resolved before it can leave. */
  readonly waitsFor: string | null
}

export class World {
  readonly tables: TableSet
  readonly director: Director
  readonly lan: Lan
  readonly #hops: Hops
  readonly #sweep = new Sweep()
  readonly #packet = new Packet()
  /** Index by MAC address: its high part times 2^32, plus its low part. */
  readonly #interfaces = new Map<number, number>()
  #now = 0

  constructor(lan: Lan, size: WorldSize) {
    this.lan = lan
    this.tables = allocateTables(tables.TABLES, capacitiesFor(size))
    this.tables.use()
    setSeed(RANDOM_SEED)
    setNow(0)
    initTables({ hashSeed: HASH_SEED })
    this.director = new Director()
    this.#hops = Hops.begin()
    lan.interfaces.forEach(({ mac }, i) => {
      const { high, low } = macToParts(mac)
      this.#interfaces.set(high * 2 ** 32 + low, i + 1)
    })
  }

  /** Learns the LAN and obeys the rules. The rules that were refused, and what of the LAN had no room. */
  furnish(rules: readonly Rule[]): { refused: RefusedRule[]; problems: string[] } {
    this.tables.use()
    const problems = this.#hops.apply(networkOf(this.lan))
    this.#hops.applyNeighbours(neighboursOf(this.lan))
    const refused = obeyRules(this.director, rules)
    this.director.keepNatServers()
    for (const { servers } of this.director.services.values()) {
      for (const { key } of servers) this.#hops.ensureServerHop(key.address)
    }
    return { refused, problems }
  }

  /** Lets time pass, in ticks since the beginning: connections end, as the daemon would end them. Never back. */
  advanceTo(ticks: number): void {
    if (ticks <= this.#now) return
    this.tables.use()
    const lastSecond = ticks - (ticks % TICKS_PER_SECOND)
    if (lastSecond > this.#now) {
      // One sweep is as good as one a second: between them no frame came that could have seen a difference.
      setNow(lastSecond)
      this.#sweep.run(tables.connections.memory.capacity)
      this.director.reclaim()
    }
    this.#now = ticks
    setNow(ticks)
  }

  /** One frame that came in now: by the interface it is addressed to, else the first. `frame` is not changed. */
  run(frame: Uint8Array): Outcome {
    this.tables.use()
    setNow(this.#now)
    const packet = this.#packet
    const room = new Uint8Array(HEADROOM + frame.length + TAILROOM)
    room.set(frame, HEADROOM)
    packet.point(viewOf(room), HEADROOM, frame.length, 0, room.length)
    packet.ingress = this.ingressOf(frame)
    packet.segmentSize = segmentSizeOf(frame, this.lan.interfaces[packet.ingress - 1]!.mtu)
    const reason = forwardCall(packet)
    const verdict = verdictOf(reason)
    const { egress } = flow
    const isSent = verdict === Verdict.send
    const bytes = room.subarray(packet.start, packet.start + packet.length)
    const grown = HEADROOM - packet.start
    return {
      verdict: verdictName(verdict),
      reason: reasonName(reason),
      service: nameService(flow.service),
      server: nameServer(flow.server, virtualPortOf(flow.connection)),
      isOpening: flow.opened === 1,
      sent: isSent ? { interfaceName: this.#nameOf(egress), bytes, grown } : null,
      waitsFor: verdict === Verdict.hold ? nextAddress() : null,
    }
  }

  #nameOf(index: number): string {
    return this.lan.interfaces[index - 1]!.name
  }

  /** Index of the interface that a frame comes in by. */
  ingressOf(frame: Uint8Array): number {
    if (frame.length < Ethernet.size) return 1
    const { destinationHigh, destinationLow } = Ethernet.view(viewOf(frame), 0)
    return this.#interfaces.get(destinationHigh * 2 ** 32 + destinationLow) ?? 1
  }
}

function nextAddress(): string {
  return wordsToIp(flow.next0, flow.next1, flow.next2, flow.next3)
}

/**
 * A frame longer than its link takes never was on a wire: the capture saw it before it was cut, or after its pieces
 * were joined. It stands for segments as long as the link takes. 0: it stands for itself.
 */
function segmentSizeOf(frame: Uint8Array, mtu: number): number {
  if (frame.length - Ethernet.size <= mtu) return 0
  const ip = parseIpPacket(frame.subarray(Ethernet.size))
  if (ip?.protocol !== Protocol.tcp) return 0
  const tcp = parseTcp(ip.payload)
  if (tcp === undefined || tcp.payload.length === 0) return 0
  const headers = frame.length - Ethernet.size - tcp.payload.length
  return Math.max(mtu - headers, 0)
}

/** Tables as large as they must be, and no larger: a short capture should not wait for zeroed memory. */
function capacitiesFor({ connections, neighbours, rules }: WorldSize): Record<string, number> {
  const lines = powerAbove(2 * connections, 1 << 10, 1 << 21)
  const hops = Math.min(2 * neighbours + (1 << 10), 1 << 20)
  return {
    connections: lines + PROBES_MAX,
    localPorts: lines + PROBES_MAX,
    services: rules + 1,
    servers: rules + 1,
    serverOrigins: rules + 1,
    natServers: powerAbove(2 * rules, 1 << 6, 1 << 20),
    serviceIndex: powerAbove(2 * rules, 1 << 6, 1 << 20),
    hops,
    neighbourIndex: powerAbove(2 * hops, 1 << 10, 1 << 21),
  }
}

/** The power of two that is at least `count`, within bounds. */
function powerAbove(count: number, least: number, most: number): number {
  let power = least
  while (power < count && power < most) power *= 2
  return power
}
