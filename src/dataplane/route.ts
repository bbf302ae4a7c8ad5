/**
 * Where to send next: longest prefix, then neighbour. No system call, no helper: both are tables of ours,
 * kept by the daemon from rtnetlink.
 *
 * The trie has a node of 256 branches for each byte of the address that still decides something:
 *
 *     node · 256 + byte ─►  0                    no route
 *                           CHILD | node         go on with the next byte
 *                           ON_LINK | interface  the destination itself is the neighbour
 *                           hop + 1              a gateway, blackhole, or the host itself: a row of `hops`
 *
 * A default route alone costs one step. Prefixes that end inside a byte are spread over its branches.
 */
import { u32 } from '../subset/integers.ts'
import type { Flow } from './flow.ts'
import { hashAddress } from './hash.ts'
import { NEIGHBOUR_PROBES_MAX } from './limits.ts'
import {
  hops,
  HopState,
  neighbourIndex,
  NONE,
  routeNodes,
  settings,
  type Connection,
  type Hop,
  type Server,
} from './tables.ts'

export const CHILD = 0x80000000
export const ON_LINK = 0x40000000
const VALUE = 0x3fffffff
const HOP_BITS = 0xfffff

const branchAt = routeNodes.cursor()
const settingsAt = settings.cursor()
const slotAt = neighbourIndex.cursor()
const hopAt = hops.cursor()
const cachedHopAt = hops.cursor()
const serverSettingsAt = settings.cursor()
const clientSettingsAt = settings.cursor()

/**
 * Looks an address up. Row of the hop, or NONE: then `flow.egress` and `flow.next…` name the neighbour to
 * resolve, unless `flow.egress` is 0: no route at all.
 *
 * @apart
 */
export function findHop(
  flow: Flow,
  address0: u32,
  address1: u32,
  address2: u32,
  address3: u32,
): u32 {
  flow.egress = 0
  const isV4: boolean = address0 === 0 && address1 === 0 && address2 === 0xffff
  const common = settingsAt.at(0)
  if (common === null) return NONE
  const root: u32 = isV4 ? common.routes4 : common.routes6
  if (root === 0) return NONE
  const found: u32 = walk(u32(root - 1), isV4, address0, address1, address2, address3)
  if (found === 0) return NONE
  flow.next0 = address0
  flow.next1 = address1
  flow.next2 = address2
  flow.next3 = address3
  if ((found & ON_LINK) !== 0) {
    flow.egress = found & VALUE
    return findNeighbour(
      common.hashSeed,
      common.neighbourMask,
      found & VALUE,
      address0,
      address1,
      address2,
      address3,
    )
  }
  const row: u32 = u32((found & VALUE) - 1)
  const hop = hopAt.at(row)
  if (hop === null || hop.state === HopState.unreachable) return NONE
  flow.egress = hop.interface
  flow.next0 = hop.address0
  flow.next1 = hop.address1
  flow.next2 = hop.address2
  flow.next3 = hop.address3
  return row
}

/** The trie's answer for an address; 0: none. */
function walk(
  root: u32,
  isV4: boolean,
  address0: u32,
  address1: u32,
  address2: u32,
  address3: u32,
): u32 {
  let node: u32 = root
  for (let i: u32 = 0; i < 16; i++) {
    let word: u32 = address3
    if (!isV4) {
      if (i < 4) word = address0
      else if (i < 8) word = address1
      else if (i < 12) word = address2
    }
    const byte: u32 = (word >>> (24 - (i & 3) * 8)) & 0xff
    const branch = branchAt.at(u32(node * 256 + byte))
    if (branch === null) return 0
    const value: u32 = branch.value
    if (u32(value & CHILD) === 0) return value
    node = value & VALUE
  }
  return 0
}

/** The row of `hops` for the neighbour itself on interface `link`, or NONE. */
export function findNeighbour(
  seed: u32,
  mask: u32,
  link: u32,
  address0: u32,
  address1: u32,
  address2: u32,
  address3: u32,
): u32 {
  const hash: u32 = hashAddress(seed, address0, address1, address2, address3, link)
  for (let i: u32 = 0; i < NEIGHBOUR_PROBES_MAX; i++) {
    const slot = slotAt.at(u32((hash + i) & mask))
    if (slot === null || slot.hop === 0) return NONE
    if (slot.hop === NONE) continue // was removed; the probe goes on
    const hop = hopAtSlot(u32(slot.hop - 1), link, address0, address1, address2, address3)
    if (hop !== NONE) return hop
  }
  return NONE
}

const neighbourAt = hops.cursor()

function hopAtSlot(
  row: u32,
  link: u32,
  address0: u32,
  address1: u32,
  address2: u32,
  address3: u32,
): u32 {
  const hop = neighbourAt.at(row)
  if (hop === null) return NONE
  const isIt: boolean =
    hop.address3 === address3 &&
    hop.interface === link &&
    hop.address2 === address2 &&
    hop.address1 === address1 &&
    hop.address0 === address0
  return isIt ? row : NONE
}

/** The hop to a real server, cached in its row. As `findHop`. */
export function hopToServer(flow: Flow, server: Server): u32 {
  const common = serverSettingsAt.at(0)
  if (common === null) return NONE
  if (!isCached(server.hop, common.routeGeneration)) {
    const row: u32 = findHop(
      flow,
      server.address0,
      server.address1,
      server.address2,
      server.address3,
    )
    server.hop = toCache(row, common.routeGeneration)
  }
  return fromCache(flow, server.hop)
}

/** The hop to a connection's client, cached in its line. As `findHop`. */
export function hopToClient(flow: Flow, line: Connection): u32 {
  const common = clientSettingsAt.at(0)
  if (common === null) return NONE
  if (!isCached(line.clientHop, common.routeGeneration)) {
    const row: u32 = findHop(flow, line.client0, line.client1, line.client2, line.client3)
    line.clientHop = toCache(row, common.routeGeneration)
  }
  return fromCache(flow, line.clientHop)
}

function isCached(cached: u32, generation: u32): boolean {
  return (cached & HOP_BITS) !== 0 && cached >>> 20 === generation
}

/** The row of `hops` that is cached there, or NONE; of another generation: no row at all. */
export function cachedHop(cached: u32, generation: u32): u32 {
  return cached >>> 20 === generation ? u32((cached & HOP_BITS) - 1) : NONE
}

/** The row, its interface into `flow`; NONE where `findHop` has just found none, and said so itself. */
function fromCache(flow: Flow, cached: u32): u32 {
  if ((cached & HOP_BITS) === 0) return NONE
  const row: u32 = u32((cached & HOP_BITS) - 1)
  const hop = cachedHopAt.at(row)
  if (hop === null) return NONE
  flow.egress = hop.interface
  return row
}

function toCache(row: u32, generation: u32): u32 {
  return row === NONE ? 0 : u32((row + 1) | (generation << 20))
}

/** Does a frame given to this hop arrive? */
export function isResolved(hop: Hop): boolean {
  return hop.state === HopState.resolved
}
