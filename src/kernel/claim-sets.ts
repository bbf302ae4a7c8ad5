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
 *
 * Names of the nftables sets carry the family: `destinations4`, `destinations6`.
 */
import { assert } from '../base/assert.ts'
import { familyOf, ipToBytes, ipToWords } from '../base/ip.ts'
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
  readonly ownAddresses: readonly string[]
}

export const NO_CLAIMS: Claims = { destinations: [], sources: [], ownAddresses: [] }

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
}

export class ClaimSets {
  readonly v4: FamilySets = familySets()
  readonly v6: FamilySets = familySets()

  /** Adds; what was not there before is returned for the nftables sets. */
  add(claims: Claims): ClaimElement[] {
    const added: ClaimElement[] = []
    this.#each(claims, (table, address, detail, set) => {
      if (table.add(ipToWords(address), detail) === 1) added.push(element(set, address, detail))
    })
    return added
  }

  /** Removes what was added before; what is then gone is returned. Asserts that it was there. */
  remove(claims: Claims): ClaimElement[] {
    const removed: ClaimElement[] = []
    this.#each(claims, (table, address, detail, set) => {
      const left = table.remove(ipToWords(address), detail)
      assert(left >= 0, `${address} ${detail >>> 16}:${detail & 0xffff} was not claimed`)
      if (left === 0) removed.push(element(set, address, detail))
    })
    return removed
  }

  #each(
    claims: Claims,
    visit: (table: ClaimTable, address: string, detail: number, set: string) => void,
  ): void {
    for (const role of ['destinations', 'sources'] as const) {
      for (const { address, protocol, port } of claims[role]) {
        assert(protocol > 0 && protocol < 256 && port >= 0 && port < 65536, `${protocol} ${port}`)
        const family = familyOf(address)
        const table = this.#family(family)[role]
        const set = port === 0 ? `${role}_any_port${family}` : `${role}${family}`
        visit(table, address, (protocol << 16) | port, set)
        visit(table, address, 0, `${role.slice(0, -1)}_addresses${family}`)
      }
    }
    for (const address of claims.ownAddresses) {
      const family = familyOf(address)
      visit(this.#family(family).own, address, 0, `own_addresses${family}`)
    }
  }

  #family(family: 4 | 6): FamilySets {
    return family === 4 ? this.v4 : this.v6
  }
}

function familySets(): FamilySets {
  return { destinations: new ClaimTable(), sources: new ClaimTable(), own: new ClaimTable() }
}

/** The set's key: address; then, unless 0, the protocol; then, unless 0, the port. */
function element(set: string, address: string, detail: number): ClaimElement {
  const ip = ipToBytes(address)
  const port = detail & 0xffff
  const key = new Uint8Array(ip.length + (detail === 0 ? 0 : port === 0 ? 4 : 8))
  key.set(ip)
  if (detail !== 0) key[ip.length] = detail >>> 16
  if (port !== 0) new DataView(key.buffer).setUint16(ip.length + 4, port)
  return { set, key }
}
