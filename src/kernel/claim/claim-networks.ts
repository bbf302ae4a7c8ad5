/**
 * What the claim takes that goes to whole networks: rules that give firewall marks may name so many addresses that sets
 * of them would not do. This process's copy; the nftables rules are claim-network-rules.ts's.
 *
 * There are few (MARK_RULES_MAX), and none unless somebody marks: they are tried one after the other.
 */
import { assert } from '../../base/assert.ts'
import { familyOf, ipToWords, parsePrefix } from '../../base/ip.ts'

export interface ClaimNetwork {
  /** '10.0.0.0/8', '::/0'. */
  readonly prefix: string
  readonly protocol: number
  readonly firstPort: number
  readonly lastPort: number
}

/** A network as it is compared with. */
export interface NetworkMatch {
  readonly words: readonly number[]
  readonly masks: readonly number[]
  readonly protocol: number
  readonly firstPort: number
  readonly lastPort: number
}

/** Are all ports meant? Then a packet need not have one. */
export function isEveryPort({ firstPort, lastPort }: NetworkMatch): boolean {
  return firstPort === 0 && lastPort === 0xffff
}

export class ClaimNetworks {
  /** By what they say, and how often they were added. */
  readonly #counted = new Map<string, { match: NetworkMatch; count: number }>()
  #matches: readonly NetworkMatch[] = []

  /** Each once. */
  get matches(): readonly NetworkMatch[] {
    return this.#matches
  }

  add(network: ClaimNetwork): void {
    const key = keyOf(network)
    const counted = this.#counted.get(key)
    if (counted !== undefined) counted.count++
    else this.#counted.set(key, { match: matchOf(network), count: 1 })
    this.#list()
  }

  remove(network: ClaimNetwork): void {
    const counted = this.#counted.get(keyOf(network))
    assert(counted !== undefined, `${keyOf(network)} was not claimed`)
    if (--counted.count === 0) this.#counted.delete(keyOf(network))
    this.#list()
  }

  #list(): void {
    this.#matches = [...this.#counted.values()].map(({ match }) => match)
  }

  /** Is the address in one of the networks? */
  hasAddress(w0: number, w1: number, w2: number, w3: number): boolean {
    for (const match of this.#matches) if (isIn(match, w0, w1, w2, w3)) return true
    return false
  }

  /** Is it, for that protocol, and the port that stands at `portAt`, if `left` ≥ 2 bytes are there? */
  has(
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    protocol: number,
    bytes: DataView,
    portAt: number,
    left: number,
  ): boolean {
    for (const match of this.#matches) {
      if (match.protocol !== protocol || !isIn(match, w0, w1, w2, w3)) continue
      if (isEveryPort(match)) return true
      if (left < 2) continue
      const port = bytes.getUint16(portAt)
      if (match.firstPort <= port && port <= match.lastPort) return true
    }
    return false
  }
}

function isIn(
  { words, masks }: NetworkMatch,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): boolean {
  return (
    ((w3 ^ words[3]!) & masks[3]!) === 0 &&
    ((w0 ^ words[0]!) & masks[0]!) === 0 &&
    ((w1 ^ words[1]!) & masks[1]!) === 0 &&
    ((w2 ^ words[2]!) & masks[2]!) === 0
  )
}

/** Of which family a network is. */
export function familyOfNetwork({ prefix }: ClaimNetwork): 4 | 6 {
  return familyOf(parsePrefix(prefix)!.ip)
}

function keyOf({ prefix, protocol, firstPort, lastPort }: ClaimNetwork): string {
  return `${prefix} ${protocol} ${firstPort}-${lastPort}`
}

function matchOf(network: ClaimNetwork): NetworkMatch {
  const { prefix, protocol, firstPort, lastPort } = network
  assert(protocol > 0 && protocol < 256 && firstPort <= lastPort, keyOf(network))
  const { ip, bits } = parsePrefix(prefix)!
  // IPv4 is the last word of four.
  const all = familyOf(ip) === 4 ? 96 + bits : bits
  const masks = [0, 32, 64, 96].map((first) => {
    const left = Math.max(0, Math.min(32, all - first))
    return left === 0 ? 0 : (0xffffffff << (32 - left)) >>> 0
  })
  const words = ipToWords(ip).map((word, i) => (word & masks[i]!) >>> 0)
  return { words, masks, protocol, firstPort, lastPort }
}
