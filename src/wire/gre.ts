/**
 * GRE — RFC 2784, key and sequence number RFC 2890.
 *
 *      +-+-+-+-+-----------------+-----+-------------------------------+
 *   0  |C|0|K|S|   reserved      | ver |  protocol (an EtherType)      |
 *   4  |  if C: checksum               |  reserved                     |
 *      |  if K: key (4)    if S: sequence number (4)                   |
 *      +---------------------------------------------------------------+
 */
import { header } from '../subset/struct.ts'

export const Gre = header('gre', { flagsAndVersion: 'u16', protocol: 'u16' })
/** What follows `Gre` where `GreFlag.checksum` is set; it covers the GRE header and all behind it. */
export const GreChecksum = header('gre-checksum', { checksum: 'u16', reserved: 'u16' })

/** Of `flagsAndVersion`. */
export const GreFlag = { checksum: 0x8000, key: 0x2000, sequence: 0x1000 } as const
