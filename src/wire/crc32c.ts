/**
 * CRC32c, SCTP's checksum — RFC 9260 appendix A: the Castagnoli polynomial 0x1edc6f41, reflected, starting
 * with all ones and inverted at the end.
 *
 * One table of 256 words: what a byte that leaves the register does to the rest of it.
 */
const REFLECTED_POLYNOMIAL = 0x82f63b78

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) {
    crc = (crc & 1) === 1 ? (crc >>> 1) ^ REFLECTED_POLYNOMIAL : crc >>> 1
  }
  return crc
})

/** The CRC of all parts as if they were one. */
export function crc32c(...parts: readonly Uint8Array[]): number {
  let crc = 0xffffffff
  for (const part of parts) {
    for (const byte of part) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!
  }
  return (crc ^ 0xffffffff) >>> 0
}
