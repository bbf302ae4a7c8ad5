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
import { header } from '../subset/struct.ts'

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
