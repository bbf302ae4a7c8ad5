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
import { viewOf } from '../base/bytes.ts'
import { ipToWords, wordsToIp } from '../base/ip.ts'
import { macToParts, partsToMac, ZERO_MAC } from '../base/mac.ts'
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

/** A message as the control plane sees it. */
export interface ArpMessage {
  /** `ArpOperation.request` or `reply`; others (reverse ARP, …) are kept as they are. */
  readonly operation: number
  readonly senderMac: string
  readonly senderIp: string
  readonly targetMac: string
  readonly targetIp: string
}

/** Undefined if cut, or ARP for other than IPv4 over Ethernet. Padding behind is ignored. */
export function parseArp(bytes: Uint8Array): ArpMessage | undefined {
  if (bytes.length < Arp.size) return undefined
  const arp = Arp.view(viewOf(bytes), 0)
  if (!isArp(arp)) return undefined
  return {
    operation: arp.operation,
    senderMac: partsToMac(arp.senderMacHigh, arp.senderMacLow),
    senderIp: wordsToIp(0, 0, 0xffff, arp.senderIp),
    targetMac: partsToMac(arp.targetMacHigh, arp.targetMacLow),
    targetIp: wordsToIp(0, 0, 0xffff, arp.targetIp),
  }
}

/** The message's 28 bytes. */
export function emitArp(message: ArpMessage): Uint8Array {
  const bytes = new Uint8Array(Arp.size)
  const arp = Arp.view(viewOf(bytes), 0)
  const sender = macToParts(message.senderMac)
  const target = macToParts(message.targetMac)
  arp.hardwareType = ARP_HARDWARE_ETHERNET
  arp.protocolType = EtherType.ipv4
  arp.hardwareLength = 6
  arp.protocolLength = 4
  arp.operation = message.operation
  arp.senderMacHigh = sender.high
  arp.senderMacLow = sender.low
  arp.senderIp = ipToWords(message.senderIp)[3]
  arp.targetMacHigh = target.high
  arp.targetMacLow = target.low
  arp.targetIp = ipToWords(message.targetIp)[3]
  return bytes
}

/** 'Request who-has 10.0.0.1 tell 10.0.0.2', as tcpdump says it behind 'ARP, '. */
export function formatArp(message: ArpMessage): string {
  const { operation, senderMac, senderIp, targetMac, targetIp } = message
  if (operation === ArpOperation.reply) return `Reply ${senderIp} is-at ${senderMac}`
  if (operation !== ArpOperation.request) return `operation ${operation} from ${senderIp}`
  const hint = targetMac === ZERO_MAC ? '' : ` (${targetMac})`
  return `Request who-has ${targetIp}${hint} tell ${senderIp}`
}
