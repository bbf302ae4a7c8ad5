/**
 * What the engine claims from the kernel's own stack, as sets of addresses: this process's copy.
 *
 * The same elements are in the sets of the nftables table (ingress-claim.ts); `isClaimed` (claim.ts) reads
 * this copy. Per family, in ClaimTables:
 *
 *   table         detail                  nftables set
 *   destinations  protocol << 16 | port   destinations           a virtual service
 *                 protocol << 16          destinations_any_port  … on port 0; a local address (FULLNAT)
 *                 0                       destination_addresses  an address of one of those
 *   sources       the same three          sources, …             a real server whose answers we take (NAT)
 *   own           0                       own_addresses          the host's: servers' answers to it are its
 *   tunnels       0                       tunnel_addresses       a real server at the end of a tunnel
 *
 * Whole networks are no sets, but rules: claim-networks.ts.
 *
 * Names of the nftables sets carry the family: `destinations4`, `destinations6`.
 */
import { assert } from '../../base/assert.ts'
import { familyOf, ipToWords, type IpWords } from '../../base/ip.ts'
import { ClaimNetworks, familyOfNetwork, type ClaimNetwork } from './claim-networks.ts'
import { ClaimTable } from './claim-table.ts'

export interface ClaimEndpoint {
  /** Canonical text (base/ip.ts). */
  readonly address: string
  /** IP protocol number: TCP 6, UDP 17, SCTP 132. */
  readonly protocol: number
  /** 0: every port. */
  readonly port: number
}

export interface Claims {
  /** Virtual services; and, with port 0, FULLNAT local addresses. */
  readonly destinations: readonly ClaimEndpoint[]
  /** Real servers whose answers come back through us (NAT); FULLNAT's go to a local address anyway. */
  readonly sources: readonly ClaimEndpoint[]
  /** The host's own addresses: what servers send there is the host's, unless it is a destination too. */
  readonly ownAddresses?: readonly string[]
  /** Real servers at the end of a tunnel: ICMP errors about packets to them are ours. */
  readonly tunnels?: readonly { readonly address: string }[]
  /** What goes to whole networks: firewall marks. */
  readonly networks?: readonly ClaimNetwork[]
}

export const NO_CLAIMS: Claims = { destinations: [], sources: [] }

/** One element to add to, or remove from, one nftables set. */
export interface ClaimElement {
  readonly set: string
  /** The fields one after the other, each padded to 4 bytes, as nftables keeps concatenations. */
  readonly key: Uint8Array
}

export interface FamilySets {
  readonly destinations: ClaimTable
  readonly sources: ClaimTable
  readonly own: ClaimTable
  readonly tunnels: ClaimTable
  readonly networks: ClaimNetworks
}

interface RoleSetNames {
  readonly address: string
  readonly anyPort: string
  readonly exact: string
}

function setNamesOf(family: 4 | 6) {
  const role = (name: string): RoleSetNames => ({
    address: `${name}_addresses${family}`,
    anyPort: `${name}s_any_port${family}`,
    exact: `${name}s${family}`,
  })
  return {
    own: `own_addresses${family}`,
    tunnels: `tunnel_addresses${family}`,
    destinations: role('destination'),
    sources: role('source'),
  }
}

/** What the nftables sets are called. */
export const SET_NAMES = { 4: setNamesOf(4), 6: setNamesOf(6) } as const

export class ClaimSets {
  readonly v4: FamilySets = familySets()
  readonly v6: FamilySets = familySets()

  /** Adds; what was not there before is returned for the nftables sets. */
  add(claims: Claims): ClaimElement[] {
    const added: ClaimElement[] = []
    this.#each(claims, (table, words, detail, set) => {
      if (table.add(words, detail) === 1) added.push(element(set, words, detail))
    })
    for (const each of claims.networks ?? []) this.#networksOf(each).add(each)
    return added
  }

  /** Removes what was added before; what is then gone is returned. Asserts that it was there. */
  remove(claims: Claims): ClaimElement[] {
    const removed: ClaimElement[] = []
    this.#each(claims, (table, words, detail, set) => {
      const left = table.remove(words, detail)
      assert(left >= 0, `${words.join()} ${detail >>> 16}:${detail & 0xffff} was not claimed`)
      if (left === 0) removed.push(element(set, words, detail))
    })
    for (const each of claims.networks ?? []) this.#networksOf(each).remove(each)
    return removed
  }

  #each(
    claims: Claims,
    visit: (table: ClaimTable, words: IpWords, detail: number, set: string) => void,
  ): void {
    for (const role of ['destinations', 'sources'] as const) {
      for (const { address, protocol, port } of claims[role]) {
        assert(protocol > 0 && protocol < 256 && port >= 0 && port < 65536, `${protocol} ${port}`)
        const family = familyOf(address)
        const words = ipToWords(address)
        const table = this.#family(family)[role]
        const names = SET_NAMES[family][role]
        visit(table, words, (protocol << 16) | port, port === 0 ? names.anyPort : names.exact)
        visit(table, words, 0, names.address)
      }
    }
    for (const address of claims.ownAddresses ?? []) {
      const family = familyOf(address)
      visit(this.#family(family).own, ipToWords(address), 0, SET_NAMES[family].own)
    }
    for (const { address } of claims.tunnels ?? []) {
      const family = familyOf(address)
      visit(this.#family(family).tunnels, ipToWords(address), 0, SET_NAMES[family].tunnels)
    }
  }

  #networksOf(network: ClaimNetwork): ClaimNetworks {
    return this.#family(familyOfNetwork(network)).networks
  }

  #family(family: 4 | 6): FamilySets {
    return family === 4 ? this.v4 : this.v6
  }
}

function familySets(): FamilySets {
  const [destinations, sources] = [new ClaimTable(), new ClaimTable()]
  const [own, tunnels] = [new ClaimTable(), new ClaimTable()]
  return { destinations, sources, own, tunnels, networks: new ClaimNetworks() }
}

/** The set's key: address; then, unless 0, the protocol; then, unless 0, the port. */
function element(set: string, words: IpWords, detail: number): ClaimElement {
  const first = set.endsWith('4') ? 3 : 0
  const end = 4 * (4 - first)
  const port = detail & 0xffff
  const key = new Uint8Array(end + (detail === 0 ? 0 : port === 0 ? 4 : 8))
  for (let i = first; i < 4; i++) writeWord(key, 4 * (i - first), words[i]!)
  if (detail !== 0) key[end] = detail >>> 16
  if (port !== 0) writeWord(key, end + 4, port << 16)
  return { set, key }
}

function writeWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word >>> 24
  bytes[at + 1] = word >>> 16
  bytes[at + 2] = word >>> 8
  bytes[at + 3] = word
}
