/**
 * Writes the routing trie that dataplane/route.ts walks: built aside in nodes nobody reads, then switched to by one
 * word for each family.
 *
 *     settings.routes4 ─► node ─┬─ value            what the longest prefix says, for each of 256 bytes
 *                               └─ CHILD | node ─► node …
 *
 * A node whose branches all say the same is not written: its value stands in its parent. Nodes with equal contents
 * are one node, also with those of the trie before: a change of one route costs a few nodes, and a table of many
 * routes through few gateways stays small. A trie may have half of all nodes, so that there is always room for the
 * next one beside it, whatever it holds.
 *
 * Nothing is kept between two writings: which nodes are in use is read from the trie itself, so a daemon may go on
 * with tables that another left. The nodes of the trie before stay as they are until the writing after this one,
 * thousands of times longer than a packet takes.
 */
import { assert } from '../../base/assert.ts'
import { CHILD } from '../../dataplane/route.ts'
import { routeNodes, settings } from '../../dataplane/tables.ts'

/** One prefix and what the trie says for it; 0 is "no route". */
export interface Leaf {
  /** 4 or 16, by family, network order; bits behind the prefix are zero. */
  readonly bytes: Uint8Array
  readonly bits: number
  readonly value: number
}

const BRANCHES = 256
const NODE_BITS = 0x3fffffff
const FREE = 0
const OLD = 1
const NEW = 2
/** An address has at most this many bytes. */
const DEPTH_MAX = 16

/** Words for settings.routes4 and routes6. */
export interface TrieRoots {
  readonly routes4: number
  readonly routes6: number
}

/**
 * Writes, aside, a trie of these and no other prefixes, each given at most once. What `leaves` says of a prefix wins
 * over what shorter ones say. Undefined: they need more than half of the nodes there are. What an earlier call wrote
 * and nobody switched to is lost.
 */
export function buildTrie(leaves: readonly Leaf[]): TrieRoots | undefined {
  const builder = new TrieBuilder()
  const routes4 = builder.build(leaves.filter(({ bytes }) => bytes.length === 4))
  const routes6 = builder.build(leaves.filter(({ bytes }) => bytes.length === 16))
  return routes4 === undefined || routes6 === undefined ? undefined : { routes4, routes6 }
}

/** From here on the packet path uses what `buildTrie` has just built. False: it does so already. */
export function switchToTrie({ routes4, routes6 }: TrieRoots): boolean {
  const common = settings.row(0)
  if (common.routes4 === routes4 && common.routes6 === routes6) return false
  common.routes4 = routes4
  common.routes6 = routes6
  return true
}

class TrieBuilder {
  /** The table's words. Tables are little-endian, as is every machine this runs on. */
  readonly #words: Uint32Array
  /** FREE, or who needs the node: the trie that is being built, or else only the one in use. */
  readonly #users: Uint8Array
  #left: number
  readonly #byHash = new Map<number, number[]>()
  /** One node in the making for each byte of an address. */
  readonly #scratch = Array.from({ length: DEPTH_MAX }, () => new Uint32Array(BRANCHES))
  #next = 0

  constructor() {
    const { bytes, base, capacity } = routeNodes.memory
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset + base, capacity)
    this.#users = new Uint8Array(Math.floor(capacity / BRANCHES))
    this.#left = this.#users.length >> 1
    const { routes4, routes6 } = settings.row(0)
    for (const root of [routes4, routes6]) if (root !== 0) this.#adopt(root - 1)
  }

  /** A node of the trie in use, and those below it. */
  #adopt(node: number): void {
    if (node >= this.#users.length || this.#users[node] !== FREE) return
    this.#users[node] = OLD
    const contents = this.#contentsOf(node)
    this.#remember(hashNode(contents), node)
    for (const value of contents) if ((value & CHILD) !== 0) this.#adopt(value & NODE_BITS)
  }

  #contentsOf(node: number): Uint32Array {
    return this.#words.subarray(node * BRANCHES, (node + 1) * BRANCHES)
  }

  #remember(hash: number, node: number): void {
    const same = this.#byHash.get(hash)
    if (same === undefined) this.#byHash.set(hash, [node])
    else same.push(node)
  }

  /** The root plus one, 0 for no prefixes at all; undefined: out of nodes. */
  build(leaves: readonly Leaf[]): number | undefined {
    if (leaves.length === 0) return 0
    const sorted = [...leaves].sort(compareLeaves)
    const branches = this.#fill(sorted, 0, sorted.length, 0, 0)
    const root = branches === undefined ? undefined : this.#intern(branches)
    return root === undefined ? undefined : root + 1
  }

  /**
   * The branches of the node for byte `depth`, out of leaves `first` … `end` - 1, which agree in all bytes before
   * it; `inherited` is what holds where none of them says anything.
   */
  #fill(
    leaves: readonly Leaf[],
    first: number,
    end: number,
    depth: number,
    inherited: number,
  ): Uint32Array | undefined {
    const branches = this.#scratch[depth]!.fill(inherited)
    const lastBit = 8 * (depth + 1)
    // A prefix stands before those within it, so the longer one is painted over the shorter.
    for (let i = first; i < end; i++) {
      const { bytes, bits, value } = leaves[i]!
      if (bits > lastBit) continue
      const from = bytes[depth]!
      branches.fill(value, from, from + 2 ** (lastBit - bits))
    }
    for (let i = first; i < end;) {
      const leaf = leaves[i]!
      if (leaf.bits <= lastBit) {
        i++
        continue
      }
      const byte = leaf.bytes[depth]!
      let after = i + 1
      while (after < end && leaves[after]!.bytes[depth] === byte) after++
      const value = this.#descend(leaves, i, after, depth + 1, branches[byte]!)
      if (value === undefined) return undefined
      branches[byte] = value
      i = after
    }
    return branches
  }

  /** What stands in the parent for these leaves: a child, or the one value they agree on. */
  #descend(
    leaves: readonly Leaf[],
    first: number,
    end: number,
    depth: number,
    inherited: number,
  ): number | undefined {
    const branches = this.#fill(leaves, first, end, depth, inherited)
    if (branches === undefined) return undefined
    const value = branches[0]!
    if ((value & CHILD) === 0 && branches.every((other) => other === value)) return value
    const node = this.#intern(branches)
    return node === undefined ? undefined : (CHILD | node) >>> 0
  }

  /** A node with these contents: one that is there, or a free one. */
  #intern(branches: Uint32Array): number | undefined {
    const hash = hashNode(branches)
    const isSame = (node: number) => {
      const contents = this.#contentsOf(node)
      return branches.every((value, i) => value === contents[i])
    }
    const found = this.#byHash.get(hash)?.find(isSame)
    if (found !== undefined && this.#users[found] === NEW) return found
    if (this.#left === 0) return undefined
    this.#left--
    const node = found ?? this.#writeNode(branches, hash)
    this.#users[node] = NEW
    return node
  }

  #writeNode(branches: Uint32Array, hash: number): number {
    // Old and new trie have at most half of the nodes each.
    while (this.#users[this.#next] === OLD || this.#users[this.#next] === NEW) this.#next++
    assert(this.#next < this.#users.length, 'a trie took more than its half of the nodes')
    this.#contentsOf(this.#next).set(branches)
    this.#remember(hash, this.#next)
    return this.#next
  }
}

/** By address, a prefix before the longer ones that begin like it. */
function compareLeaves(a: Leaf, b: Leaf): number {
  for (let i = 0; i < a.bytes.length; i++) {
    const difference = a.bytes[i]! - b.bytes[i]!
    if (difference !== 0) return difference
  }
  return a.bits - b.bits
}

/** FNV-1a over words. */
function hashNode(branches: Uint32Array): number {
  let hash = 0x811c9dc5
  for (const word of branches) hash = Math.imul(hash ^ word, 0x01000193)
  return hash
}
