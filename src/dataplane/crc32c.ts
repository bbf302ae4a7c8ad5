/**
 * SCTP's checksum after a change of ports, without looking at the rest of the packet (RFC 9260 appendix A).
 *
 * CRC32c is linear: two packets that differ in their first four bytes alone differ in their CRC by what those four
 * bytes' difference becomes when as many zero bytes follow as the packet is long. "n zero bytes follow" is a linear
 * map of 32 bits, that for n + m the one after the other. So with a map for each power of two, a packet of any length
 * costs at most 16 of them, and a checksum that was wrong stays wrong. A map is a table for each of its 8 nibbles:
 *
 *     crcShifts   (power · 8 + nibble) · 16 + value ─► 32 bits
 */
import { u32 } from '../subset/integers.ts'
import { row } from '../subset/struct.ts'
import { table } from '../subset/table.ts'

/** No IP packet is as long as 2^16 bytes. */
const POWERS = 16
const NIBBLES = 8
const REFLECTED_POLYNOMIAL = 0x82f63b78

const CrcShift = row('crcShift', { value: 'u32' })
/** Read-only: the kernel engine freezes it. */
export const crcShifts = table('crcShifts', CrcShift, POWERS * NIBBLES * 16, shiftBytes())
const shiftAt = crcShifts.cursor()

/**
 * How the checksum field, as it is on the wire, changes when the two ports change by `ports` in `length` bytes.
 *
 * @apart
 */
export function checksumDelta(ports: u32, length: u32): u32 {
  let crc: u32 = swapBytes(ports) // the CRC takes the least significant bit of each byte first
  for (let power: u32 = 0; power < POWERS; power++) {
    if (((length >>> power) & 1) !== 0) crc = shift(power, crc)
  }
  return swapBytes(crc) // and is written least significant byte first
}

/** What becomes of a CRC when 2^`power` zero bytes follow. */
function shift(power: u32, crc: u32): u32 {
  let shifted: u32 = 0
  for (let nibble: u32 = 0; nibble < NIBBLES; nibble++) {
    const value: u32 = (crc >>> (nibble * 4)) & 15
    const part = shiftAt.at(u32((power * NIBBLES + nibble) * 16 + value))
    if (part !== null) shifted = u32(shifted ^ part.value)
  }
  return shifted
}

function swapBytes(word: u32): u32 {
  return u32(u32(word << 24) | u32((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24))
}

/** @control */
function shiftBytes(): Uint8Array {
  const bytes = new Uint8Array(POWERS * NIBBLES * 16 * 4)
  const view = new DataView(bytes.buffer)
  /** Where each of the 32 bits goes; first: one zero byte. */
  let columns = Array.from({ length: 32 }, (_, bit) => shiftByte((1 << bit) >>> 0))
  for (let power = 0; power < POWERS; power++) {
    for (let nibble = 0; nibble < NIBBLES; nibble++) {
      for (let value = 0; value < 16; value++) {
        const at = ((power * NIBBLES + nibble) * 16 + value) * 4
        view.setUint32(at, apply(columns, (value << (nibble * 4)) >>> 0), true)
      }
    }
    columns = columns.map((column) => apply(columns, column))
  }
  return bytes
}

/** @control */
function shiftByte(crc: number): number {
  let shifted = crc
  for (let bit = 0; bit < 8; bit++) {
    shifted = (shifted & 1) === 1 ? (shifted >>> 1) ^ REFLECTED_POLYNOMIAL : shifted >>> 1
  }
  return shifted >>> 0
}

/** @control */
function apply(columns: readonly number[], crc: number): number {
  let sum = 0
  for (let bit = 0; bit < 32; bit++) if (((crc >>> bit) & 1) === 1) sum ^= columns[bit]!
  return sum >>> 0
}
