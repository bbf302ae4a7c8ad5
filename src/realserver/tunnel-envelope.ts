/**
 * What stands between the outer IP header and the packet in the tunnel, read: nothing, GRE, or GUE behind UDP.
 *
 *   protocol 4, 41   nothing
 *   protocol 47      GRE version 0, with or without checksum                  RFC 2784
 *   protocol 17      GUE version 0 with or without remote checksum offload, or version 1, which is no header at all
 *
 * Keys, sequence numbers, control messages and other options are refused: no director sends them, and what they would
 * ask of us we do not do. UDP's own checksum the kernel verifies.
 *
 * Pure; allocates nothing per packet.
 */
import { Packet } from '../subset/packet.ts'
import { SUM_FRAME_MAX, sumFrame } from '../wire/checksum.ts'
import { EtherType } from '../wire/ethernet.ts'
import { Gre, GreChecksum, GreFlag } from '../wire/gre.ts'
import {
  Gue,
  GUE_CONTROL,
  GUE_FLAG_PRIVATE,
  GUE_LENGTH_MASK,
  GUE_PRIVATE_REMOTE_CHECKSUM,
  GueRemoteChecksum,
} from '../wire/gue.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import type { Refusal } from './unwrap.ts'

const greAt = Gre.cursor()
const gueAt = Gue.cursor()
const remoteAt = GueRemoteChecksum.cursor()

export class Envelope {
  // What was opened last.
  /** Bytes before the packet. */
  length = 0
  /** Protocol.ipip or Protocol.ipv6: of which family the packet is said to be. */
  protocol = 0
  /** Has GRE a checksum, over itself and everything behind? */
  hasChecksum = false
  /** Is a checksum inside left to us? Where what it covers begins, and where it lies, from the packet's first byte. */
  isChecksumRemote = false
  remoteStart = 0
  remoteOffset = 0

  readonly #packet = new Packet()

  /** Reads what lies at `start` behind a header that announced `protocol`. Undefined, and the fields tell of it. */
  open(bytes: DataView, start: number, length: number, protocol: number): Refusal | undefined {
    this.#packet.point(bytes, start, length, start, start + length)
    this.length = 0
    this.protocol = protocol
    this.hasChecksum = false
    this.isChecksumRemote = false
    if (protocol === Protocol.ipip || protocol === Protocol.ipv6) return undefined
    if (protocol === Protocol.gre) return this.#openGre()
    return protocol === Protocol.udp ? this.#openGue() : 'malformed'
  }

  /** The sum, not folded, of its first `length` bytes and what is behind it; of all if not told. */
  sum(length = this.#packet.length): number {
    let sum = 0
    for (let at = 0; at < length; at += SUM_FRAME_MAX) {
      sum += sumFrame(this.#packet, at, Math.min(SUM_FRAME_MAX, length - at))
    }
    return sum
  }

  #openGre(): Refusal | undefined {
    const gre = greAt.at(this.#packet, 0)
    if (gre === null) return 'malformed'
    const { flagsAndVersion, protocol } = gre
    if ((flagsAndVersion & ~GreFlag.checksum) !== 0) return 'otherTunnel'
    if (protocol !== EtherType.ipv4 && protocol !== EtherType.ipv6) return 'otherTunnel'
    this.hasChecksum = flagsAndVersion !== 0
    this.length = this.hasChecksum ? Gre.size + GreChecksum.size : Gre.size
    this.protocol = protocol === EtherType.ipv4 ? Protocol.ipip : Protocol.ipv6
    return this.length > this.#packet.length ? 'malformed' : undefined
  }

  #openGue(): Refusal | undefined {
    const gue = gueAt.at(this.#packet, 0)
    if (gue === null) return 'malformed'
    const { control, protocol, flags } = gue
    if (control >>> 6 === 1) return this.#openDirect(control >>> 4)
    if (control >>> 6 !== 0 || (control & GUE_CONTROL) !== 0) return 'otherTunnel'
    if (protocol !== Protocol.ipip && protocol !== Protocol.ipv6) return 'otherTunnel'
    this.protocol = protocol
    this.length = Gue.size + 4 * (control & GUE_LENGTH_MASK)
    if (this.length > this.#packet.length) return 'malformed'
    if (flags === 0) return this.length === Gue.size ? undefined : 'otherTunnel'
    return flags === GUE_FLAG_PRIVATE ? this.#openPrivate() : 'otherTunnel'
  }

  /** Version 1: the packet's first nibble, 4 or 6, is all there is. */
  #openDirect(version: number): Refusal | undefined {
    if (version !== 4 && version !== 6) return 'otherTunnel'
    this.protocol = version === 4 ? Protocol.ipip : Protocol.ipv6
    return undefined
  }

  #openPrivate(): Refusal | undefined {
    const remote = remoteAt.at(this.#packet, Gue.size)
    if (remote === null || this.length !== Gue.size + GueRemoteChecksum.size) return 'otherTunnel'
    if (remote.privateFlags !== GUE_PRIVATE_REMOTE_CHECKSUM) return 'otherTunnel'
    this.isChecksumRemote = true
    this.remoteStart = remote.start
    this.remoteOffset = remote.offset
    return undefined
  }
}
