/**
 * Rules that give firewall marks, as words of the pool (dataplane/classify.ts has the picture), and back.
 */
import { familyOf, ipToWords, parsePrefix, wordsToIp, type IpWords } from '../base/ip.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import {
  hashDestination,
  MARK_HEADER_WORDS,
  MarkWord,
  RULE_WORDS,
  RuleWord,
} from '../dataplane/classify.ts'
import { MARK_PROBES_MAX } from '../dataplane/limits.ts'
import { pool } from '../dataplane/tables.ts'
import type { MarkRule } from './model.ts'

const PROTOCOLS = { tcp: Protocol.tcp, udp: Protocol.udp, sctp: Protocol.sctp } as const
const EVERY_PORT = [0, 0xffff] as const

interface WordPrefix {
  readonly family: 4 | 6
  readonly address: readonly number[]
  readonly mask: readonly number[]
}

/** A prefix that was checked, as words. */
function prefixOf(text: string): WordPrefix {
  const prefix = parsePrefix(text)!
  const family = familyOf(prefix.ip)
  const bits = family === 4 ? prefix.bits + 96 : prefix.bits
  return {
    family,
    address: ipToWords(prefix.ip),
    mask: [0, 32, 64, 96].map((first) => maskWord(bits - first)),
  }
}

function maskWord(bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0
}

const ANYWHERE: WordPrefix = { family: 4, address: [0, 0, 0, 0], mask: [0, 0, 0, 0] }

function ruleWords(rule: MarkRule): number[] {
  const source = rule.source === null ? undefined : prefixOf(rule.source)
  const destination = rule.destination === null ? undefined : prefixOf(rule.destination)
  const family = (source ?? destination)?.family ?? 0
  const protocol = rule.protocol === null ? 0 : PROTOCOLS[rule.protocol]
  const ports = ([first, last]: readonly [number, number]) => ((last << 16) | first) >>> 0
  const words = new Array<number>(RULE_WORDS).fill(0)
  words[RuleWord.kind] = (family << 8) | protocol
  words[RuleWord.mark] = rule.mark
  words[RuleWord.sourcePorts] = ports(rule.sourcePorts ?? EVERY_PORT)
  words[RuleWord.destinationPorts] = ports(rule.destinationPorts ?? EVERY_PORT)
  const put = (at: number, values: readonly number[]) =>
    values.forEach((v, i) => (words[at + i] = v))
  put(RuleWord.source, (source ?? ANYWHERE).address)
  put(RuleWord.sourceMask, (source ?? ANYWHERE).mask)
  put(RuleWord.destination, (destination ?? ANYWHERE).address)
  put(RuleWord.destinationMask, (destination ?? ANYWHERE).mask)
  return words
}

/** Does the rule name one destination, whole? Its address then. */
function soleDestination({ destination }: MarkRule): string | undefined {
  if (destination === null) return undefined
  const { ip, bits } = parsePrefix(destination)!
  return bits === (familyOf(ip) === 4 ? 32 : 128) ? ip : undefined
}

/** May a packet to this address have been meant? */
function mayBeTo(rule: MarkRule, address: string): boolean {
  const prefix = rule.destination ?? rule.source
  if (prefix !== null && familyOf(parsePrefix(prefix)!.ip) !== familyOf(address)) return false
  if (rule.destination === null) return true
  const { address: network, mask } = prefixOf(rule.destination)
  return ipToWords(address).every((word, i) => ((word ^ network[i]!) & mask[i]!) === 0)
}

/** All words of the stretch. */
export function compileMarks(rules: readonly MarkRule[], seed: number): Uint32Array {
  const destinations = [...new Set(rules.flatMap((rule) => soleDestination(rule) ?? []))]
  const lists = destinations.map((address) => ({
    words: ipToWords(address) as readonly number[],
    rules: [...rules.keys()].filter((i) => mayBeTo(rules[i]!, address)),
  }))
  lists.push({
    words: [0, 0, 0, 0],
    rules: [...rules.keys()].filter((i) => soleDestination(rules[i]!) === undefined),
  })
  for (let slots = 4; ; slots *= 2) {
    if (slots < 2 * destinations.length) continue
    const layout = layOut(rules.length, lists, slots)
    const places = placeLists(lists.slice(0, -1), slots, seed)
    if (places === undefined) continue
    const words = new Uint32Array(layout.words)
    words[MarkWord.words] = layout.words
    words[MarkWord.rules] = rules.length
    words[MarkWord.slotMask] = slots - 1
    words[MarkWord.otherList] = layout.lists.at(-1)!
    rules.forEach((rule, i) => words.set(ruleWords(rule), ruleOffset(i)))
    places.forEach((slot, i) => (words[layout.slots + slot] = layout.lists[i]!))
    lists.forEach((list, i) => {
      const offsets = list.rules.map(ruleOffset)
      words.set([...list.words, offsets.length, ...offsets], layout.lists[i])
    })
    return words
  }
}

interface List {
  readonly words: readonly number[]
  readonly rules: readonly number[]
}

function ruleOffset(i: number): number {
  return MARK_HEADER_WORDS + i * RULE_WORDS
}

function layOut(rules: number, lists: readonly List[], slots: number) {
  const slotsAt = ruleOffset(rules)
  let next = slotsAt + slots
  const offsets = lists.map((list) => {
    const at = next
    next += 5 + list.rules.length
    return at
  })
  return { slots: slotsAt, lists: offsets, words: next }
}

/** The slot of each list; undefined: one would stand further from its place than the packet path looks. */
function placeLists(lists: readonly List[], slots: number, seed: number): number[] | undefined {
  const taken = new Set<number>()
  const places: number[] = []
  for (const { words } of lists) {
    const [a, b, c, d] = words as [number, number, number, number]
    const hash = hashDestination(seed, a, b, c, d)
    let probe = 0
    while (taken.has(((hash + probe) & (slots - 1)) >>> 0)) probe++
    if (probe >= MARK_PROBES_MAX) return undefined
    const slot = ((hash + probe) & (slots - 1)) >>> 0
    taken.add(slot)
    places.push(slot)
  }
  return places
}

/** Words of the stretch at `offset`. */
export function markWords(offset: number): number {
  return wordAt(offset + MarkWord.words)
}

/** The rules of the stretch at `offset`, in their order. */
export function readMarkRules(offset: number): MarkRule[] {
  const count = wordAt(offset + MarkWord.rules)
  return Array.from({ length: count }, (_, i) => readRule(offset + ruleOffset(i)))
}

function readRule(at: number): MarkRule {
  const kind = wordAt(at + RuleWord.kind)
  const [protocol = null] =
    Object.entries(PROTOCOLS).find(([, number]) => number === (kind & 0xff)) ?? []
  const source = readPrefix(at + RuleWord.source, at + RuleWord.sourceMask)
  const destination = readPrefix(at + RuleWord.destination, at + RuleWord.destinationMask)
  const isIpv6 = kind >>> 8 === 6
  return {
    mark: wordAt(at + RuleWord.mark),
    protocol: protocol as MarkRule['protocol'],
    source,
    destination: destination ?? (isIpv6 && source === null ? '::/0' : null),
    sourcePorts: readPorts(at + RuleWord.sourcePorts),
    destinationPorts: readPorts(at + RuleWord.destinationPorts),
  }
}

/** null: of any address. */
function readPrefix(at: number, maskAt: number): string | null {
  const bits = [0, 1, 2, 3].reduce((sum, i) => sum + countBits(wordAt(maskAt + i)), 0)
  if (bits === 0) return null
  const words = [0, 1, 2, 3].map((i) => wordAt(at + i)) as unknown as IpWords
  const ip = wordsToIp(...words)
  return `${ip}/${familyOf(ip) === 4 ? bits - 96 : bits}`
}

/** Of a mask, whose ones come first. */
function countBits(mask: number): number {
  return Math.clz32(~mask >>> 0)
}

function readPorts(at: number): [number, number] | null {
  const ports = wordAt(at)
  const [first, last] = [ports & 0xffff, ports >>> 16]
  return first === EVERY_PORT[0] && last === EVERY_PORT[1] ? null : [first, last]
}

function wordAt(index: number): number {
  return pool.row(index).value
}
