/**
 * Text of digits, dots and letters, written byte by byte where it shall be: without a string for each piece.
 *
 * Every function writes at `at` and gives the place behind what it wrote; there must be room.
 */
const [ZERO, DOT] = [0x30, 0x2e]

/** '0' … '255', three bytes each, and how many of them count. */
const OCTETS = new Uint8Array(256 * 4)
for (let octet = 0; octet < 256; octet++) {
  const text = String(octet)
  writeAscii(OCTETS, octet * 4, text)
  OCTETS[octet * 4 + 3] = text.length
}

/** Nothing but ASCII. */
export function writeAscii(bytes: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i)
  return at + text.length
}

/** An integer from 0 to 2^31 - 1, decimal. */
export function writeInteger(bytes: Uint8Array, at: number, n: number): number {
  if (n < 256) return writeOctet(bytes, at, n)
  let digits = 3
  for (let limit = 1000; n >= limit && digits < 10; limit *= 10) digits++
  const end = at + digits
  let rest = n | 0
  for (let i = end - 1; i >= at; i--) {
    const next = (rest / 10) | 0
    bytes[i] = ZERO + rest - next * 10
    rest = next
  }
  return end
}

/** An IPv4 address. */
export function writeIpv4(bytes: Uint8Array, at: number, word: number): number {
  let end = writeOctet(bytes, at, word >>> 24)
  bytes[end] = DOT
  end = writeOctet(bytes, end + 1, (word >>> 16) & 0xff)
  bytes[end] = DOT
  end = writeOctet(bytes, end + 1, (word >>> 8) & 0xff)
  bytes[end] = DOT
  return writeOctet(bytes, end + 1, word & 0xff)
}

/** Always writes three bytes, of which the next piece takes back what does not count. */
function writeOctet(bytes: Uint8Array, at: number, octet: number): number {
  const from = octet * 4
  bytes[at] = OCTETS[from]!
  bytes[at + 1] = OCTETS[from + 1]!
  bytes[at + 2] = OCTETS[from + 2]!
  return at + OCTETS[from + 3]!
}
