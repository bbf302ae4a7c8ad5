/**
 * The rules that give firewall marks, in their order: written into the pool for the packet path
 * (dataplane/classify.ts).
 *
 * All rules change at once: the new ones are written aside, then `settings.marks` is switched by one word. The packet
 * path's destinations of requests (roles) and what is taken from the host's stack (claims) grow before and shrink
 * after that.
 */
import { familyOf, formatPrefix, ipToWords, parsePrefix, wordsToIp } from '../base/ip.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { MARK_RULES_MAX } from '../dataplane/limits.ts'
import { pool, Role, settings } from '../dataplane/tables.ts'
import type { AddressRoles } from './address-roles.ts'
import { refuse } from './check.ts'
import { claimedPorts, type ClaimLog, type Endpoint, type NetworkClaim } from './claim-log.ts'
import { CARRIERS } from './endpoints.ts'
import { compileMarks, markWords, readMarkRules } from './mark-words.ts'
import type { MarkRule, Refusal } from './model.ts'
import type { PoolAllocator, Stretch } from './pool-allocator.ts'

const PROTOCOLS = { tcp: Protocol.tcp, udp: Protocol.udp, sctp: Protocol.sctp } as const
const EVERY_PORT = [0, 0xffff] as const
/** Addresses of a prefix that are named one by one; a wider one is "anywhere". */
const ADDRESSES_MAX = 256

export class Marks {
  readonly #pool: PoolAllocator
  readonly #roles: AddressRoles
  readonly #claims: ClaimLog
  #rules: readonly MarkRule[] = []

  constructor(pool: PoolAllocator, roles: AddressRoles, claims: ClaimLog) {
    this.#pool = pool
    this.#roles = roles
    this.#claims = claims
  }

  /** Where the rules of the tables in use stand. */
  static stretches(): Stretch[] {
    const { marks } = settings.row(0)
    return marks === 0 ? [] : [{ offset: marks, words: markWords(marks) }]
  }

  /** With the rules of the tables in use. */
  static adopt(pool: PoolAllocator, roles: AddressRoles, claims: ClaimLog): Marks {
    const adopted = new Marks(pool, roles, claims)
    const { marks } = settings.row(0)
    if (marks !== 0) adopted.#rules = readMarkRules(marks)
    for (const rule of adopted.#rules) adopted.#announce(rule)
    return adopted
  }

  /** In their order: the first that fits gives the mark. */
  get rules(): readonly MarkRule[] {
    return this.#rules
  }

  /** Puts these in the place of all there are. */
  set(asked: readonly MarkRule[]): Refusal | null {
    const refusal = checkMarkRules(asked)
    if (refusal !== undefined) return refusal
    const rules = asked.map(canonical)
    const words = rules.length === 0 ? undefined : compileMarks(rules, settings.row(0).hashSeed)
    const offset = words === undefined ? 0 : this.#pool.take(words.length)
    if (offset === undefined) return refuse('ENOSPC', 'the pool has no room for the rules')
    words?.forEach((word, i) => (pool.row(offset + i).value = word))
    for (const rule of rules) this.#announce(rule)
    const common = settings.row(0)
    const old = common.marks
    common.marks = offset
    if (old !== 0) this.#pool.retire(old, markWords(old))
    for (const rule of this.#rules) this.#withdraw(rule)
    this.#rules = rules
    return null
  }

  /** Puts these before the rule that is number `at` now, counted from 1; behind all without it. */
  add(rules: readonly MarkRule[], at = this.#rules.length + 1): Refusal | null {
    if (at > this.#rules.length + 1) {
      return refuse(
        'EINVAL',
        `there are ${this.#rules.length} rules that mark, none is number ${at}`,
      )
    }
    return this.set([...this.#rules.slice(0, at - 1), ...rules, ...this.#rules.slice(at - 1)])
  }

  /** Takes out the first that says the same. */
  remove(rule: MarkRule): Refusal | null {
    const refusal = checkMarkRules([rule])
    if (refusal !== undefined) return refusal
    const sought = JSON.stringify(canonical(rule))
    const found = this.#rules.findIndex((one) => JSON.stringify(one) === sought)
    if (found < 0) return refuse('ESRCH', 'no rule that marks says this')
    return this.set(this.#rules.filter((_, i) => i !== found))
  }

  /** Packets to the rule's destinations are looked at, and taken from the host. */
  #announce(rule: MarkRule): void {
    const addresses = addressesOf(rule)
    if (addresses === undefined) this.#roles.addEverywhere(Role.marked)
    else for (const address of addresses) this.#roles.add(address, Role.marked)
    const { destinations, networks } = claimsOf(rule, addresses)
    for (const claim of destinations) this.#claims.claim('destinations', claim)
    for (const claim of networks) this.#claims.claim('networks', claim)
  }

  #withdraw(rule: MarkRule): void {
    const addresses = addressesOf(rule)
    if (addresses === undefined) this.#roles.removeEverywhere(Role.marked)
    else for (const address of addresses) this.#roles.remove(address, Role.marked)
    const { destinations, networks } = claimsOf(rule, addresses)
    for (const claim of destinations) this.#claims.release('destinations', claim)
    for (const claim of networks) this.#claims.release('networks', claim)
  }
}

/** Undefined: fine. The message names the rule, counted from 1. */
function checkMarkRules(rules: readonly MarkRule[]): Refusal | undefined {
  if (rules.length > MARK_RULES_MAX) {
    return refuse(
      'ENOSPC',
      `there may be ${MARK_RULES_MAX} rules that mark; these are ${rules.length}`,
    )
  }
  for (const [i, rule] of rules.entries()) {
    const problem = problemOf(rule)
    if (problem !== undefined) return refuse('EINVAL', `rule ${i + 1} that marks: ${problem}`)
  }
  return undefined
}

function problemOf(rule: MarkRule): string | undefined {
  const { mark, source, destination } = rule
  if (mark < 1 || mark > 0xffffffff) return `a mark is a number from 1 to ${0xffffffff}`
  for (const text of [source, destination]) {
    if (text !== null && parsePrefix(text) === undefined) return `${text} is no prefix`
  }
  if (
    source !== null &&
    destination !== null &&
    familyOfPrefix(source) !== familyOfPrefix(destination)
  )
    return `${source} and ${destination} are of different address families`
  for (const ports of [rule.sourcePorts, rule.destinationPorts]) {
    if (ports === null) continue
    const [first, last] = ports
    if (first > last) return `ports ${first}-${last} end before they begin`
  }
  return undefined
}

/** As it reads when it comes back out of the tables. */
function canonical(rule: MarkRule): MarkRule {
  const text = (prefix: string | null) => prefix && formatPrefix(parsePrefix(prefix)!)
  const ports = (range: MarkRule['sourcePorts']) =>
    range?.join() === EVERY_PORT.join() ? null : range
  let [source, destination] = [text(rule.source), text(rule.destination)]
  // Of what family a rule is one prefix says.
  if (source === '::/0') [source, destination] = [null, destination ?? source]
  else if (destination === '::/0' && source !== null) destination = null
  return {
    mark: rule.mark,
    protocol: rule.protocol,
    source,
    destination,
    sourcePorts: ports(rule.sourcePorts),
    destinationPorts: ports(rule.destinationPorts),
  }
}

/** The destinations of a rule; undefined: too many to name. */
function addressesOf({ destination }: MarkRule): string[] | undefined {
  if (destination === null) return undefined
  const { ip, bits } = parsePrefix(destination)!
  const count = 2 ** ((familyOf(ip) === 4 ? 32 : 128) - bits)
  if (count > ADDRESSES_MAX) return undefined
  const [a, b, c, d] = ipToWords(ip)
  return Array.from({ length: count }, (_, i) => wordsToIp(a, b, c, d + i))
}

/** What must not reach the host's own stack: endpoints of the destinations that can be named, else networks. */
function claimsOf(rule: MarkRule, addresses: readonly string[] | undefined) {
  const protocols = rule.protocol === null ? CARRIERS : [PROTOCOLS[rule.protocol]]
  const [firstPort, lastPort] = rule.destinationPorts ?? EVERY_PORT
  if (addresses !== undefined) {
    const ports = claimedPorts(firstPort, lastPort)
    const destinations = addresses.flatMap((address) =>
      protocols.flatMap((protocol) => ports.map((port): Endpoint => ({ address, protocol, port }))),
    )
    return { destinations, networks: [] }
  }
  const families = rule.source === null ? ['0.0.0.0/0', '::/0'] : [everywhereOf(rule.source)]
  const prefixes = rule.destination === null ? families : [rule.destination]
  const networks = prefixes.flatMap((prefix) =>
    protocols.map((protocol): NetworkClaim => ({ prefix, protocol, firstPort, lastPort })),
  )
  return { destinations: [], networks }
}

function everywhereOf(prefix: string): string {
  return familyOfPrefix(prefix) === 4 ? '0.0.0.0/0' : '::/0'
}

function familyOfPrefix(prefix: string): 4 | 6 {
  return familyOf(parsePrefix(prefix)!.ip)
}
