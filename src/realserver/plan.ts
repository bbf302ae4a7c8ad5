/**
 * What has to change on this host before it may have the VIPs, told from what it has now.
 *
 * A VIP belongs on the loopback device: any other would answer for it. For IPv4 that is not enough, for Linux answers
 * ARP on each interface for all addresses of the host (arp_process, net/ipv4/arp.c). So, on the interface that faces
 * the director and the clients' router, and on no other:
 *
 *   arp_ignore    1  answer ARP only for addresses of the interface itself
 *   arp_announce  2  ask by ARP only with an address of the interface itself as sender, or the others learn from it
 *
 * The kernel uses the larger of the interface's value and that of `all`. IPv6 needs neither: a solicitation is answered
 * only for addresses of the interface it came in on, and solicitations of ours name only such (net/ipv6/ndisc.c).
 *
 * Pure: facts in, changes or problems out.
 */
import { familyOf, formatPrefix } from '../base/ip.ts'
import { Scope, type InterfaceAddress } from '../kernel/netlink/address.ts'
import type { Link } from '../kernel/netlink/link.ts'
import { Table, type Route } from '../kernel/netlink/route.ts'
import { sysctlPart } from '../kernel/sysctl.ts'
import type { Change } from './change.ts'

/** What the host is like. */
export interface Facts {
  readonly links: readonly Link[]
  readonly addresses: readonly InterfaceAddress[]
  readonly routes: readonly Route[]
  /** Undefined where the kernel has no such setting. */
  setting(name: string): string | undefined
}

export interface Wish {
  /** How packets come from the director: as they are, or in a tunnel that ends here. */
  readonly mode: 'dr' | 'tun'
  /** Canonical, each once. */
  readonly vips: readonly string[]
  /** Its name; undefined: the one that can be meant. */
  readonly interfaceName: string | undefined
}

export interface Plan {
  /** The interface that keeps quiet; undefined if none has to. */
  readonly interfaceName: string | undefined
  /** In this order, and undone in the opposite one: quiet first, then the VIPs. */
  readonly changes: readonly Change[]
  /** What is so already and stays so, in sentences. */
  readonly kept: readonly string[]
  /** Why it cannot be done. If there are any, nothing else counts. */
  readonly problems: readonly string[]
}

/** What a setting must come to, with `all` taken into account; the first is what we set. */
const QUIET = [
  // 3 answers for no address of host scope, such as ours; 8 for none at all. 4 to 7 mean nothing to the kernel.
  { setting: 'arp_ignore', enough: [1, 2, 3, 8] },
  { setting: 'arp_announce', enough: [2] },
] as const

/** Kinds of links that decapsulate, and what comes out of them. */
const TUNNEL_FAMILIES: Readonly<Record<string, readonly number[]>> = {
  ipip: [4],
  sit: [6],
  ip6tnl: [4, 6],
  gre: [4, 6],
  ip6gre: [4, 6],
}

interface Draft {
  readonly changes: Change[]
  readonly kept: string[]
  readonly problems: string[]
}

export function planSetup(wish: Wish, facts: Facts): Plan {
  const draft: Draft = { changes: [], kept: [], problems: [] }
  const needsQuiet = wish.vips.some((vip) => familyOf(vip) === 4)
  const link = needsQuiet || wish.interfaceName !== undefined ? chooseLink(wish, facts) : undefined
  if (typeof link === 'string') draft.problems.push(link)
  else if (link !== undefined && needsQuiet) planQuiet(draft, facts, link)
  if (wish.vips.some((vip) => familyOf(vip) === 6)) checkIpv6(draft, facts)
  if (wish.mode === 'tun') checkTunnels(draft, facts, wish.vips)
  for (const vip of wish.vips) planAddress(draft, facts, vip)
  const interfaceName = needsQuiet && typeof link === 'object' ? link.name : undefined
  return { interfaceName, ...draft }
}

/** Or why there is none. */
function chooseLink({ interfaceName }: Wish, facts: Facts): Link | string {
  if (interfaceName !== undefined) {
    const link = facts.links.find(({ name }) => name === interfaceName)
    if (link === undefined) return `there is no interface ${interfaceName}`
    return link.isLoopback
      ? `${interfaceName} is the loopback device: name the one to the LAN`
      : link
  }
  const candidates = candidateLinks(facts)
  if (candidates.length === 1) return candidates[0]!
  const names = candidates.map(({ name }) => name).join(', ')
  const which = names === '' ? 'none has a global IPv4 address' : `it may be any of ${names}`
  return `cannot tell which interface is the one to the director: ${which}; say --interface`
}

/** Those of the best IPv4 default routes; without any, those that are up and have a global IPv4 address. */
function candidateLinks({ links, routes, addresses }: Facts): Link[] {
  const defaults = routes.filter(
    ({ destination, table, type }) =>
      formatPrefix(destination) === '0.0.0.0/0' && table === Table.main && type === 'unicast',
  )
  const best = Math.min(...defaults.map(({ metric }) => metric))
  const indexes = new Set(
    defaults.length > 0
      ? defaults
          .filter(({ metric }) => metric === best)
          .flatMap(({ nextHops }) => nextHops.map(({ interfaceIndex }) => interfaceIndex))
      : addresses
          .filter(({ ip, scope }) => familyOf(ip) === 4 && scope === Scope.global)
          .map(({ interfaceIndex }) => interfaceIndex),
  )
  return links.filter((link) => indexes.has(link.index) && link.isUp && !isQuietPlace(link))
}

function planQuiet(draft: Draft, facts: Facts, link: Link): void {
  for (const { setting, enough } of QUIET) {
    const name = `net.ipv4.conf.${sysctlPart(link.name)}.${setting}`
    const before = facts.setting(name) ?? '0'
    const all = Number(facts.setting(`net.ipv4.conf.all.${setting}`) ?? 0)
    const isEnough = (value: number) => (enough as readonly number[]).includes(Math.max(all, value))
    if (isEnough(Number(before))) {
      draft.kept.push(`${name}: ${before}, with ${all} for all interfaces, is enough`)
    } else if (isEnough(enough[0])) {
      draft.changes.push({ kind: 'setting', name, before, after: String(enough[0]) })
    } else {
      const value = Math.max(all, Number(before))
      draft.problems.push(`${name}: the value in force is ${value}, which keeps nothing quiet`)
    }
  }
}

/**
 * A tunnel device means that the kernel takes tunnel packets: up, tunl0 and its kin would deliver each a second time;
 * down, they would have it answered with an ICMP error.
 */
function checkTunnels(draft: Draft, { links }: Facts, vips: readonly string[]): void {
  for (const { name, kind } of links) {
    const families = TUNNEL_FAMILIES[kind ?? ''] ?? []
    if (!vips.some((vip) => families.includes(familyOf(vip)))) continue
    const remedy =
      `unload it, or let it do the work: --mode dr, ip link set ${name} up, ` +
      `sysctl net.ipv4.conf.${sysctlPart(name)}.rp_filter=2`
    draft.problems.push(`${name}: the kernel's own ${kind} would take the packets, too; ${remedy}`)
  }
}

function checkIpv6(draft: Draft, { setting }: Facts): void {
  const disabled = setting('net.ipv6.conf.lo.disable_ipv6')
  if (disabled === undefined) draft.problems.push('this kernel has no IPv6')
  if (disabled === '1') {
    draft.problems.push('IPv6 is switched off on lo: sysctl net.ipv6.conf.lo.disable_ipv6=0')
  }
}

function planAddress(draft: Draft, { addresses, links }: Facts, vip: string): void {
  const found = addresses.flatMap(({ ip, bits, interfaceIndex }) => {
    const link = links.find(({ index }) => index === interfaceIndex)
    return ip === vip && link !== undefined ? [{ text: `${ip}/${bits} on ${link.name}`, link }] : []
  })
  for (const { text, link } of found) {
    if (isQuietPlace(link)) draft.kept.push(`${text}: there already, and stays`)
    else draft.problems.push(`${text}: ${link.name} would answer for it; remove it there first`)
  }
  if (!found.some(({ link }) => isQuietPlace(link))) {
    draft.changes.push({ kind: 'address', ip: vip })
  }
}

/** Is nobody on the other side who could ask? */
function isQuietPlace({ isLoopback, kind }: Link): boolean {
  return isLoopback || kind === 'dummy'
}
