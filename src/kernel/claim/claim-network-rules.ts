/**
 * What the claim takes that goes to whole networks, as nftables computes it: the twin of claim-networks.ts.
 *
 * Two chains for each family, written anew as a whole with each change:
 *
 *   chain networks4   ip daddr 10.50.0.0/16 jump to4                            as for an address that is claimed
 *   chain ports4      ip daddr 10.50.0.0/16 tcp dport 80-89 counter drop
 */
import { EtherType } from '../../wire/ethernet.ts'
import type { ClaimSets } from './claim-sets.ts'
import { isEveryPort, type NetworkMatch } from './claim-networks.ts'
import {
  compare,
  Comparison,
  count,
  drop,
  Header,
  jump,
  loadBytes,
  loadMeta,
  mask,
  Meta,
  type Expression,
} from '../nftables/nftables-expression.ts'
import type { Transaction } from '../nftables/nftables-message.ts'

/** Names of the chains, and where they lead; `claimed` says what becomes of an address that is claimed. */
export const NETWORK_CHAINS = {
  4: { networks: 'networks4', ports: 'ports4', claimed: 'to4' },
  6: { networks: 'networks6', ports: 'ports6', claimed: 'to6' },
} as const
/** Where the destination address stands in the header, and how long it is. */
const DESTINATION = { 4: { offset: 16, length: 4 }, 6: { offset: 24, length: 16 } } as const

/** Puts the rules for the networks of `sets` in the place of those that are there. */
export function writeNetworkRules(to: Transaction, { v4, v6 }: ClaimSets): void {
  for (const [family, { networks }] of [[4, v4] as const, [6, v6] as const]) {
    const chains = NETWORK_CHAINS[family]
    to.flushRules(chains.networks)
    to.flushRules(chains.ports)
    for (const match of networks.matches) {
      to.newRule(chains.networks, [...goesTo(family, match), jump(chains.claimed)])
      to.newRule(chains.ports, [...goesTo(family, match), ...hasPort(match), count, drop])
    }
  }
}

function goesTo(family: 4 | 6, { words, masks }: NetworkMatch): Expression[] {
  const { offset, length } = DESTINATION[family]
  const bytes = (list: readonly number[]) =>
    list
      .slice(4 - length / 4)
      .flatMap((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255))
  return [
    // Without it `nft` prints addresses as raw bytes.
    loadMeta(Meta.protocol),
    compare(Comparison.equal, u16(family === 4 ? EtherType.ipv4 : EtherType.ipv6)),
    loadBytes(Header.network, offset, length),
    mask(bytes(masks)),
    compare(Comparison.equal, bytes(words)),
  ]
}

function hasPort(match: NetworkMatch): Expression[] {
  const isOfProtocol = [loadMeta(Meta.l4Protocol), compare(Comparison.equal, [match.protocol])]
  if (isEveryPort(match)) return isOfProtocol
  return [
    ...isOfProtocol,
    loadBytes(Header.transport, 2, 2),
    compare(Comparison.notLess, u16(match.firstPort)),
    compare(Comparison.notGreater, u16(match.lastPort)),
  ]
}

/** In network order. */
function u16(value: number): number[] {
  return [value >>> 8, value & 0xff]
}
