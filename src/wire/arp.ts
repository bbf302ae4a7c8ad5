/**
 * ARP for IPv4 over Ethernet — RFC 826. Probe, announcement, defence: RFC 5227.
 *
 *      +-------------------------------+-------------------------------+
 *   0  |       hardware type = 1       |    protocol type = 0x0800     |
 *   4  | hw length = 6 | pr length = 4 | operation: 1 request, 2 reply |
 *   8  |  sender hardware address (6)     14  sender IP address (4)    |
 *  18  |  target hardware address (6)     24  target IP address (4)    |
 *      +---------------------------------------------------------------+
 *
 * The first 8 bytes say that the other 20 mean what the picture says: see `isArp` before you trust them.
 */
import { header } from '../subset/struct.ts'
import type { ViewOf } from '../subset/struct.ts'
import { EtherType } from './ethernet.ts'

export const Arp = header('arp', {
  hardwareType: 'u16',
  protocolType: 'u16',
  hardwareLength: 'u8',
  protocolLength: 'u8',
  operation: 'u16',
  senderMacHigh: 'u16',
  senderMacLow: 'u32',
  senderIp: 'u32',
  targetMacHigh: 'u16',
  targetMacLow: 'u32',
  targetIp: 'u32',
})

export const ArpOperation = { request: 1, reply: 2 } as const

export const ARP_HARDWARE_ETHERNET = 1

/** Is this ARP for IPv4 over Ethernet? (The same protocol number serves other pairs, with other lengths.) */
export function isArp(arp: ViewOf<typeof Arp>): boolean {
  return (
    arp.hardwareType === ARP_HARDWARE_ETHERNET &&
    arp.protocolType === EtherType.ipv4 &&
    arp.hardwareLength === 6 &&
    arp.protocolLength === 4
  )
}
