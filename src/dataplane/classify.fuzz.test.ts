/**
 * Marks by random rules against the plain reading of the rules, first to last (FUZZ_SEED, FUZZ_RULES).
 */
import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import { familyOf, ipToWords, maskIp, parsePrefix, prefixContains } from '../base/ip.ts'
import { Random } from '../base/random.ts'
import type { MarkRule } from '../director/model.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { markOf } from './classify.ts'
import { Flow } from './flow.ts'
import { MARK_RULES_MAX } from './limits.ts'
import { rolesOf } from './service.ts'
import { Role, settings } from './tables.ts'

const SEED = Number(process.env.FUZZ_SEED ?? 20_250_110)
const ROUNDS = Number(process.env.FUZZ_RULES ?? 60)
const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const
const flow = Flow.local()

interface Sent {
  readonly protocol: (typeof PROTOCOLS)[number]
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly destinationPort: number
}

function markedBy(sent: Sent): number {
  ;[flow.source0, flow.source1, flow.source2, flow.source3] = ipToWords(sent.source)
  const words = ipToWords(sent.destination)
  ;[flow.destination0, flow.destination1, flow.destination2, flow.destination3] = words
  flow.sourcePort = sent.sourcePort
  flow.destinationPort = sent.destinationPort
  flow.protocol = Protocol[sent.protocol]
  flow.family = familyOf(sent.destination)
  const { marks, hashSeed } = settings.row(0)
  if (marks === 0 || (rolesOf(...words) & Role.marked) === 0) return 0
  return markOf(flow, marks, hashSeed)
}

function wantedMark(rules: readonly MarkRule[], sent: Sent): number {
  const isIn = (prefix: string | null, ip: string) =>
    prefix === null || prefixContains(parsePrefix(prefix)!, ip)
  const isBetween = (ports: readonly [number, number] | null, port: number) =>
    ports === null || (port >= ports[0] && port <= ports[1])
  const fitting = rules.find(
    (rule) =>
      (rule.protocol ?? sent.protocol) === sent.protocol &&
      isIn(rule.source, sent.source) &&
      isIn(rule.destination, sent.destination) &&
      isBetween(rule.sourcePorts, sent.sourcePort) &&
      isBetween(rule.destinationPorts, sent.destinationPort),
  )
  return fitting?.mark ?? 0
}

/** Few of each kind, so that many a rule fits. */
function randomAddress(random: Random, family: 4 | 6): string {
  const low = random.below(4)
  return family === 4 ? `10.${random.below(2)}.0.${low}` : `2001:db8:${random.below(2)}::${low}`
}

function randomPrefix(random: Random, family: 4 | 6): string | null {
  if (random.oneIn(3)) return null
  const bits = random.pick(
    family === 4 ? [0, 8, 16, 30, 31, 32, 32, 32] : [0, 32, 48, 127, 128, 128],
  )
  return `${maskIp(randomAddress(random, family), bits)}/${bits}`
}

function randomPorts(random: Random): [number, number] | null {
  if (random.oneIn(2)) return null
  const first = random.below(6)
  return [first, first + random.below(4)]
}

function randomRule(random: Random): MarkRule {
  const family = random.pick([4, 6] as const)
  return {
    mark: 1 + random.below(5),
    protocol: random.pick([null, ...PROTOCOLS]),
    source: randomPrefix(random, family),
    destination: randomPrefix(random, family),
    sourcePorts: random.oneIn(3) ? randomPorts(random) : null,
    destinationPorts: randomPorts(random),
  }
}

test(`each packet gets the mark of the first rule that fits (seed ${SEED})`, () => {
  const random = new Random(SEED)
  const lab = new Laboratory()
  let marked = 0
  for (let round = 0; round < ROUNDS; round++) {
    const rules = Array.from({ length: random.below(12) }, () => randomRule(random))
    assert.equal(lab.director.marks.set(rules), null)
    lab.director.reclaim()
    for (let i = 0; i < 50; i++) {
      const family = random.pick([4, 6] as const)
      const sent = {
        protocol: random.pick(PROTOCOLS),
        source: randomAddress(random, family),
        sourcePort: random.below(10),
        destination: randomAddress(random, family),
        destinationPort: random.below(10),
      }
      const wanted = wantedMark(rules, sent)
      if (wanted !== 0) marked++
      assert.equal(markedBy(sent), wanted, JSON.stringify({ sent, rules }, null, 1))
    }
  }
  assert.ok(marked > ROUNDS * 5, `${marked} of ${ROUNDS * 50} packets`)
})

const RULE: MarkRule = {
  mark: 5,
  protocol: 'tcp',
  source: null,
  destination: '10.0.0.100/32',
  sourcePorts: null,
  destinationPorts: [80, 80],
}
const SENT: Sent = {
  protocol: 'tcp',
  source: '172.16.0.1',
  sourcePort: 1024,
  destination: '10.0.0.100',
  destinationPort: 80,
}

describe('rules', () => {
  it('are as many as may be, each of another address, and every one is found', () => {
    const lab = new Laboratory()
    const address = (i: number) => `10.9.${i >>> 8}.${i & 0xff}`
    const rules = Array.from({ length: MARK_RULES_MAX }, (_, i) => ({
      ...RULE,
      mark: i + 1,
      destination: `${address(i)}/32`,
    }))
    assert.equal(lab.director.marks.set(rules), null)
    rules.forEach((_, i) => assert.equal(markedBy({ ...SENT, destination: address(i) }), i + 1))
    assert.equal(markedBy({ ...SENT, destination: '10.8.0.0' }), 0)
    assert.equal(lab.director.marks.set([...rules, RULE])?.errno, 'ENOSPC')
    assert.equal(markedBy({ ...SENT, destination: address(7) }), 8, 'and nothing has changed')
  })

  it('give back what they took when they go', () => {
    const lab = new Laboratory()
    const { marks } = lab.director
    for (let i = 0; i < 300; i++) {
      const destination = i % 2 === 0 ? null : '10.0.0.100/32'
      assert.equal(marks.set([{ ...RULE, destination }, RULE]), null)
      assert.equal(markedBy(SENT), 5)
      lab.director.reclaim()
    }
    assert.equal(marks.set([]), null)
    assert.equal(settings.row(0).marks, 0)
    assert.equal(rolesOf(...ipToWords(SENT.destination)) & Role.marked, 0)
    const { added, removed } = lab.director.claims.take()
    assert.deepEqual([added.destinations, added.networks], [[], []])
    assert.deepEqual([removed.destinations, removed.networks], [[], []])
  })

  it('that make no sense are refused, by their number', () => {
    const { marks } = new Laboratory().director
    for (const [change, problem] of [
      [{ mark: 0 }, /rule 2 that marks: a mark is a number from 1/],
      [{ destination: '10.0.0.0/33' }, /10.0.0.0\/33 is no prefix/],
      [{ source: '::/0' }, /different address families/],
      [{ destinationPorts: [81, 80] }, /ports 81-80 end before they begin/],
    ] as const) {
      const refusal = marks.set([RULE, { ...RULE, ...change }])
      assert.equal(refusal?.errno, 'EINVAL')
      assert.match(refusal.message, problem)
    }
    assert.deepEqual(marks.rules, [])
  })
})
