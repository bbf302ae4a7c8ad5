/**
 * Every kind of tunnel there is, and what a packet looks like in it: written by wire/, by nothing of the packet path.
 */
import { viewOf } from '../../src/base/bytes.ts'
import type { Tunnel } from '../../src/director/model.ts'
import { EtherType } from '../../src/wire/ethernet.ts'
import { emitFrame, type FrameSpec, type IpSpec } from '../../src/wire/frame.ts'
import { emitGre } from '../../src/wire/gre.ts'
import { emitGue } from '../../src/wire/gue.ts'
import { Protocol } from '../../src/wire/ip-protocol.ts'
import { emitUdp } from '../../src/wire/udp.ts'

export interface TunnelKind {
  readonly name: string
  readonly tunnel: Tunnel
  /** Between outer and inner IP header. */
  readonly bytes: number
}

export const TUNNEL_PORT = 6080

const kind = (
  type: Tunnel['type'],
  checksum: Tunnel['checksum'],
  bytes: number,
  name: string = type,
): TunnelKind => ({
  name,
  tunnel: { type, port: type === 'gue' ? TUNNEL_PORT : 0, checksum },
  bytes,
})

export const TUNNEL_KINDS: readonly TunnelKind[] = [
  kind('ipip', 'none', 0),
  kind('gre', 'none', 4),
  kind('gre', 'checksum', 8, 'gre with checksum'),
  kind('gue', 'none', 12),
  kind('gue', 'checksum', 12, 'gue with checksum'),
  kind('gue', 'remote-checksum', 12, 'gue with remote checksum'),
]

/** The frame around `inner`, an IP packet's bytes; GUE's source port is `sourcePort`. */
export function wrap(
  { type, port, checksum }: Tunnel,
  inner: Uint8Array,
  outer: IpSpec,
  sourcePort: number,
  ethernet: Pick<FrameSpec, 'destinationMac' | 'sourceMac'> = {},
): Uint8Array {
  const isInner4 = inner[0]! >>> 4 === 4
  const protocol = isInner4 ? Protocol.ipip : Protocol.ipv6
  const frame = (carried: number, payload: Uint8Array) =>
    emitFrame({ ...ethernet, ip: { ...outer, protocol: carried, payload } })
  if (type === 'ipip') return frame(protocol, inner)
  if (type === 'gre') {
    const etherType = isInner4 ? EtherType.ipv4 : EtherType.ipv6
    const sum = checksum === 'none' ? undefined : 'computed'
    const bytes = emitGre({ protocol: etherType, checksum: sum, payload: inner })
    // Of the two zeros, Linux writes the one that UDP needs.
    if (sum !== undefined && viewOf(bytes).getUint16(4) === 0) viewOf(bytes).setUint16(4, 0xffff)
    return frame(Protocol.gre, bytes)
  }
  const extensions = new Uint8Array()
  const payload = emitGue({ isControl: false, protocol, flags: 0, extensions, payload: inner })
  const datagram = { sourcePort, destinationPort: port, payload }
  const sum = checksum === 'none' ? { checksum: 0 } : {}
  const bytes = emitUdp({ ...datagram, ...sum }, outer.source, outer.destination)
  return frame(Protocol.udp, bytes)
}
