import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PHASES, type Evidence } from './evidence.ts'
import { modeOf, type ModeName } from './modes.ts'
import { judge } from './promises.ts'
import type { RequestResult } from './request-result.ts'
import { describeMode, summarise } from './report.ts'

const PAGE = 10_000
/** Who is chosen for new connections, by phase: server2 is drained, server4 added. */
const CHOSEN = {
  steady: ['server1', 'server2', 'server3'],
  draining: ['server1', 'server3'],
  drained: ['server1', 'server3'],
  adding: ['server1', 'server3'],
  added: ['server1', 'server3', 'server4'],
}

const TCP = 30 * PHASES.length + 3
const UDP = 6 * PHASES.length
const REQUESTS = PHASES.length * (30 + 2 * 6 + 3)

/** What a run in which all goes well leaves: 30 new connections and 6 UDP flows a phase, 3 connections kept. */
function allWell(name: ModeName): Evidence {
  const mode = modeOf(name)
  const seen = mode.locals[0] ?? mode.client
  const results: RequestResult[] = []
  let connection = 3
  for (const openedIn of PHASES) {
    const server = (index: number) => CHOSEN[openedIn][index % CHOSEN[openedIn].length]!
    for (let i = 0; i < 30; i++) {
      results.push({ kind: 'new', connection: ++connection, openedIn, server: server(i), seen })
    }
    for (let i = 0; i < 6; i++) {
      const flow = { connection: ++connection, openedIn, server: server(i), seen }
      results.push({ kind: 'udp', ...flow }, { kind: 'udp', ...flow })
    }
    for (let i = 1; i <= 3; i++) {
      const server = `server${i}`
      results.push({ kind: 'kept', connection: i, openedIn: 'steady', server, seen })
    }
  }
  const client = { received: results.length * PAGE, sent: results.length * 100 }
  const crossing = mode.directReply === undefined ? client.received : 0
  return {
    mode,
    results,
    counted: { tcp: TCP, udp: UDP },
    client,
    director: { received: client.sent + crossing, sent: client.sent },
    stoppedCleanly: true,
  }
}

type Change = (result: RequestResult, index: number) => RequestResult

function alteredBy(evidence: Evidence, change: Change): Evidence {
  return { ...evidence, results: evidence.results.map(change) }
}

function broken(evidence: Evidence): string[] {
  return judge(evidence).flatMap(({ isKept, text }) => (isKept ? [] : [text]))
}

describe('the promises', () => {
  for (const name of ['nat', 'dr', 'tun', 'fullnat'] as const) {
    it(`are kept where all goes well: ${name}`, () => {
      const evidence = allWell(name)
      assert.deepEqual(broken(evidence), [])
      const summary = summarise(evidence, judge(evidence))
      assert.equal(summary.ok, true)
      assert.equal(summary.requests, REQUESTS)
      assert.equal(summary.clientAddressKept, name !== 'fullnat')
      assert.equal(
        Object.values(summary.servers).reduce((a, b) => a + b),
        REQUESTS,
      )
    })
  }

  const cases: readonly [string, Change, RegExp][] = [
    [
      'a request fails',
      (result, index) => (index === 10 ? { ...result, error: 'ECONNRESET' } : result),
      /every request was answered: 225 requests, 1 failed \(new: ECONNRESET\)/,
    ],
    [
      'one server gets everything',
      (result) =>
        result.openedIn === 'steady' && result.kind === 'new'
          ? { ...result, server: 'server1' }
          : result,
      /dealt out evenly: 30, 0, 0/,
    ],
    [
      'a connection changes its server',
      (result, index) => (index === 31 ? { ...result, server: 'server3' } : result),
      /1 strayed/,
    ],
    [
      'a drained server is chosen',
      (result) =>
        result.kind === 'udp' && result.openedIn === 'drained'
          ? { ...result, server: 'server2' }
          : result,
      /6 of 108 went to server2/,
    ],
    [
      'the drained server lost its connections',
      (result) =>
        result.kind === 'kept' && result.server === 'server2'
          ? { ...result, server: 'server1' }
          : result,
      /0 more requests/,
    ],
    [
      'the added server is not chosen',
      (result) => (result.server === 'server4' ? { ...result, server: 'server1' } : result),
      /0 connections to server4, of 20, 10, 0/,
    ],
    [
      'a server sees another client',
      (result, index) => (index === 3 ? { ...result, seen: '10.2.0.1' } : result),
      /own address: 10\.1\.0\.2, 10\.2\.0\.1/,
    ],
  ]
  for (const [what, change, complaint] of cases) {
    it(`are broken where ${what}`, () => {
      const found = broken(alteredBy(allWell('nat'), change))
      assert.equal(found.length, 1, found.join('\n'))
      assert.match(found[0]!, complaint)
    })
  }

  it('are broken where replies take another way', () => {
    for (const name of ['nat', 'dr'] as const) {
      const evidence = allWell(name)
      const director = { received: evidence.client.received / 2, sent: 0 }
      assert.match(broken({ ...evidence, director }).join('\n'), /^replies [^\n]*$/)
    }
  })

  it('are broken where the director counts otherwise, or does not end', () => {
    const evidence = allWell('tun')
    assert.match(broken({ ...evidence, counted: { tcp: 9, udp: UDP } }).join(), /9 TCP .* of 153/)
    assert.match(broken({ ...evidence, stoppedCleanly: false }).join(), /ends in order/)
  })

  it('are all broken where nothing happened', () => {
    const evidence = { ...allWell('nat'), results: [], client: { received: 0, sent: 0 } }
    assert.deepEqual(
      judge(evidence)
        .filter(({ isKept }) => isKept)
        .map(({ text }) => text),
      ['the director ends in order when it is asked to'],
    )
  })
})

describe('the report', () => {
  it('shows picture, table and promises', () => {
    const evidence = allWell('fullnat')
    const lines = describeMode(evidence, judge(evidence), false)
    const has = (line: RegExp) =>
      assert.ok(
        lines.some((each) => line.test(each)),
        lines.join('\n'),
      )
    has(/│ 10\.2\.0\.201 → 10\.3\.0\.11 /)
    has(/^ {4}server2 10\.3\.0\.12, drained +10 +5 +4 {2}10\.2\.0\.201$/)
    has(/^PASS {2}servers see addresses the director lends: 10\.2\.0\.201$/)
  })
})
