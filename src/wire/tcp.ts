/**
 * TCP — RFC 9293. Options: RFC 7323 (window scale, timestamps), RFC 2018 (SACK).
 *
 *      +-------------------------------+-------------------------------+
 *   0  |          source port          |       destination port        |
 *   4  |                        sequence number                        |
 *   8  |                     acknowledgement number                    |
 *  12  | words |0 0 0 AE CWR ECE URG ACK PSH RST SYN FIN|    window  …  |
 *  16  |           checksum            |        urgent pointer         |
 *  20  |              options, up to 40 bytes, padded to words         |
 *      +---------------------------------------------------------------+
 *
 * `words` counts 32-bit words of header, 5 to 15. The checksum covers pseudo-header, header and payload.
 */
import { header } from '../subset/struct.ts'

export const Tcp = header('tcp', {
  sourcePort: 'u16',
  destinationPort: 'u16',
  sequence: 'u32',
  acknowledgement: 'u32',
  offsetAndFlags: 'u16',
  window: 'u16',
  checksum: 'u16',
  urgent: 'u16',
})

/** How every option but `end` and `nop` begins; `length` counts these two bytes, too. */
export const TcpOptionHead = header('tcp-option', { kind: 'u8', length: 'u8' })
/** The option that limits segments: `size` bytes of payload. */
export const TcpMss = header('tcp-mss', { kind: 'u8', length: 'u8', size: 'u16' })

/** Of `offsetAndFlags`. */
export const TcpFlag = {
  fin: 0x01,
  syn: 0x02,
  rst: 0x04,
  psh: 0x08,
  ack: 0x10,
  urg: 0x20,
  ece: 0x40,
  cwr: 0x80,
} as const

export const TcpOptionKind = {
  end: 0,
  nop: 1,
  mss: 2,
  windowScale: 3,
  sackPermitted: 4,
  sack: 5,
  timestamps: 8,
} as const
