/**
 * The golden laboratory as tables: the director of README.md beside this file, without a kernel.
 *
 *     client side, interface 2                     server side, interface 3
 *     10.0.0.2, 10.0.0.10 ──── 10.0.0.1, VIP 10.0.0.100 │ 192.168.10.1 ──── 192.168.10.(10+N)
 *     2001:db8:a::2, ::10 ──── ::1, VIP ::100           │ 2001:db8:b::1 ─── 2001:db8:b::(10+N)
 *
 * Time stands still but for `sleep`. One laboratory at a time: making one, or `use`, makes the packet path and the
 * director work on its tables.
 */
import { parsePrefix } from '../../src/base/ip.ts'
import { FragmentKind } from '../../src/dataplane/flow.ts'
import { forwardCall } from '../../src/dataplane/call-id.ts'
import { flow, forward } from '../../src/dataplane/main.ts'
import {
  CALL_WORDS,
  FRAGMENT_PROBES_MAX,
  LOCALITY_PROBES_MAX,
  MEMBER_PROBES_MAX,
  PROBES_MAX,
} from '../../src/dataplane/limits.ts'
import { connections, TABLES } from '../../src/dataplane/tables.ts'
import { Reason, Verdict, verdictOf } from '../../src/dataplane/verdict.ts'
import { adoptTables } from '../../src/director/adopt.ts'
import { Director } from '../../src/director/director.ts'
import { Hops } from '../../src/director/hops/hops.ts'
import type { OwnAddress } from '../../src/director/hops/hop-source.ts'
import { initTables, type TableOptions } from '../../src/director/init.ts'
import type { ServerKey, ServerSettings, ServiceKey, ServiceSettings } from '../../src/director/model.ts'
import type { Route } from '../../src/director/hops/routes.ts'
import { Sweep } from '../../src/director/sweep.ts'
import { fragmentFrame, fragmentIpv6 } from '../../src/engine/fragment.ts'
import { WaitingFragments } from '../../src/engine/waiting-fragments.ts'
import { setNow, setSeed, TICKS_PER_SECOND } from '../../src/subset/clock.ts'
import type { Packet } from '../../src/subset/packet.ts'
import { allocateTables, type TableSet } from '../../src/subset/table.ts'
import { frameOf, packetOf } from '../packets/packet-of.ts'

export type Side = 'client' | 'server'

export const INTERFACE: Readonly<Record<Side, number>> = { client: 2, server: 3 }
export const GATEWAY_MAC = '02:00:00:00:0a:01'
export const DIRECTOR_MAC: Readonly<Record<Side, string>> = {
  client: '02:00:00:00:0a:02',
  server: '02:00:00:00:0b:01',
}
/** Real servers that have a MAC address. */
export const SERVERS = 9

/** Rows by table name: enough for tests, and quickly made. */
export const CAPACITIES: Readonly<Record<string, number>> = {
  connections: 1024 + PROBES_MAX,
  localPorts: 1024 + PROBES_MAX,
  fragments: 64 + FRAGMENT_PROBES_MAX,
  localities: 256 + LOCALITY_PROBES_MAX,
  localityMembers: 1024 + MEMBER_PROBES_MAX,
  services: 64,
  serviceIndex: 128,
  servers: 256,
  serverOrigins: 256,
  natServers: 512,
  pool: 1 << 17,
  callWords: 64 * CALL_WORDS,
  hops: 128,
  neighbourIndex: 256,
  routeNodes: 256 * 128,
  interfaces: 16,
}

export interface LaboratoryOptions extends Partial<TableOptions> {
  readonly capacities?: Readonly<Record<string, number>>
  /** Memory of somebody else's, all zero, with these capacities. */
  readonly tables?: TableSet
  /** What another laboratory left, and when. */
  readonly adopted?: { readonly tables: TableSet; readonly ticks: number }
}

/** A frame that left the director. */
export interface Departed {
  readonly at: Side
  readonly bytes: Uint8Array
}

export interface Outcome {
  readonly reason: number
  readonly verdict: number
  /** What left: nothing, a frame, or the fragments it was cut into. */
  readonly departed: readonly Departed[]
}

/** How a frame came in. */
export interface Arrival {
  readonly hasPartialChecksum?: boolean
  readonly segmentSize?: number
}

/** What became of a frame, and of its bytes. */
export interface Treated {
  readonly reason: number
  readonly frame: Uint8Array
}
export type Treatment = (frame: Uint8Array, ingress: number, arrival: Arrival) => Treated

/** The packet path in this process, on the tables in use. */
export function inV8(bytes: Uint8Array, ingress: number, arrival: Arrival): Treated {
  const packet = packetFor(bytes, ingress, arrival)
  const reason = forward(packet)
  return { reason, frame: frameOf(packet) }
}

/** The same by somebody who can read calls. */
function reading(bytes: Uint8Array, ingress: number, arrival: Arrival): Treated {
  const packet = packetFor(bytes, ingress, arrival)
  const reason = forwardCall(packet)
  return { reason, frame: frameOf(packet) }
}

function packetFor(bytes: Uint8Array, ingress: number, arrival: Arrival): Packet {
  const packet = packetOf(bytes, ingress)
  packet.hasPartialChecksum = arrival.hasPartialChecksum ?? false
  packet.segmentSize = arrival.segmentSize ?? 0
  return packet
}

let treat: Treatment = inV8

/** From here on every laboratory's frames go that way. It must leave `flow` as `inV8` does. */
export function treatFramesBy(treatment: Treatment): void {
  treat = treatment
}

export class Laboratory {
  readonly tables: TableSet
  readonly director: Director
  readonly hops: Hops
  readonly #sweep = new Sweep()
  readonly #fragments = new WaitingFragments()
  readonly #mtu: Record<Side, number> = { client: 1500, server: 1500 }
  #ticks: number

  constructor(options: LaboratoryOptions = {}) {
    const { capacities, tables, adopted, ...tableOptions } = options
    this.tables =
      adopted?.tables ?? tables ?? allocateTables(TABLES, { ...CAPACITIES, ...capacities })
    this.#ticks = adopted?.ticks ?? 1_000_000
    this.use()
    setSeed(1)
    if (adopted === undefined) initTables({ hashSeed: 0x5eed, icmpPerSecond: 0, ...tableOptions })
    this.director = adopted === undefined ? new Director() : new Director(adoptTables())
    this.hops = adopted === undefined ? Hops.begin() : Hops.adopt()
    this.hops.apply({ links: this.#links(), addresses: ADDRESSES, routes: ROUTES })
    this.hops.applyNeighbours(NEIGHBOURS)
  }

  get ticks(): number {
    return this.#ticks
  }

  /** From here on the packet path, the director and the clock are this laboratory's. */
  use(): void {
    this.tables.use()
    setNow(this.#ticks)
  }

  #links() {
    return (['client', 'server'] as const).map((side) => ({
      index: INTERFACE[side],
      mac: DIRECTOR_MAC[side],
      mtu: this.#mtu[side],
    }))
  }

  setMtu(side: Side, bytes: number): void {
    this.#mtu[side] = bytes
    this.hops.apply({ links: this.#links() })
  }

  /** Time passes, and what expired is taken out. */
  sleep(seconds: number): void {
    this.#ticks = (this.#ticks + Math.round(seconds * TICKS_PER_SECOND)) >>> 0
    setNow(this.#ticks)
    this.#sweep.run(connections.memory.capacity)
    this.director.reclaim()
    this.director.defence.run(Infinity, 0)
  }

  /** Adds a virtual service with its scheduler's name. */
  addService(
    key: ServiceKey,
    scheduler = 'rr',
    settings: Partial<ServiceSettings> = {},
  ): void {
    const refusal = this.director.addService(key, {
      scheduler,
      schedulerFlags: 0,
      persistenceTimeoutS: 0,
      netmask: 'address' in key && key.address.includes(':') ? 128 : 0xffffffff,
      onePacket: false,
      persistenceEngine: null,
      ...settings,
    })
    if (refusal !== null) throw new Error(refusal.message)
  }

  /** Adds a real server, `direct` unless told otherwise. */
  addServer(key: ServiceKey, server: ServerKey, settings: Partial<ServerSettings> = {}): void {
    const refusal = this.director.addServer(key, server, {
      forwarding: 'direct',
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
      tunnel: { type: 'ipip', port: 0, checksum: 'none' },
      ...settings,
    })
    if (refusal !== null) throw new Error(refusal.message)
    this.hops.ensureServerHop(server.address)
  }

  /** Gives a service an address to send from, for FULLNAT. */
  addLocal(key: ServiceKey, address: string): void {
    const refusal = this.director.locals.add(this.director.find(key)!, address)
    if (refusal !== null) throw new Error(refusal.message)
  }

  /** A frame comes in; `flow` tells more about it afterwards. */
  send(at: Side, frame: Uint8Array, arrival: Arrival = {}): Outcome {
    this.use()
    const treated = treat(frame, INTERFACE[at], arrival)
    // An engine, or the daemon beside it, then reads which call it is.
    const isRead = treated.reason !== Reason.callUnread
    const { reason, frame: bytes } = isRead ? treated : reading(frame, INTERFACE[at], arrival)
    const verdict = verdictOf(reason)
    const departed = verdict === Verdict.send ? departures(bytes) : []
    if (reason === Reason.fragmentEarly) {
      this.#fragments.add(flow, { bytes: frame, ingress: INTERFACE[at] }, 0)
    }
    if (flow.fragment === FragmentKind.first) departed.push(...this.#sendEarly())
    return { reason, verdict, departed }
  }

  /** As an engine does with fragments that came before the first one. */
  #sendEarly(): Departed[] {
    return this.#fragments.take(flow).flatMap(({ bytes, ingress }) => {
      const { reason, frame } = treat(bytes, ingress, {})
      return verdictOf(reason) === Verdict.send ? departures(frame) : []
    })
  }
}

/** As an engine does: what is too long for its way and may be cut, is. */
function departures(bytes: Uint8Array): Departed[] {
  const at = flow.egress === INTERFACE.client ? 'client' : 'server'
  if (bytes.length - 14 <= flow.mtu) return [{ at, bytes }]
  const isIpv4 = bytes[12] === 0x08 && bytes[13] === 0x00
  const mayBeCut = isIpv4 ? (bytes[20]! & 0x40) === 0 : flow.outerBytes > 0
  if (!mayBeCut) return [{ at, bytes }]
  const fragments = isIpv4 ? fragmentFrame(bytes, flow.mtu) : fragmentIpv6(bytes, flow.mtu, 1)
  return fragments.map((fragment) => ({ at, bytes: fragment }))
}

function own(side: Side, ip: string, subnet: string): OwnAddress {
  const prefix = parsePrefix(subnet)!
  const interfaceIndex = INTERFACE[side]
  return { interfaceIndex, ip, subnet: prefix, scope: 'global', isDeprecated: false }
}

const ADDRESSES: readonly OwnAddress[] = [
  own('client', '10.0.0.1', '10.0.0.0/24'),
  own('client', '10.0.0.100', '10.0.0.100/32'),
  own('client', '2001:db8:a::1', '2001:db8:a::/64'),
  own('client', '2001:db8:a::100', '2001:db8:a::100/128'),
  own('server', '192.168.10.1', '192.168.10.0/24'),
  own('server', '2001:db8:b::1', '2001:db8:b::/64'),
]

/** Addresses of the director itself. */
export const OWN_ADDRESSES: readonly string[] = ADDRESSES.map(({ ip }) => ip)

function route(prefix: string, side: Side, gateway?: string): Route {
  return {
    kind: 'forward',
    prefix: parsePrefix(prefix)!,
    metric: 0,
    nexthops: [{ gateway, interfaceIndex: INTERFACE[side] }],
    mtu: undefined,
    preferredSource: undefined,
  }
}

/** What leads where, at first. */
export const ROUTES: readonly Route[] = [
  ...ADDRESSES.map(
    ({ ip }): Route => ({
      kind: 'local',
      prefix: parsePrefix(`${ip}/${ip.includes(':') ? 128 : 32}`)!,
      metric: 0,
    }),
  ),
  { kind: 'local', prefix: parsePrefix('127.0.0.0/8')!, metric: 0 },
  route('10.0.0.0/24', 'client'),
  route('192.168.10.0/24', 'server'),
  route('2001:db8:a::/64', 'client'),
  route('2001:db8:b::/64', 'server'),
  route('0.0.0.0/0', 'client', '10.0.0.2'),
  route('::/0', 'client', '2001:db8:a::2'),
]

function neighbour(side: Side, ip: string, mac: string) {
  return { interfaceIndex: INTERFACE[side], ip, mac, state: 'permanent' } as const
}

const NEIGHBOURS = [
  ...['10.0.0.2', '10.0.0.10', '2001:db8:a::2', '2001:db8:a::10'].map((ip) =>
    neighbour('client', ip, GATEWAY_MAC),
  ),
  ...Array.from({ length: SERVERS }, (_, i) => i + 1).flatMap((n) =>
    [`192.168.10.${10 + n}`, `2001:db8:b::${10 + n}`].map((ip) =>
      neighbour('server', ip, `02:00:00:00:0b:1${n}`),
    ),
  ),
]
