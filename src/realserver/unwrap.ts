/**
 * The packet in a tunnel packet, for the decapsulator in this process: the packet path's own end of tunnels
 * (src/dataplane/decapsulation/) on tables of its own, behind the outer header that a socket has taken off.
 *
 *   IPIP   | outer IP header | inner IP header, CIP → VIP | TCP, UDP, … |
 *   GRE    | outer IP header | GRE | inner …
 *   GUE    | outer IP header | UDP | GUE | inner …
 *                                          ^ `start`: from here on it goes to the kernel's stack
 *
 * Pure; allocates nothing per packet.
 */
import { ipToWords } from '../base/ip.ts'
import { enterAddress, hasRole } from '../dataplane/decapsulation/addresses.ts'
import { openEnvelope } from '../dataplane/decapsulation/envelope.ts'
import { readInner, writeClass } from '../dataplane/decapsulation/inner.ts'
import { OPENED, Outcome } from '../dataplane/decapsulation/outcome.ts'
import {
  DECAPSULATION_TABLES,
  HostRole,
  tunnelSettings,
} from '../dataplane/decapsulation/tables.ts'
import { clearTunnel, Tunnel } from '../dataplane/decapsulation/tunnel.ts'
import { Packet } from '../subset/packet.ts'
import { allocateTables } from '../subset/table.ts'

/** Why a packet does not come out of the tunnel; counted by these names. */
export const REFUSALS = {
  malformed: 'no whole IP packet inside',
  otherTunnel: 'GRE or GUE with options that no director sends',
  wrongChecksum: 'the checksum of its tunnel is wrong',
  otherDestination: 'addressed to none of the VIPs',
  congested: 'marked as congested on its way, which its sender would not understand (RFC 6040)',
  mergedDatagrams: 'UDP datagrams that the kernel put together: switch GRO off on the interface',
  stranger: 'sent by none of the directors',
} as const
export type Refusal = keyof typeof REFUSALS

const REFUSAL_OF: ReadonlyMap<number, Refusal> = new Map(
  (Object.keys(REFUSALS) as Refusal[]).map((name) => [Outcome[name], name]),
)

export interface UnwrapOptions {
  /**
   * No UDP packet that came as one has more bytes and a partial checksum: its sender leaves checksums to the wire only
   * where the packet fits on it.
   */
  readonly datagramMax: number
  /** Who may send, canonical; none: anybody. */
  readonly directors?: readonly string[]
}

export class Unwrapper {
  // The packet that came out last.
  /** Where it begins. */
  start = 0
  /** Bytes, without what may lie behind it. */
  length = 0
  /** Where its partial checksum's sum begins, and where the checksum is from there; 0 and 0 if it has none. */
  checksumStart = 0
  checksumOffset = 0

  readonly #packet = new Packet()
  readonly #tunnel = Tunnel.local()
  readonly #tables = allocateTables(DECAPSULATION_TABLES)
  readonly #checksSource: boolean

  /** `vips` are canonical; more of them than the packet path has room for throw RangeError. */
  constructor(vips: readonly string[], { datagramMax, directors = [] }: UnwrapOptions) {
    this.#checksSource = directors.length > 0
    this.#tables.use()
    tunnelSettings.row(0).datagramMax = datagramMax
    enterAddresses(vips, HostRole.vip)
    enterAddresses(directors, HostRole.director)
  }

  /**
   * Takes the packet out of the `length` bytes at `start`, which came with this traffic class behind a header that
   * announced `protocol`; UDP says GUE. `source`: the outer address in four words. Undefined, and the fields tell of
   * it, if it goes on.
   */
  unwrap(
    bytes: DataView,
    start: number,
    length: number,
    protocol: number,
    trafficClass: number,
    source?: Uint32Array,
  ): Refusal | undefined {
    const tunnel = this.#tunnel
    const packet = this.#packet
    this.#tables.use()
    if (this.#checksSource && !isDirector(source)) return 'stranger'
    clearTunnel(tunnel)
    tunnel.end = length
    tunnel.outerClass = trafficClass
    packet.point(bytes, start, length, start, start + length)
    const opened = openEnvelope(packet, tunnel, protocol)
    const outcome = opened === OPENED ? readInner(packet, tunnel) : opened
    if (outcome !== OPENED) return REFUSAL_OF.get(outcome) ?? 'malformed'
    writeClass(packet, tunnel, tunnel.start)
    this.start = start + tunnel.start
    this.length = tunnel.length
    this.checksumStart = tunnel.checksumStart
    this.checksumOffset = tunnel.checksumOffset
    return undefined
  }
}

/** In the tables in use. Throws RangeError. */
export function enterAddresses(ips: readonly string[], role: number): void {
  for (const ip of ips) {
    if (!enterAddress(ipToWords(ip), role)) throw new RangeError(`no room for ${ip}`)
  }
}

function isDirector(source: Uint32Array | undefined): boolean {
  if (source === undefined) return false
  return hasRole(source[0]!, source[1]!, source[2]!, source[3]!, HostRole.director)
}
