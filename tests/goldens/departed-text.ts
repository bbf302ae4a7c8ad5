/**
 * Frames that left, as text to compare: without what the director itself chose: IP ids, flow labels of ICMPv6 errors,
 * and tunnels' source ports.
 */
import { viewOf } from '../../src/base/bytes.ts'
import { bytesToHex } from '../../src/base/hex.ts'
import { parseFrame } from '../../src/wire/frame.ts'
import { Protocol } from '../../src/wire/ip-protocol.ts'
import { printFrame } from '../../src/wire/print.ts'
import { isTransportRight, layoutOf } from '../packets/sums.ts'
import { OWN_ADDRESSES, type Departed } from './laboratory.ts'

/** Side and bytes, without an IP id of the director's own. */
export function show({ at, bytes }: Departed): string {
  return `${at} ${bytesToHex(withoutChoices(bytes))}`
}

/** For people. */
export function print({ at, bytes }: Departed): string {
  return `${at}: ${printFrame(withoutChoices(bytes), { verbose: true })}`
}

/** The frame without what the director chose. */
export function withoutChoices(frame: Uint8Array): Uint8Array {
  const { ip } = parseFrame(frame) ?? {}
  if (ip === undefined || !OWN_ADDRESSES.includes(ip.source)) return frame
  const bytes = frame.slice()
  const view = viewOf(bytes)
  if (ip.version === 4 && !ip.dontFragment) {
    view.setUint16(18, 0)
    view.setUint16(24, 0)
  }
  if (ip.version === 6 && ip.protocol === Protocol.icmpv6)
    view.setUint32(14, 0x60000000 | (ip.trafficClass << 20))
  const layout = layoutOf(frame)
  if (ip.protocol !== Protocol.udp || layout.isLater) return bytes
  // A tunnel's source port is free to choose, and its checksum then only right or wrong.
  view.setUint16(layout.transport, 0)
  const hasChecksum = view.getUint16(layout.transport + 6) !== 0
  if (hasChecksum && isTransportRight(frame, layout)) view.setUint16(layout.transport + 6, 0xffff)
  return bytes
}
