/**
 * Tables of routes, one after the other: the trie says of each address what looking through all prefixes says, and the
 * one before goes on to say what it said.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '../../base/random.ts'
import { CHILD } from '../../dataplane/route.ts'
import { routeNodes, settings, TABLES } from '../../dataplane/tables.ts'
import { allocateTables } from '../../subset/table.ts'
import { initTables } from '../init.ts'
import { buildTrie, switchToTrie, type Leaf, type TrieRoots } from './route-trie.ts'

const SEED = 20250102
const BRANCHES = 256

function makeTables(nodes: number): void {
  allocateTables(TABLES, { routeNodes: nodes * BRANCHES }).use()
  initTables({ hashSeed: 1 })
}

/** As the packet path walks it (dataplane/route.ts). */
function lookUp(root: number, address: Uint8Array): number {
  if (root === 0) return 0
  let node = root - 1
  for (const byte of address) {
    const { value } = routeNodes.row(node * BRANCHES + byte)
    if ((value & CHILD) === 0) return value
    node = value & ~CHILD
  }
  return assert.fail('an address ends before the trie does')
}

function isWithin(address: Uint8Array, { bytes, bits }: Leaf): boolean {
  for (let bit = 0; bit < bits; bit++) {
    const mask = 0x80 >> (bit & 7)
    if (((address[bit >> 3]! ^ bytes[bit >> 3]!) & mask) !== 0) return false
  }
  return true
}

function longestOf(leaves: readonly Leaf[], address: Uint8Array): number {
  const holding = leaves.filter((leaf) => leaf.bytes.length === address.length)
  const found = holding.filter((leaf) => isWithin(address, leaf)).sort((a, b) => b.bits - a.bits)
  return found[0]?.value ?? 0
}

/** Prefixes near each other, so that they nest and share nodes; each once. */
function randomLeaves(random: Random, count: number): Leaf[] {
  const leaves = new Map<string, Leaf>()
  for (let i = 0; i < count; i++) {
    const bytes = randomAddress(random)
    const bits = random.oneIn(12) ? 0 : random.below(bytes.length * 8 + 1)
    for (let bit = bits; bit < bytes.length * 8; bit++) bytes[bit >> 3]! &= ~(0x80 >> (bit & 7))
    leaves.set(`${bytes.join()}/${bits}`, { bytes, bits, value: 1 + random.below(5) })
  }
  return [...leaves.values()]
}

function randomAddress(random: Random): Uint8Array {
  const length = random.oneIn(2) ? 4 : 16
  return Uint8Array.from({ length }, () => random.pick([0, 1, 0x7f, 0x80, 0xff]))
}

/** Half of the addresses are some prefix's first or last. */
function addressesNear(random: Random, leaves: readonly Leaf[]): Uint8Array[] {
  return Array.from({ length: 60 }, () => {
    if (leaves.length === 0 || random.oneIn(2)) return randomAddress(random)
    const { bytes, bits } = random.pick(leaves)
    const address = bytes.slice()
    if (random.oneIn(2)) return address
    for (let bit = bits; bit < bytes.length * 8; bit++) address[bit >> 3]! |= 0x80 >> (bit & 7)
    return address
  })
}

function assertSays(roots: TrieRoots, leaves: readonly Leaf[], addresses: Uint8Array[]): void {
  for (const address of addresses) {
    const root = address.length === 4 ? roots.routes4 : roots.routes6
    assert.equal(lookUp(root, address), longestOf(leaves, address), address.join('.'))
  }
}

describe(`the routing trie, seed ${SEED}`, () => {
  it('says what the longest prefix says, through hundreds of tables in the same nodes', () => {
    const random = new Random(SEED)
    makeTables(600)
    let before: { roots: TrieRoots; leaves: Leaf[] } | undefined
    let refused = 0
    for (let round = 0; round < 400; round++) {
      const leaves = randomLeaves(random, random.pick([0, 1, 5, 20, 60]))
      const roots = buildTrie(leaves)
      if (roots === undefined) {
        refused++
        continue
      }
      const addresses = addressesNear(random, leaves)
      // A packet that began before the switch is still on its way through the old one.
      if (before !== undefined) assertSays(before.roots, before.leaves, addresses)
      switchToTrie(roots)
      assertSays(roots, leaves, addresses)
      if (before !== undefined) assertSays(before.roots, before.leaves, addresses)
      before = { roots, leaves }
    }
    assert.ok(refused < 40, `${refused} tables did not fit`)
  })

  it('refuses what needs more than half of the nodes, and goes on with what was', () => {
    makeTables(8)
    const few = [leaf([10], 8, 1), leaf([10, 1, 2], 24, 2)]
    const roots = buildTrie(few)!
    assert.equal(switchToTrie(roots), true)
    const many = [1, 2, 3, 4, 5, 6, 7].map((byte) => leaf([byte, byte, byte, byte], 32, byte))
    assert.equal(buildTrie(many), undefined)
    assertSays(roots, few, [Uint8Array.of(10, 1, 2, 3), Uint8Array.of(10, 1, 3, 3)])
    assert.equal(switchToTrie(buildTrie(few)!), false, 'the same routes are the same trie')
  })

  it('needs no node for what its parent says already, and one for what is equal', () => {
    makeTables(6)
    const redundant = Array.from({ length: 256 }, (_, byte) => leaf([10, byte], 16, 7))
    const roots = buildTrie([leaf([], 0, 7), ...redundant])!
    assert.equal(lookUp(roots.routes4, Uint8Array.of(10, 3, 2, 1)), 7)
    assert.equal(routeNodes.row((roots.routes4 - 1) * BRANCHES + 10).value, 7)
    switchToTrie(roots)
    // 200 networks that look alike inside: a root, and one node for all of them.
    const alike = Array.from({ length: 200 }, (_, byte) => leaf([byte, 9], 16, 3))
    assert.ok(buildTrie(alike))
    switchToTrie(buildTrie([])!)
    const { routes4, routes6 } = settings.row(0)
    assert.deepEqual([routes4, routes6], [0, 0])
  })
})

function leaf(first: readonly number[], bits: number, value: number): Leaf {
  const bytes = new Uint8Array(4)
  bytes.set(first)
  return { bytes, bits, value }
}
