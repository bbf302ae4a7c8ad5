/**
 * IP addresses and prefixes, as the control plane and the tables hold them.
 *
 * The control plane holds an address as its canonical text: '10.0.0.1', or '2001:db8::1' as RFC 5952 writes
 * it, so that two addresses are equal exactly if their strings are. Tables hold four 32-bit words in host
 * order, an IPv4 address in its v4-mapped form (RFC 4291 §2.5.5.2):
 *
 *        w0           w1           w2           w3
 *   | 0x20010db8 | 0x00000000 | 0x00000000 | 0x00000001 |   2001:db8::1
 *   | 0          | 0          | 0x0000ffff | 0x0a000001 |   10.0.0.1
 *
 * Words do not tell '10.0.0.1' from '::ffff:10.0.0.1'; they print as the former. Bytes and texts do.
 */
import { isIP } from 'node:net'
import { assert } from './assert.ts'

/** Four unsigned 32-bit words, host order. */
export type IpWords = readonly [number, number, number, number]

/** Addresses whose first `bits` bits are those of `ip`; the bits behind are zero in `ip`. */
export interface Prefix {
  readonly ip: string
  /** 0 … 32 or 0 … 128, by the family of `ip`. */
  readonly bits: number
}

const V4_MAPPED = 0xffff

/** The canonical text of an address, or undefined if `text` is none (scoped addresses, fe80::1%eth0, are not). */
export function parseIp(text: string): string | undefined {
  const family = isIP(text)
  if (family === 0 || text.includes('%')) return undefined
  return family === 4 ? text : groupsToText(textToGroups(text))
}

/** Of a canonical address. */
export function familyOf(ip: string): 4 | 6 {
  return ip.includes(':') ? 6 : 4
}

/** The words of a canonical address; asserts that it is one. */
export function ipToWords(ip: string): IpWords {
  if (familyOf(ip) === 4) return [0, 0, V4_MAPPED, textToWord4(ip)]
  const g = textToGroups(ip)
  return [join(g[0]!, g[1]!), join(g[2]!, g[3]!), join(g[4]!, g[5]!), join(g[6]!, g[7]!)]
}

/** The canonical text of four words; v4-mapped words give an IPv4 address. */
export function wordsToIp(w0: number, w1: number, w2: number, w3: number): string {
  if (w0 === 0 && w1 === 0 && w2 === V4_MAPPED) return wordToText4(w3)
  const [a, b, c, d] = [w0 >>> 16, w1 >>> 16, w2 >>> 16, w3 >>> 16]
  return groupsToText([a, w0 & 0xffff, b, w1 & 0xffff, c, w2 & 0xffff, d, w3 & 0xffff])
}

/** 4 or 16 bytes, network order; asserts that `ip` is a canonical address. */
export function ipToBytes(ip: string): Uint8Array {
  if (familyOf(ip) === 4) return wordsToBytes([textToWord4(ip)])
  return wordsToBytes(ipToWords(ip))
}

/** The canonical text of 4 or 16 bytes; asserts the length. Sixteen bytes always give an IPv6 address. */
export function bytesToIp(bytes: Uint8Array): string {
  assert(bytes.length === 4 || bytes.length === 16, `an address of ${bytes.length} bytes`)
  if (bytes.length === 4) return bytes.join('.')
  const groups = []
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!)
  return groupsToText(groups)
}

/** '10.0.0.0/24', '2001:db8::/64', or an address alone for itself. Bits behind the mask are cleared. */
export function parsePrefix(text: string): Prefix | undefined {
  const [address = '', length, ...rest] = text.split('/')
  const ip = parseIp(address)
  if (ip === undefined || rest.length > 0) return undefined
  const widest = familyOf(ip) === 4 ? 32 : 128
  if (length === undefined) return { ip, bits: widest }
  if (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > widest) return undefined
  return { ip: maskIp(ip, Number(length)), bits: Number(length) }
}

/** As `parsePrefix` reads it. */
export function formatPrefix(prefix: Prefix): string {
  return `${prefix.ip}/${prefix.bits}`
}

/** Is `ip` of the prefix's family and within it? */
export function prefixContains(prefix: Prefix, ip: string): boolean {
  return familyOf(ip) === familyOf(prefix.ip) && maskIp(ip, prefix.bits) === prefix.ip
}

/** The address with only its first `bits` bits kept; asserts 0 ≤ bits ≤ 32 or 128. */
export function maskIp(ip: string, bits: number): string {
  const bytes = ipToBytes(ip)
  assert(bits >= 0 && bits <= bytes.length * 8, `${ip} has no ${bits} bits`)
  for (let i = 0; i < bytes.length; i++) {
    const kept = Math.min(Math.max(bits - 8 * i, 0), 8)
    bytes[i] = bytes[i]! & (0xff00 >> kept)
  }
  return bytesToIp(bytes)
}

function join(high: number, low: number): number {
  return ((high << 16) | low) >>> 0
}

function wordsToBytes(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * words.length)
  const view = new DataView(bytes.buffer)
  words.forEach((word, i) => view.setUint32(4 * i, word))
  return bytes
}

function textToWord4(text: string): number {
  let [word, parts, part, digits] = [0, 1, 0, 0]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === DOT) {
      assert(digits > 0, `${text} is no canonical IPv4 address`)
      word = word * 256 + part
      parts++
      part = digits = 0
      continue
    }
    const isFollowingZero = digits > 0 && part === 0
    part = part * 10 + code - ZERO
    digits++
    const isPart = code >= ZERO && code <= ZERO + 9 && !isFollowingZero && part <= 255
    assert(isPart, `${text} is no canonical IPv4 address`)
  }
  assert(parts === 4 && digits > 0, `${text} is no canonical IPv4 address`)
  return word * 256 + part
}

const DOT = 0x2e
const ZERO = 0x30

function wordToText4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 0xff}.${(word >>> 8) & 0xff}.${word & 0xff}`
}

/** The eight 16-bit groups of a valid IPv6 address in any of its notations. */
function textToGroups(text: string): number[] {
  assert(isIP(text) === 6, `${text} is no IPv6 address`)
  const lastColon = text.lastIndexOf(':')
  if (text.includes('.')) {
    const word = textToWord4(text.slice(lastColon + 1))
    const tail = `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`
    return textToGroups(text.slice(0, lastColon + 1) + tail)
  }
  const [head = '', tail] = text.split('::')
  const before = head === '' ? [] : head.split(':')
  const behind = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(8 - before.length - behind.length).fill('0')
  return [...before, ...zeros, ...behind].map((group) => parseInt(group, 16))
}

/**
 * RFC 5952 §4: lower case, no leading zeros, '::' for the first longest run of two or more zero groups.
 * (Plain loops: a listing of connections prints millions of these.)
 */
function groupsToText(groups: readonly number[]): string {
  const { start, length } = longestZeroRun(groups)
  if (start === 0 && length === 5 && groups[5] === V4_MAPPED) {
    return `::ffff:${wordToText4(join(groups[6]!, groups[7]!))}` // RFC 5952 §5
  }
  let text = ''
  for (let i = 0; i < 8; i++) {
    if (i === start) {
      text += '::'
      i += length - 1
    } else {
      const colon = i === 0 || i === start + length ? '' : ':'
      text += colon + groups[i]!.toString(16)
    }
  }
  return text
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let start = 0
  let length = 0
  let zeros = 0
  for (let i = 0; i < 8; i++) {
    zeros = groups[i] === 0 ? zeros + 1 : 0
    if (zeros > length) {
      start = i + 1 - zeros
      length = zeros
    }
  }
  return length >= 2 ? { start, length } : { start: 8, length: 0 }
}
