/**
 * Frames that left, as text to compare: without the IP ids that the director itself chose.
 */
import { viewOf } from '../../src/base/bytes.ts'
import { bytesToHex } from '../../src/base/hex.ts'
import { parseFrame } from '../../src/wire/frame.ts'
import { printFrame } from '../../src/wire/print.ts'
import { OWN_ADDRESSES, type Departed } from './laboratory.ts'

/** Side and bytes, without an IP id of the director's own. */
export function show({ at, bytes }: Departed): string {
  return `${at} ${bytesToHex(withoutId(bytes))}`
}

/** For people. */
export function print({ at, bytes }: Departed): string {
  return `${at}: ${printFrame(withoutId(bytes), { verbose: true })}`
}

function withoutId(frame: Uint8Array): Uint8Array {
  const ip = parseFrame(frame)?.ip
  if (ip?.version !== 4 || !OWN_ADDRESSES.includes(ip.source) || ip.dontFragment) return frame
  const bytes = frame.slice()
  viewOf(bytes).setUint16(18, 0)
  viewOf(bytes).setUint16(24, 0)
  return bytes
}
