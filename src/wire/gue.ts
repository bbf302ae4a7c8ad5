/**
 * Generic UDP encapsulation — draft-ietf-intarea-gue-09, as the Linux kernel speaks it (net/gue.h).
 *
 * Behind the UDP header:
 *
 *      +---+-+---------+---------------+-------------------------------+
 *   0  |ver|C| words   | IP protocol   |             flags             |
 *   4  |  `words` 32-bit words of what the flags announce              |
 *      +---------------------------------------------------------------+
 *
 * Version 0 with C = 0 carries a packet of the named protocol. Version 1 has no header at all: its first
 * nibble is the first of the IPv4 or IPv6 packet that follows at once.
 */
import { header } from '../subset/struct.ts'

export const Gue = header('gue', { control: 'u8', protocol: 'u8', flags: 'u16' })
/** Remote checksum offload: behind `Gue` and the private flags; both in bytes from the payload's begin. */
export const GueRemoteChecksum = header('gue-remote-checksum', {
  privateFlags: 'u32',
  start: 'u16',
  offset: 'u16',
})

/** Of `control`. */
export const GUE_CONTROL = 0x20
export const GUE_LENGTH_MASK = 0x1f
/** Of `flags`: a word of private flags follows. */
export const GUE_FLAG_PRIVATE = 0x0001
/** Of the private flags: a word of remote checksum offload follows them. */
export const GUE_PRIVATE_REMOTE_CHECKSUM = 0x80000000
