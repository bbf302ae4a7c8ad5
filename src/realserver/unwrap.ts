/**
 * The packet in a tunnel packet: is it for us, and how does it go on?
 *
 *   IPIP   | outer IP header | inner IP header, CIP → VIP | TCP, UDP, … |
 *   GRE    | outer IP header | GRE | inner …                              tunnel-envelope.ts
 *   GUE    | outer IP header | UDP | GUE | inner …
 *                                          ^ `start`: from here on it goes to the kernel's stack
 *
 * - Only what is addressed to one of the VIPs comes out of the tunnel.
 * - Congestion marks of the outer header go over to the inner one: RFC 6040 §4.2. Nothing else is changed.
 * - The kernel may have put TCP segments together (GRO), or not yet have finished the sender's work (veth): then the
 *   transport checksum is partial, which looks so: the field holds just the sum of the pseudo-header. The stack must
 *   be told, or it would drop the packet. Whole ones it verifies itself. (One whole checksum in 65536 looks partial;
 *   then it goes unverified.) UDP datagrams put together, for a socket with UDP_GRO, cannot be taken apart again.
 *
 * Pure; allocates nothing per packet.
 */
import { familyOf, ipToWords } from '../base/ip.ts'
import { header } from '../subset/struct.ts'
import { Packet } from '../subset/packet.ts'
import { add32, applyDelta, fold, replace16 } from '../wire/checksum.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { Ipv4, MORE_FRAGMENTS, OFFSET_MASK } from '../wire/ipv4.ts'
import { Ipv6 } from '../wire/ipv6.ts'
import { Tcp } from '../wire/tcp.ts'
import { Udp } from '../wire/udp.ts'
import { Envelope } from './tunnel-envelope.ts'

/** Why a packet does not come out of the tunnel; counted by these names. */
export const REFUSALS = {
  malformed: 'no whole IP packet inside',
  otherTunnel: 'GRE or GUE with options that no director sends',
  wrongChecksum: 'the checksum of its tunnel is wrong',
  otherDestination: 'addressed to none of the VIPs',
  congested: 'marked as congested on its way, which its sender would not understand (RFC 6040)',
  mergedDatagrams: 'UDP datagrams that the kernel put together: switch GRO off on the interface',
} as const
export type Refusal = keyof typeof REFUSALS

/** Of a traffic class. */
const Ecn = { mask: 3, notCapable: 0, capable1: 1, capable0: 2, congested: 3 } as const

const Checksum = header('transport-checksum', { value: 'u16' })

const ipv4At = Ipv4.cursor()
const ipv6At = Ipv6.cursor()
const checksumAt = Checksum.cursor()

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
  readonly #envelope = new Envelope()
  readonly #vips4 = new Set<number>()
  /** Four words each. */
  readonly #vips6: number[] = []
  readonly #datagramMax: number

  /**
   * `vips` are canonical. No UDP packet that came as one has more than `datagramMax` bytes and a partial checksum:
   * its sender leaves checksums to the wire only where the packet fits on it.
   */
  constructor(vips: readonly string[], datagramMax: number) {
    this.#datagramMax = datagramMax
    for (const vip of vips) {
      const words = ipToWords(vip)
      if (familyOf(vip) === 4) this.#vips4.add(words[3])
      else this.#vips6.push(...words)
    }
  }

  /**
   * Takes the packet out of the `length` bytes at `start`, which came with this traffic class behind a header that
   * announced `protocol`; UDP says GUE. Undefined, and the fields tell of it, if it goes on.
   */
  unwrap(
    bytes: DataView,
    start: number,
    length: number,
    protocol: number,
    trafficClass: number,
  ): Refusal | undefined {
    const envelope = this.#envelope
    const refusal = envelope.open(bytes, start, length, protocol)
    if (refusal !== undefined) return refusal
    this.start = start + envelope.length
    this.checksumStart = 0
    this.checksumOffset = 0
    this.#packet.point(bytes, this.start, length - envelope.length, this.start, start + length)
    const is4 = envelope.protocol === Protocol.ipip
    const wrong = is4 ? this.#unwrap4() : this.#unwrap6()
    if (wrong !== undefined) return wrong
    if (envelope.hasChecksum && !this.#isEnvelopeSound()) return 'wrongChecksum'
    if (envelope.isChecksumRemote && !this.#isRemoteChecksum()) return 'otherTunnel'
    return is4 ? this.#passCongestion4(trafficClass) : this.#passCongestion6(trafficClass)
  }

  /**
   * Does GRE's checksum fit? What hardware would still finish counts as finished; what was put together of several
   * packets the kernel has verified, and kept the first one's checksum.
   */
  #isEnvelopeSound(): boolean {
    const envelope = this.#envelope
    if (this.checksumOffset === 0) return fold(envelope.sum()) === 0xffff
    if (this.length > this.#datagramMax) return true
    const before = envelope.sum(envelope.length + this.checksumStart)
    const field = checksumAt.at(this.#packet, this.checksumStart + this.checksumOffset)
    return field !== null && fold(before + (field.value ^ 0xffff)) === 0xffff
  }

  /** Is the checksum that the sender left to us, says GUE, the one that looks so? */
  #isRemoteChecksum(): boolean {
    const { remoteStart, remoteOffset } = this.#envelope
    return (
      this.checksumOffset > 0 &&
      this.checksumStart === remoteStart &&
      this.checksumStart + this.checksumOffset === remoteOffset
    )
  }

  #unwrap4(): Refusal | undefined {
    const ip = ipv4At.at(this.#packet, 0)
    if (ip === null || ip.versionAndLength >>> 4 !== 4) return 'malformed'
    const headerLength = (ip.versionAndLength & 0x0f) * 4
    if (headerLength < Ipv4.size || headerLength > ip.totalLength) return 'malformed'
    if (ip.totalLength > this.#packet.length) return 'malformed'
    if (!this.#vips4.has(ip.destination)) return 'otherDestination'
    this.length = ip.totalLength
    if ((ip.flagsAndOffset & (MORE_FRAGMENTS | OFFSET_MASK)) !== 0) return undefined
    const addresses = add32(add32(0, ip.source), ip.destination)
    return this.#findPartialChecksum(ip.protocol, headerLength, addresses)
  }

  #passCongestion4(outerClass: number): Refusal | undefined {
    const ip = ipv4At.at(this.#packet, 0)!
    const was = ip.typeOfService
    const is = passCongestion(was, outerClass)
    if (is === undefined) return 'congested'
    if (is === was) return undefined
    ip.typeOfService = is
    ip.checksum = applyDelta(ip.checksum, replace16(0, was, is)) // both are low halves of their word
    return undefined
  }

  #unwrap6(): Refusal | undefined {
    const ip = ipv6At.at(this.#packet, 0)
    if (ip === null || ip.versionClassFlow >>> 28 !== 6) return 'malformed'
    const length = Ipv6.size + ip.payloadLength
    if (length > this.#packet.length) return 'malformed'
    const { destination0, destination1, destination2, destination3 } = ip
    if (!this.#isVip6(destination0, destination1, destination2, destination3)) {
      return 'otherDestination'
    }
    this.length = length
    const from = add32(add32(add32(add32(0, ip.source0), ip.source1), ip.source2), ip.source3)
    const first = add32(add32(from, destination0), destination1)
    const addresses = add32(add32(first, destination2), destination3)
    // Behind extension headers no checksum is looked for: what is put together or left to the wire has none.
    return this.#findPartialChecksum(ip.nextHeader, Ipv6.size, addresses)
  }

  #passCongestion6(outerClass: number): Refusal | undefined {
    const ip = ipv6At.at(this.#packet, 0)!
    const was = (ip.versionClassFlow >>> 20) & 0xff
    const is = passCongestion(was, outerClass)
    if (is === undefined) return 'congested'
    if (is !== was) ip.versionClassFlow = (ip.versionClassFlow ^ ((is ^ was) << 20)) >>> 0
    return undefined
  }

  #isVip6(w0: number, w1: number, w2: number, w3: number): boolean {
    const vips = this.#vips6
    for (let i = 0; i < vips.length; i += 4) {
      if (vips[i + 3] === w3 && vips[i + 2] === w2 && vips[i + 1] === w1 && vips[i] === w0) {
        return true
      }
    }
    return false
  }

  /** `addresses` is the sum of both, not folded. */
  #findPartialChecksum(
    protocol: number,
    transport: number,
    addresses: number,
  ): Refusal | undefined {
    const offset =
      protocol === Protocol.tcp
        ? Tcp.offsets.checksum
        : protocol === Protocol.udp
          ? Udp.offsets.checksum
          : 0
    if (offset === 0) return undefined
    const checksum = checksumAt.at(this.#packet, transport + offset)
    const length = this.length - transport
    if (checksum === null || checksum.value !== fold(addresses + protocol + length))
      return undefined
    if (protocol === Protocol.udp && this.length > this.#datagramMax) return 'mergedDatagrams'
    this.checksumStart = transport
    this.checksumOffset = offset
    return undefined
  }
}

/** The inner traffic class with what the outer one says of congestion; undefined: drop it. RFC 6040, figure 4. */
function passCongestion(inner: number, outer: number): number | undefined {
  const isCongested = (outer & Ecn.mask) === Ecn.congested
  if ((inner & Ecn.mask) === Ecn.notCapable) return isCongested ? undefined : inner
  if (isCongested) return inner | Ecn.congested
  const isMarked1 = (outer & Ecn.mask) === Ecn.capable1 && (inner & Ecn.mask) === Ecn.capable0
  return isMarked1 ? (inner & ~Ecn.mask) | Ecn.capable1 : inner
}
