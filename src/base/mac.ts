/**
 * Ethernet (MAC) addresses: canonical text '02:00:00:00:0a:01' in the control plane, two parts in tables and
 * frames, since the packet path has no 48-bit integer:
 *
 *    02 : 00 : 00 : 00 : 0a : 01
 *   '-- high -' '------ low ----'      high 0x0200, low 0x00000a01
 */
import { assert } from './assert.ts'

export interface MacParts {
  /** The first two bytes, 0 … 65 535. */
  readonly high: number
  /** The other four, 0 … 4 294 967 295. */
  readonly low: number
}

export const BROADCAST_MAC = 'ff:ff:ff:ff:ff:ff'
export const ZERO_MAC = '00:00:00:00:00:00'

/** Six pairs of hexadecimal digits between colons or dashes, as canonical text; undefined if it is none. */
export function parseMac(text: string): string | undefined {
  const isMac = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$|^[0-9a-f]{2}(-[0-9a-f]{2}){5}$/i.test(text)
  return isMac ? text.toLowerCase().replaceAll('-', ':') : undefined
}

/** Six bytes; asserts that `mac` is a canonical address. */
export function macToBytes(mac: string): Uint8Array {
  assert(parseMac(mac) !== undefined, `${mac} is no MAC address`)
  return Uint8Array.from(mac.split(':'), (pair) => parseInt(pair, 16))
}

/** The text of six bytes; asserts the length. */
export function bytesToMac(bytes: Uint8Array): string {
  assert(bytes.length === 6, `a MAC address of ${bytes.length} bytes`)
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/** As tables and frames hold it; asserts that `mac` is a canonical address. */
export function macToParts(mac: string): MacParts {
  const view = new DataView(macToBytes(mac).buffer)
  return { high: view.getUint16(0), low: view.getUint32(2) }
}

/** The text of an address in two parts. */
export function partsToMac(high: number, low: number): string {
  const digits = high.toString(16).padStart(4, '0') + low.toString(16).padStart(8, '0')
  return digits.replace(/..(?!$)/g, '$&:')
}

/** Group addresses, broadcast among them (IEEE 802.3 §3.2.3: the first byte's lowest bit). */
export function isMulticastMac(mac: string): boolean {
  return (parseInt(mac.slice(0, 2), 16) & 1) === 1
}
