/**
 * VRRP advertisements — version 2 RFC 3768 (IPv4 only), version 3 RFC 5798 / RFC 9568.
 *
 *      +-------+-------+---------------+---------------+---------------+
 *   0  | ver   |type=1 | virtual router|   priority    | address count |
 *   4  | v2: auth type, interval in s  |           checksum            |
 *      | v3: 0 (4), interval in cs (12)|                               |
 *   8  |   virtual addresses (4 or 16 bytes each)                      |
 *      |   v2: authentication data (8 bytes; 4 and 4)                  |
 *      +---------------------------------------------------------------+
 *
 * Sent as IP protocol 112 to 224.0.0.18 or ff02::12 with TTL 255: who reads it checks the 255. The v3
 * checksum covers a pseudo-header, the v2 checksum does not. Priority 0 says "I stop", 255 "I own them".
 */
import { assert } from '../base/assert.ts'
import { concatBytes, viewOf } from '../base/bytes.ts'
import { bytesToIp, familyOf, ipToBytes } from '../base/ip.ts'
import { header } from '../subset/struct.ts'
import { checksum, isChecksumRight, pseudoHeaderSum } from './checksum.ts'
import { Protocol } from './ip-protocol.ts'

export const Vrrp = header('vrrp', {
  versionAndType: 'u8',
  virtualRouterId: 'u8',
  priority: 'u8',
  addressCount: 'u8',
  /** v2: authentication type and interval in seconds, a byte each; v3: interval in centiseconds, 12 bits. */
  interval: 'u16',
  checksum: 'u16',
})

export const VRRP_GROUP_4 = '224.0.0.18'
export const VRRP_GROUP_6 = 'ff02::12'

/** An advertisement as the control plane sees it. */
export interface VrrpAdvertisement {
  readonly version: 2 | 3
  /** 1 … 255 */
  readonly virtualRouterId: number
  /** 0 … 255 */
  readonly priority: number
  /** Whole seconds in v2, whole centiseconds in v3. */
  readonly intervalMs: number
  /** Virtual addresses, 255 at most, all of one family. */
  readonly addresses: readonly string[]
  /** v2 only; type 0 and eight zeros for none. */
  readonly authentication?: VrrpAuthentication | undefined
  /** As it was found; computed by `emitVrrp` if left out. */
  readonly checksum?: number | undefined
}

export interface VrrpAuthentication {
  /** 0 none, 1 simple password. */
  readonly type: number
  /** Eight bytes. */
  readonly data: Uint8Array
}

const AUTHENTICATION_BYTES = 8
const VRRP_ADVERTISEMENT = 1

/** Of the IP payload; `family` is the packet's. Undefined if cut or anything else than an advertisement. */
export function parseVrrp(bytes: Uint8Array, family: 4 | 6): VrrpAdvertisement | undefined {
  if (bytes.length < Vrrp.size) return undefined
  const vrrp = Vrrp.view(viewOf(bytes), 0)
  const version = vrrp.versionAndType >>> 4
  if ((version !== 2 && version !== 3) || (vrrp.versionAndType & 0xf) !== VRRP_ADVERTISEMENT) {
    return undefined
  }
  if (version === 2 && family === 6) return undefined
  const width = family === 4 ? 4 : 16
  const end = Vrrp.size + width * vrrp.addressCount
  if (end + (version === 2 ? AUTHENTICATION_BYTES : 0) > bytes.length) return undefined
  const addresses = []
  for (let at: number = Vrrp.size; at < end; at += width) {
    addresses.push(bytesToIp(bytes.subarray(at, at + width)))
  }
  const { virtualRouterId, priority, checksum, interval } = vrrp
  const fields = { version, virtualRouterId, priority, addresses, checksum } as const
  if (version === 3) return { ...fields, version, intervalMs: (interval & 0xfff) * 10 }
  const data = bytes.subarray(end, end + AUTHENTICATION_BYTES)
  const authentication = { type: interval >>> 8, data }
  return { ...fields, version, intervalMs: (interval & 0xff) * 1000, authentication }
}

/**
 * The IP payload's bytes. `source` and `destination` are for the checksum of version 3, see `vrrpPseudoSum`.
 * Asserts that interval and number of addresses are possible.
 */
export function emitVrrp(
  advertisement: VrrpAdvertisement,
  source: string,
  destination: string,
): Uint8Array {
  const { version, addresses, authentication } = advertisement
  assert(addresses.length <= 255, `${addresses.length} virtual addresses`)
  const none = { type: 0, data: new Uint8Array(AUTHENTICATION_BYTES) }
  const { type, data } = authentication ?? none
  assert(data.length === AUTHENTICATION_BYTES, `${data.length} bytes of authentication data`)
  const trailer = version === 2 ? data : new Uint8Array()
  const bytes = concatBytes(new Uint8Array(Vrrp.size), ...addresses.map(ipToBytes), trailer)
  const vrrp = Vrrp.view(viewOf(bytes), 0)
  vrrp.versionAndType = (version << 4) | VRRP_ADVERTISEMENT
  vrrp.virtualRouterId = advertisement.virtualRouterId
  vrrp.priority = advertisement.priority
  vrrp.addressCount = addresses.length
  vrrp.interval = intervalField(advertisement) | (version === 2 ? type << 8 : 0)
  const pseudoSum = version === 2 ? 0 : vrrpPseudoSum(source, destination, bytes.length)
  vrrp.checksum = advertisement.checksum ?? checksum(bytes, pseudoSum)
  return bytes
}

function intervalField({ version, intervalMs }: VrrpAdvertisement): number {
  const [unitMs, most] = version === 2 ? [1000, 0xff] : [10, 0xfff]
  const field = intervalMs / unitMs
  assert(Number.isInteger(field) && field <= most, `VRRPv${version} every ${intervalMs} ms`)
  return field
}

/**
 * What version 3 sums before its message. RFC 5798 §5.2.8 is read in two ways for IPv4: keepalived and this
 * take a pseudo-header, Cisco and RFC 9568 do not; over IPv6 all do.
 */
export function vrrpPseudoSum(source: string, destination: string, length: number): number {
  return pseudoHeaderSum(source, destination, Protocol.vrrp, length)
}

/** Is the checksum right in one of the ways in which the version's speakers compute it? */
export function isVrrpChecksumRight(
  bytes: Uint8Array,
  source: string,
  destination: string,
): boolean {
  const isVersion2 = bytes[0]! >>> 4 === 2
  const withPseudo = () => isChecksumRight(bytes, vrrpPseudoSum(source, destination, bytes.length))
  const plain = () => isChecksumRight(bytes)
  if (isVersion2) return plain()
  return withPseudo() || (familyOf(source) === 4 && plain())
}

/** 'VRRPv3, Advertisement, vrid 51, prio 100, intvl 100cs, length 12', much as tcpdump says it. */
export function formatVrrp(advertisement: VrrpAdvertisement): string {
  const { version, virtualRouterId, priority, intervalMs, addresses } = advertisement
  const width = familyOf(addresses[0] ?? '0.0.0.0') === 4 ? 4 : 16
  const trailer = version === 2 ? AUTHENTICATION_BYTES : 0
  const length = Vrrp.size + width * addresses.length + trailer
  const type = advertisement.authentication?.type ?? 0
  const authentication = version === 2 ? `, authtype ${AUTHENTICATION_NAMES[type] ?? type}` : ''
  const interval = version === 2 ? `${intervalMs / 1000}s` : `${intervalMs / 10}cs`
  return (
    `VRRPv${version}, Advertisement, vrid ${virtualRouterId}, prio ${priority}${authentication}, ` +
    `intvl ${interval}, length ${length}`
  )
}

const AUTHENTICATION_NAMES: Readonly<Record<number, string>> = { 0: 'none', 1: 'simple' }
