/**
 * The network that a capture shows, where nobody describes it.
 *
 * One interface, on whose link every address is a neighbour. Its MAC address is the one that the first frame for a
 * virtual service, or for a destination that rules mark, was sent to; neighbours are the senders of the captured frames
 * (their first MAC address counts), and whoever was not heard gets 02:00 and the last four bytes of his IP address. The
 * interface has the first virtual address of each family: outer headers of tunnels are sent from it.
 */
import {
  familyOf,
  ipToBytes,
  parsePrefix,
  prefixContains,
  wordsToIp,
  type Prefix,
} from '../base/ip.ts'
import { bytesToMac, isMulticastMac, partsToMac, ZERO_MAC } from '../base/mac.ts'
import { viewOf } from '../base/bytes.ts'
import { parseArp } from '../wire/arp.ts'
import { Ethernet, EtherType } from '../wire/ethernet.ts'
import { Ipv4 } from '../wire/ipv4.ts'
import { Ipv6 } from '../wire/ipv6.ts'
import { DEFAULT_MTU, type Lan } from './lan.ts'
import type { Rule } from './rule.ts'

/** The director's MAC address where no frame shows one. */
const OWN_MAC = '02:53:4c:55:49:43'
/** Own addresses where no service has one of that family: for documentation (RFC 5737, RFC 3849). */
const OWN_ADDRESS_4 = '192.0.2.1'
const OWN_ADDRESS_6 = '2001:db8::1'
const INTERFACE_NAME = 'lan'

/** The LAN of these frames and rules; `others` are to be neighbours, too. */
export function implyLan(
  frames: readonly Uint8Array[],
  rules: readonly Rule[],
  others: readonly string[] = [],
): Lan {
  const virtuals = virtualAddresses(rules)
  const own = ownMac(frames, rules)
  const heard = new Map<string, string>()
  for (const frame of frames) {
    const sender = senderOf(frame)
    if (sender === undefined || sender.mac === own || heard.has(sender.ip)) continue
    if (!isMulticastMac(sender.mac) && sender.mac !== ZERO_MAC) heard.set(sender.ip, sender.mac)
  }
  for (const ip of [...serverAddresses(rules), ...others]) {
    if (!heard.has(ip)) heard.set(ip, macFor(ip))
  }
  const own4 = virtuals.find((ip) => familyOf(ip) === 4) ?? OWN_ADDRESS_4
  const own6 = virtuals.find((ip) => familyOf(ip) === 6) ?? OWN_ADDRESS_6
  const addresses = [
    { ip: own4, subnet: { ip: own4, bits: 32 } },
    { ip: own6, subnet: { ip: own6, bits: 128 } },
  ]
  return {
    interfaces: [{ name: INTERFACE_NAME, mac: own, addresses, mtu: DEFAULT_MTU }],
    routes: [
      { to: { ip: '0.0.0.0', bits: 0 }, via: undefined, interfaceIndex: 1 },
      { to: { ip: '::', bits: 0 }, via: undefined, interfaceIndex: 1 },
    ],
    neighbours: [...heard].map(([ip, mac]) => ({ ip, mac, interfaceIndex: 1 })),
  }
}

/** The MAC address made for an address. */
function macFor(ip: string): string {
  return bytesToMac(Uint8Array.of(2, 0, ...ipToBytes(ip).slice(-4)))
}

function virtualAddresses(rules: readonly Rule[]): string[] {
  return rules.flatMap((rule) => {
    if (rule.call !== 'service.add' || 'firewallMark' in rule.with.service) return []
    return [rule.with.service.address]
  })
}

function serverAddresses(rules: readonly Rule[]): string[] {
  return rules.flatMap((rule) => (rule.call === 'server.add' ? [rule.with.server.address] : []))
}

/** Destinations that rules name which give firewall marks. */
function markedPrefixes(rules: readonly Rule[]): Prefix[] {
  return rules.flatMap((rule) => {
    if (rule.call !== 'mark.add' && rule.call !== 'mark.set') return []
    return rule.with.rules.flatMap(({ destination }) => parsePrefix(destination ?? '') ?? [])
  })
}

function ownMac(frames: readonly Uint8Array[], rules: readonly Rule[]): string {
  const virtuals = new Set(virtualAddresses(rules))
  const marked = markedPrefixes(rules)
  for (const frame of frames) {
    const destination = destinationOf(frame)
    if (destination === undefined) continue
    const isMarked = marked.some((prefix) => prefixContains(prefix, destination))
    if (!virtuals.has(destination) && !isMarked) continue
    const { destinationHigh, destinationLow } = Ethernet.view(viewOf(frame), 0)
    const mac = partsToMac(destinationHigh, destinationLow)
    if (!isMulticastMac(mac) && mac !== ZERO_MAC) return mac
  }
  return OWN_MAC
}

/** Who an IP packet is for. Cut frames do, as long as both headers are there. */
function destinationOf(frame: Uint8Array): string | undefined {
  const type = typeOf(frame)
  const at = Ethernet.size
  if (type === EtherType.ipv4 && frame.length >= at + Ipv4.size) {
    return wordsToIp(0, 0, 0xffff, Ipv4.view(viewOf(frame), at).destination)
  }
  if (type === EtherType.ipv6 && frame.length >= at + Ipv6.size) {
    const ip = Ipv6.view(viewOf(frame), at)
    return wordsToIp(ip.destination0, ip.destination1, ip.destination2, ip.destination3)
  }
  return undefined
}

/** Who sent an IP packet or ARP message. */
function senderOf(frame: Uint8Array): { ip: string; mac: string } | undefined {
  const type = typeOf(frame)
  const at = Ethernet.size
  if (type === undefined) return undefined
  const { sourceHigh, sourceLow } = Ethernet.view(viewOf(frame), 0)
  const mac = partsToMac(sourceHigh, sourceLow)
  if (type === EtherType.arp) {
    const arp = parseArp(frame.subarray(at))
    return arp === undefined ? undefined : { ip: arp.senderIp, mac: arp.senderMac }
  }
  if (type === EtherType.ipv4 && frame.length >= at + Ipv4.size) {
    return { ip: wordsToIp(0, 0, 0xffff, Ipv4.view(viewOf(frame), at).source), mac }
  }
  if (type === EtherType.ipv6 && frame.length >= at + Ipv6.size) {
    const ip = Ipv6.view(viewOf(frame), at)
    return { ip: wordsToIp(ip.source0, ip.source1, ip.source2, ip.source3), mac }
  }
  return undefined
}

function typeOf(frame: Uint8Array): number | undefined {
  return frame.length < Ethernet.size ? undefined : Ethernet.view(viewOf(frame), 0).type
}
