/**
 * UDP — RFC 768; over IPv6 RFC 8200 §8.1.
 *
 *      +-------------------------------+-------------------------------+
 *   0  |          source port          |       destination port        |
 *   4  |            length             |           checksum            |
 *      +-------------------------------+-------------------------------+
 *
 * Length counts header and payload. Checksum 0 means "none" (over IPv6 only tunnels may, RFC 6935), so a
 * sum that comes out as 0 is sent as 0xffff.
 */
import { assert } from '../base/assert.ts'
import { concatBytes, viewOf } from '../base/bytes.ts'
import { header } from '../subset/struct.ts'
import { checksum, pseudoHeaderSum } from './checksum.ts'
import { Protocol } from './ip-protocol.ts'

export const Udp = header('udp', {
  sourcePort: 'u16',
  destinationPort: 'u16',
  length: 'u16',
  checksum: 'u16',
})

/** A datagram as the control plane sees it. */
export interface UdpDatagram {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly payload: Uint8Array
  /** As it was found, 0 for none; computed by `emitUdp` if left out. */
  readonly checksum?: number | undefined
}

/** Undefined if cut or not consistent. Bytes behind `length` are ignored. */
export function parseUdp(bytes: Uint8Array): UdpDatagram | undefined {
  if (bytes.length < Udp.size) return undefined
  const udp = Udp.view(viewOf(bytes), 0)
  if (udp.length < Udp.size || udp.length > bytes.length) return undefined
  return {
    sourcePort: udp.sourcePort,
    destinationPort: udp.destinationPort,
    payload: bytes.subarray(Udp.size, udp.length),
    checksum: udp.checksum,
  }
}

/** The datagram's bytes; the addresses are for the checksum. */
export function emitUdp(datagram: UdpDatagram, source: string, destination: string): Uint8Array {
  const bytes = concatBytes(new Uint8Array(Udp.size), datagram.payload)
  assert(bytes.length <= 0xffff, `a UDP datagram of ${bytes.length} bytes`)
  const udp = Udp.view(viewOf(bytes), 0)
  udp.sourcePort = datagram.sourcePort
  udp.destinationPort = datagram.destinationPort
  udp.length = bytes.length
  const pseudoSum = pseudoHeaderSum(source, destination, Protocol.udp, bytes.length)
  udp.checksum = datagram.checksum ?? (checksum(bytes, pseudoSum) || 0xffff)
  return bytes
}

/** 'UDP, length 12', as tcpdump says it behind the addresses. */
export function formatUdp(datagram: UdpDatagram): string {
  return `UDP, length ${datagram.payload.length}`
}
