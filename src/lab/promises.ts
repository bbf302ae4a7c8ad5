/**
 * What the demonstration promises, each judged by what was measured: pure functions of the evidence.
 */
import {
  clientAddressesSeen,
  connectionsIn,
  failuresIn,
  PHASES,
  type Evidence,
  type Phase,
} from './evidence.ts'
import { ADDED, DRAINED, FIRST_SERVERS } from './modes.ts'
import type { RequestResult } from './request-result.ts'

export interface Finding {
  readonly isKept: boolean
  readonly text: string
}

/**
 * Round robin deals connections out in the order of their first packets. We see those that were opened within a phase,
 * and at its edges miss at most what was under way, so shares may differ by that much.
 */
const UNDER_WAY_MAX = 15
/** How much of what the client received may have crossed a director that replies pass by: counting is by segments. */
const PASSED_BY = 0.1
const CAME_THROUGH = 0.9

export function judge(evidence: Evidence): Finding[] {
  return [
    answered(evidence),
    balanced(evidence),
    stayed(evidence),
    drained(evidence),
    wentOn(evidence),
    added(evidence),
    clientAddress(evidence),
    replyPath(evidence),
    counted(evidence),
    ...stopped(evidence),
  ]
}

function answered({ results }: Evidence): Finding {
  const failures = failuresIn(results)
  const reasons = [...new Set(failures.map(({ kind, error }) => `${kind}: ${error}`))]
  const text = `every request was answered: ${results.length} requests, ${failures.length} failed`
  const isKept = failures.length === 0 && results.length > 0
  return { isKept, text: reasons.length > 0 ? `${text} (${reasons.join('; ')})` : text }
}

/** TCP connections of its own, whose order is the scheduler's order. */
function sharesIn({ mode, results }: Evidence, phase: Phase): number[] {
  const fresh = connectionsIn(results).filter(
    ({ kind, openedIn }) => kind === 'new' && openedIn === phase,
  )
  return mode.servers.map(({ name }) => fresh.filter(({ server }) => server === name).length)
}

function areEven(shares: readonly number[]): boolean {
  return Math.min(...shares) > 0 && Math.max(...shares) - Math.min(...shares) <= UNDER_WAY_MAX
}

function balanced(evidence: Evidence): Finding {
  const shares = sharesIn(evidence, 'steady').slice(0, FIRST_SERVERS)
  const text = `new connections are dealt out evenly: ${shares.join(', ')} to the three servers`
  return { isKept: areEven(shares), text }
}

function stayed({ results }: Evidence): Finding {
  const servers = new Map<number, Set<string>>()
  for (const { connection, server } of results) {
    if (server === undefined) continue
    servers.set(connection, (servers.get(connection) ?? new Set()).add(server))
  }
  const strayed = [...servers.values()].filter(({ size }) => size > 1).length
  const text = `a connection stays with its server: ${servers.size} connections, ${strayed} strayed`
  return { isKept: servers.size > 0 && strayed === 0, text }
}

function wasOpenedAfter({ openedIn }: RequestResult, phase: Phase): boolean {
  return PHASES.indexOf(openedIn as Phase) >= PHASES.indexOf(phase)
}

function drained({ mode, results }: Evidence): Finding {
  const name = mode.servers[DRAINED]!.name
  const later = connectionsIn(results).filter((result) => wasOpenedAfter(result, 'drained'))
  const wrong = later.filter(({ server }) => server === name).length
  const text = `a drained server gets no new connection: ${wrong} of ${later.length} went to ${name}`
  return { isKept: later.length > 0 && wrong === 0, text }
}

/** Of the drained server's connections those that are still open afterwards; results stand in order of time. */
function wentOn({ mode, results }: Evidence): Finding {
  const name = mode.servers[DRAINED]!.name
  const change = results.findIndex((result) => wasOpenedAfter(result, 'drained'))
  const later = change < 0 ? [] : results.slice(change)
  const open = later.filter(({ kind, openedIn }) => kind === 'kept' && openedIn === 'steady')
  const served = open.filter(({ server }) => server === name).length
  const text = `but those it had go on: ${served} more requests over connections to ${name}`
  return { isKept: served > 0 && failuresIn(open).length === 0, text }
}

function added(evidence: Evidence): Finding {
  const shares = sharesIn(evidence, 'added').filter((_, index) => index !== DRAINED)
  const share = shares.at(ADDED - evidence.mode.servers.length)!
  const { name } = evidence.mode.servers[ADDED]!
  const text = `an added server gets its share: ${share} connections to ${name}, of ${shares.join(', ')}`
  return { isKept: areEven(shares), text }
}

/** Where the director lends its own address, the promise is that it is one of those. */
function clientAddress({ mode, results }: Evidence): Finding {
  const seen = clientAddressesSeen(results)
  const isLent = mode.locals.length > 0
  const expected = isLent ? mode.locals : [mode.client]
  const isKept = seen.length > 0 && seen.every((address) => expected.includes(address))
  const what = isLent ? 'addresses the director lends' : "the client's own address"
  return { isKept, text: `servers see ${what}: ${seen.join(', ')}` }
}

function replyPath({ mode, client, director }: Evidence): Finding {
  const crossed = (director.received - client.sent) / client.received
  const isDirect = mode.directReply !== undefined
  const isOurWay = isDirect ? crossed <= PASSED_BY : crossed >= CAME_THROUGH
  const isKept = client.received > 0 && isOurWay
  const way = isDirect ? 'replies go past the director' : 'replies come back through the director'
  const volumes = `client sent ${kilobytes(client.sent)} and got ${kilobytes(client.received)}`
  return { isKept, text: `${way}: ${volumes}, director received ${kilobytes(director.received)}` }
}

function kilobytes(bytes: number): string {
  return `${Math.round(bytes / 1000)} kB`
}

function counted({ results, counted }: Evidence): Finding {
  const connections = connectionsIn(results)
  const udp = connections.filter(({ kind }) => kind === 'udp').length
  const tcp = connections.length - udp
  const text =
    `Sluice counts what the client opened: ` +
    `${counted.tcp} TCP connections of ${tcp}, ${counted.udp} UDP flows of ${udp}`
  return { isKept: counted.tcp === tcp && counted.udp === udp, text }
}

function stopped({ stoppedCleanly }: Evidence): Finding[] {
  if (stoppedCleanly === undefined) return []
  return [{ isKept: stoppedCleanly, text: 'the director ends in order when it is asked to' }]
}
