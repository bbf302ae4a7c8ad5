/**
 * Firewall marks: which mark a packet has, by rules of our own, since we stand before netfilter.
 *
 * The rules lie in one stretch of the pool, written aside and switched by one word, `settings.marks` (0: there are
 * none):
 *
 *   marks + 0   words of all this        MarkWord
 *         + 1   rules
 *         + 2   slots - 1, a power of two less one
 *         + 3   where the list stands for every destination that has none of its own
 *         + 8   the rules, in their order, RULE_WORDS each
 *               slots: where the list of a destination stands, 0: free and the end of a probe
 *               lists: destination (4 words), how many rules, where each of them stands
 *
 * "Where" counts from `marks`. A destination that rules name whole has a list of its own, in which those stand that
 * name it and those whose prefix covers it: a packet to one of a hundred virtual addresses looks at the rules of that
 * one. The first rule that fits gives the mark.
 */
import { u32 } from '../subset/integers.ts'
import type { Flow } from './flow.ts'
import { hashAddress } from './hash.ts'
import { MARK_PROBES_MAX, MARK_RULES_MAX } from './limits.ts'
import { poolWord } from './pool.ts'

export const MARK_HEADER_WORDS = 8
export const MarkWord = { words: 0, rules: 1, slotMask: 2, otherList: 3 } as const

/** A rule's words; ports: the first in the low half, the last above. */
export const RuleWord = {
  /** Protocol and, 8 bits up, address family; 0: any. */
  kind: 0,
  mark: 1,
  sourcePorts: 2,
  destinationPorts: 3,
  source: 4,
  sourceMask: 8,
  destination: 12,
  destinationMask: 16,
} as const
export const RULE_WORDS = 20

/** The packet's mark by the rules at `marks`; 0: none. @apart */
export function markOf(flow: Flow, marks: u32, seed: u32): u32 {
  const list: u32 = u32(marks + findList(flow, marks, seed))
  const count: u32 = poolWord(u32(list + 4))
  for (let i: u32 = 0; i < MARK_RULES_MAX; i++) {
    if (i >= count) break
    const rule: u32 = u32(marks + poolWord(u32(list + 5 + i)))
    if (isMarkedBy(flow, rule)) return poolWord(u32(rule + RuleWord.mark))
  }
  return 0
}

function findList(flow: Flow, marks: u32, seed: u32): u32 {
  const mask: u32 = poolWord(u32(marks + MarkWord.slotMask))
  const rules: u32 = poolWord(u32(marks + MarkWord.rules))
  const slots: u32 = u32(marks + MARK_HEADER_WORDS + rules * RULE_WORDS)
  const hash: u32 = hashDestination(
    seed,
    flow.destination0,
    flow.destination1,
    flow.destination2,
    flow.destination3,
  )
  for (let i: u32 = 0; i < MARK_PROBES_MAX; i++) {
    const offset: u32 = poolWord(u32(slots + u32((hash + i) & mask)))
    if (offset === 0) break
    if (isListOf(flow, u32(marks + offset))) return offset
  }
  return poolWord(u32(marks + MarkWord.otherList))
}

function isListOf(flow: Flow, list: u32): boolean {
  return (
    poolWord(u32(list + 3)) === flow.destination3 &&
    poolWord(u32(list + 2)) === flow.destination2 &&
    poolWord(u32(list + 1)) === flow.destination1 &&
    poolWord(list) === flow.destination0
  )
}

/** Where the search for a destination's list begins; the control plane enters it by the same. */
export function hashDestination(
  seed: u32,
  address0: u32,
  address1: u32,
  address2: u32,
  address3: u32,
): u32 {
  return hashAddress(seed, address0, address1, address2, address3, 0)
}

function isMarkedBy(flow: Flow, rule: u32): boolean {
  const kind: u32 = poolWord(rule)
  const protocol: u32 = kind & 0xff
  const family: u32 = kind >>> 8
  // Of an ICMP error the flow is what it quotes, and no rule names ICMP.
  if (protocol !== 0 && (protocol !== flow.protocol || flow.icmpError !== 0)) return false
  if (family !== 0 && family !== flow.family) return false
  if (!isWithin(flow.destinationPort, poolWord(u32(rule + RuleWord.destinationPorts)))) return false
  if (!isWithin(flow.sourcePort, poolWord(u32(rule + RuleWord.sourcePorts)))) return false
  if (!covers(u32(rule + RuleWord.destination + 3), flow.destination3)) return false
  if (!covers(u32(rule + RuleWord.source + 3), flow.source3)) return false
  if (flow.family === 4) return true
  return (
    covers(u32(rule + RuleWord.destination), flow.destination0) &&
    covers(u32(rule + RuleWord.destination + 1), flow.destination1) &&
    covers(u32(rule + RuleWord.destination + 2), flow.destination2) &&
    covers(u32(rule + RuleWord.source), flow.source0) &&
    covers(u32(rule + RuleWord.source + 1), flow.source1) &&
    covers(u32(rule + RuleWord.source + 2), flow.source2)
  )
}

function isWithin(port: u32, ports: u32): boolean {
  return port >= (ports & 0xffff) && port <= ports >>> 16
}

/** Is the word that of the prefix at `at`, whose mask stands 4 words behind? */
function covers(at: u32, word: u32): boolean {
  return u32(u32(poolWord(at) ^ word) & poolWord(u32(at + 4))) === 0
}
