/**
 * Which frames the engine takes from the kernel's own stack: the predicate, as nftables computes it.
 *
 * The twin of `isClaimed` in claim.ts, which says what it is for; whoever changes one changes both. In `nft`'s
 * own words, per family (ip/ip6, `4`/`6`), as `nft list table netdev sluice` prints it:
 *
 *   chain claim         meta pkttype other return
 *                       vlan id != 0 return                          802.1Q
 *                       ether type 8021ad vlan id != 0 return        802.1ad
 *                       meta protocol ip  ip daddr @destination_addresses4 jump to4
 *                       meta protocol ip  jump networks4             to networks: claim-network-rules.ts
 *                       meta protocol ip  ip saddr @source_addresses4  ip daddr != @own_addresses4 jump from4
 *                       ip frag-off & 0x3fff == 0 icmp type @icmp_errors ip daddr != @own_addresses4
 *                         @th,192,32 @source_addresses4 counter drop          the destination that it quotes
 *                       … @th,192,32 @tunnel_addresses4 counter drop        whatever address of ours it is to
 *                       … and for ip6: exthdr frag missing, icmpv6 type < 128, @th,256,128
 *   chain to4           ip frag-off & 0x3fff != 0 counter drop       to6: exthdr frag exists
 *                       icmp type @icmp_errors counter drop          to6: icmpv6 type < 128
 *                       ip daddr . meta l4proto @destinations_any_port4 counter drop
 *                       ip daddr . meta l4proto . th dport @destinations4 counter drop
 *                       jump ports4
 *   chain from4         the same with saddr, sport and sources
 *   chain ingress_eth0  type filter hook ingress device eth0; jump claim     one for each interface
 */
import { EtherType } from '../../wire/ethernet.ts'
import { Protocol } from '../../wire/ip-protocol.ts'
import { NETWORK_CHAINS } from './claim-network-rules.ts'
import { SET_NAMES } from './claim-sets.ts'
import {
  CLAIMED_ICMP_TYPES,
  FRAGMENT_MASK,
  ICMPV6_ERRORS_END,
  PACKET_OTHERHOST,
  QUOTED_4,
  QUOTED_6,
  VLAN_ID_MASK,
} from './claim.ts'
import {
  compare,
  Comparison,
  count,
  drop,
  FIRST_UNIT,
  goBack,
  Header,
  isIn,
  isNotIn,
  jump,
  loadBytes,
  loadHasExtension,
  loadMeta,
  mask,
  Meta,
  type Expression,
} from '../nftables/nftables-expression.ts'
import type { SetField, Transaction } from '../nftables/nftables-message.ts'

/** The shared chain that every interface's jumps to. */
export const CLAIM_CHAIN = 'claim'

const FAMILIES = [4, 6] as const
const ROLES = ['destinations', 'sources'] as const
type Family = (typeof FAMILIES)[number]
type Role = (typeof ROLES)[number]

/** Where an address is in the header, and how long. */
const ADDRESS = {
  4: { sources: 12, destinations: 16, length: 4, type: 'ipv4' },
  6: { sources: 8, destinations: 24, length: 16, type: 'ipv6' },
} as const
/** Where a port is in the header of TCP, UDP and SCTP. */
const PORT = { sources: 0, destinations: 2 } as const
/** Ethernet, as interfaces' types go; others have no VLAN tags. */
const ARPHRD_ETHER = 1
const ICMP_ERRORS = 'icmp_errors'

/** The names of all sets that hold a `ClaimElement`. */
export function claimSetNames(): string[] {
  return FAMILIES.flatMap((family) => {
    const { own, tunnels, destinations, sources } = SET_NAMES[family]
    return [
      own,
      tunnels,
      ...[destinations, sources].flatMap((role) => [role.address, role.anyPort, role.exact]),
    ]
  })
}

/** Sets, chains and rules, without elements and interfaces. */
export function addClaimRules(to: Transaction): void {
  addSets(to)
  const chains = FAMILIES.flatMap((family) => ROLES.map((role) => chainOf(role, family)))
  const ofNetworks = FAMILIES.flatMap((family) => {
    const { networks, ports } = NETWORK_CHAINS[family]
    return [networks, ports]
  })
  for (const chain of [...chains, ...ofNetworks, CLAIM_CHAIN]) to.newChain(chain)
  for (const family of FAMILIES) for (const role of ROLES) addRoleRules(to, role, family)

  to.newRule(CLAIM_CHAIN, [
    loadMeta(Meta.packetType),
    compare(Comparison.equal, [PACKET_OTHERHOST]),
    goBack,
  ])
  for (const tag of [EtherType.vlan, EtherType.qinq]) {
    to.newRule(CLAIM_CHAIN, [
      loadMeta(Meta.interfaceType),
      compare(Comparison.equal, [ARPHRD_ETHER, 0]), // in the machine's order
      loadBytes(Header.link, 12, 2), // the kernel keeps the tag aside, nftables shows it in its place
      compare(Comparison.equal, u16(tag)),
      loadBytes(Header.link, 14, 2),
      mask(u16(VLAN_ID_MASK)),
      compare(Comparison.notEqual, u16(0)),
      goBack,
    ])
  }
  for (const family of FAMILIES) {
    to.newRule(CLAIM_CHAIN, [
      ...isFamily(family),
      loadAddress('destinations', family),
      isIn(SET_NAMES[family].destinations.address),
      jump(chainOf('destinations', family)),
    ])
    to.newRule(CLAIM_CHAIN, [
      ...isFamily(family),
      loadAddress('sources', family),
      isIn(SET_NAMES[family].sources.address),
      loadAddress('destinations', family),
      isNotIn(SET_NAMES[family].own),
      jump(chainOf('sources', family)),
    ])
    to.newRule(CLAIM_CHAIN, [...isFamily(family), jump(NETWORK_CHAINS[family].networks)])
    addQuotedRules(to, family)
  }
}

/** Errors about packets to a server, from whichever router: to their sender, the client, or to us, in a tunnel. */
function addQuotedRules(to: Transaction, family: Family): void {
  const { own, sources, tunnels } = SET_NAMES[family]
  const isError = [...isFamily(family), ...isFragment(family, false), ...isIcmpError(family)]
  const quoted = family === 4 ? QUOTED_4 : QUOTED_6
  const loadQuoted = loadBytes(Header.transport, quoted, ADDRESS[family].length)
  to.newRule(CLAIM_CHAIN, [
    ...isError,
    loadAddress('destinations', family),
    isNotIn(own),
    loadQuoted,
    isIn(sources.address),
    count,
    drop,
  ])
  to.newRule(CLAIM_CHAIN, [...isError, loadQuoted, isIn(tunnels), count, drop])
}

function isFragment(family: Family, yes: boolean): Expression[] {
  if (family === 6) {
    return [loadHasExtension(Protocol.fragment), compare(Comparison.equal, [yes ? 1 : 0])]
  }
  return [
    loadBytes(Header.network, 6, 2),
    mask(u16(FRAGMENT_MASK)),
    compare(yes ? Comparison.notEqual : Comparison.equal, u16(0)),
  ]
}

function isIcmpError(family: Family): Expression[] {
  const type = loadBytes(Header.transport, 0, 1)
  if (family === 4) return [...isTransport(Protocol.icmp), type, isIn(ICMP_ERRORS)]
  return [...isTransport(Protocol.icmpv6), type, compare(Comparison.less, [ICMPV6_ERRORS_END])]
}

function addSets(to: Transaction): void {
  const protocol: SetField = { type: 'protocol', length: 1 }
  const port: SetField = { type: 'port', length: 2 }
  for (const family of FAMILIES) {
    const address: SetField = ADDRESS[family]
    to.newSet(SET_NAMES[family].own, [address])
    to.newSet(SET_NAMES[family].tunnels, [address])
    for (const role of ROLES) {
      to.newSet(SET_NAMES[family][role].address, [address])
      to.newSet(SET_NAMES[family][role].anyPort, [address, protocol])
      to.newSet(SET_NAMES[family][role].exact, [address, protocol, port])
    }
  }
  to.newSet(ICMP_ERRORS, [{ type: 'icmpType', length: 1 }])
  to.addElements(
    ICMP_ERRORS,
    CLAIMED_ICMP_TYPES.map((type) => Uint8Array.of(type)),
  )
}

/** What is claimed of that which goes to (comes from) an address of the role. */
function addRoleRules(to: Transaction, role: Role, family: Family): void {
  const chain = chainOf(role, family)
  const protocolUnit = FIRST_UNIT + ADDRESS[family].length / 4
  const claim = (...expressions: Expression[]): void =>
    to.newRule(chain, [...isFamily(family), ...expressions, count, drop])

  claim(...isFragment(family, true))
  claim(...isIcmpError(family))
  const loadEndpoint = [loadAddress(role, family), loadMeta(Meta.l4Protocol, protocolUnit)]
  claim(...loadEndpoint, isIn(SET_NAMES[family][role].anyPort))
  claim(
    ...loadEndpoint,
    loadBytes(Header.transport, PORT[role], 2, protocolUnit + 1),
    isIn(SET_NAMES[family][role].exact),
  )
  if (role === 'sources') return
  to.newRule(chain, [...isFamily(family), jump(NETWORK_CHAINS[family].ports)])
}

function chainOf(role: Role, family: Family): string {
  return `${role === 'destinations' ? 'to' : 'from'}${family}`
}

function loadAddress(role: Role, family: Family): Expression {
  return loadBytes(Header.network, ADDRESS[family][role], ADDRESS[family].length)
}

/** In every rule, though the chain is of one family: without it `nft` prints addresses as raw bytes. */
function isFamily(family: Family): Expression[] {
  const type = family === 4 ? EtherType.ipv4 : EtherType.ipv6
  return [loadMeta(Meta.protocol), compare(Comparison.equal, u16(type))]
}

function isTransport(protocol: number): Expression[] {
  return [loadMeta(Meta.l4Protocol), compare(Comparison.equal, [protocol])]
}

/** In network order. */
function u16(value: number): number[] {
  return [value >>> 8, value & 0xff]
}
