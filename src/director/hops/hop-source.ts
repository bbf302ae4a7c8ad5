/**
 * What is ours on the way to a next hop: the address we send from, and the size that goes through.
 *
 * The own address is, in this order: the one the route prefers; one whose subnet holds the hop; the first global one of
 * the interface; the first global one of any. Within each, deprecated addresses come last: that is how IPv6 VIPs are
 * kept from being sources. A link-local address is only taken towards a link-local neighbour. As Linux does for IPv4
 * (inet_select_addr); for IPv6 it stands in for RFC 6724, of whose rules only these decide here.
 */
import { familyOf, ipToWords, type IpWords, type Prefix } from '../../base/ip.ts'
import type { Route } from './routes.ts'

/** An address of the host. */
export interface OwnAddress {
  readonly interfaceIndex: number
  readonly ip: string
  /** What lies on the link with it: its own subnet, or the peer's address. */
  readonly subnet: Prefix
  readonly scope: 'global' | 'link' | 'host'
  readonly isDeprecated: boolean
}

/** What a route says of the packets that follow it. */
export interface RouteTraits {
  /** Bytes; undefined: the link's. */
  readonly mtu: number | undefined
  readonly preferredSource: string | undefined
}

const NO_TRAITS: RouteTraits = { mtu: undefined, preferredSource: undefined }

interface Covering<T> {
  readonly family: 4 | 6
  readonly words: IpWords
  /** Of 128. */
  readonly bits: number
  readonly value: T
}

function coveringOf<T>({ ip, bits }: Prefix, value: T): Covering<T> {
  const family = familyOf(ip)
  return { family, words: ipToWords(ip), bits: family === 4 ? bits + 96 : bits, value }
}

function covers({ words, bits }: Covering<unknown>, address: IpWords): boolean {
  for (let i = 0; i < 4 && bits > 32 * i; i++) {
    const kept = Math.min(bits - 32 * i, 32)
    if ((words[i]! ^ address[i]!) >>> (32 - kept) !== 0) return false
  }
  return true
}

export class HopSources {
  readonly #subnets = new Map<number, Covering<OwnAddress>[]>()
  readonly #globals: OwnAddress[]
  readonly #onLink = new Map<number, Covering<RouteTraits>[]>()

  /** Of the host's addresses in the kernel's order, and the routes that hold. */
  constructor(addresses: readonly OwnAddress[], routes: readonly Route[]) {
    const inOrder = [
      ...addresses.filter(({ isDeprecated }) => !isDeprecated),
      ...addresses.filter(({ isDeprecated }) => isDeprecated),
    ]
    this.#globals = inOrder.filter(({ scope }) => scope === 'global')
    for (const own of inOrder)
      append(this.#subnets, own.interfaceIndex, coveringOf(own.subnet, own))
    for (const route of routes) {
      if (route.kind !== 'forward' || route.nexthops[0].gateway !== undefined) continue
      append(this.#onLink, route.nexthops[0].interfaceIndex, coveringOf(route.prefix, route))
    }
    for (const list of this.#onLink.values()) list.sort((a, b) => b.bits - a.bits)
  }

  /** What the route says that makes `ip` a neighbour on this interface. */
  traitsOf(interfaceIndex: number, ip: string, words: IpWords): RouteTraits {
    const family = familyOf(ip)
    const isIt = (route: Covering<RouteTraits>) => route.family === family && covers(route, words)
    return this.#onLink.get(interfaceIndex)?.find(isIt)?.value ?? NO_TRAITS
  }

  /** The own address of `family` for packets to a hop; undefined if there is none at all. */
  choose(
    family: 4 | 6,
    interfaceIndex: number,
    hop: { readonly ip: string; readonly words: IpWords; readonly isDirect: boolean },
    preferred: string | undefined,
  ): string | undefined {
    if (preferred !== undefined && familyOf(preferred) === family) return preferred
    const mayBeLinkLocal = hop.isDirect && isLinkLocal(hop.words)
    const near = this.#subnets
      .get(interfaceIndex)
      ?.find(
        (subnet) =>
          subnet.family === family &&
          (subnet.value.scope === 'global' || (subnet.value.scope === 'link' && mayBeLinkLocal)) &&
          familyOf(hop.ip) === family &&
          covers(subnet, hop.words),
      )
    if (near !== undefined) return near.value.ip
    const globals = this.#globals.filter(({ ip }) => familyOf(ip) === family)
    return (globals.find((own) => own.interfaceIndex === interfaceIndex) ?? globals[0])?.ip
  }
}

/** fe80::/10 (RFC 4291 §2.5.6). */
function isLinkLocal(words: IpWords): boolean {
  return words[0] >>> 22 === 0x3fa
}

function append<T>(map: Map<number, T[]>, key: number, value: T): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
