/**
 * What the demonstration tells people: for each mode a picture, who served what, and what became of each promise.
 */
import { clientAddressesSeen, failuresIn, servedByAddress, type Evidence } from './evidence.ts'
import { ADDED, addressOf, DRAINED, type HostPlan, type Mode } from './modes.ts'
import { drawMode } from './picture.ts'
import type { Finding } from './promises.ts'
import type { RequestKind } from './request-result.ts'

/** What `--json` says of a mode. */
export interface ModeSummary {
  readonly ok: boolean
  readonly requests: number
  readonly failed: number
  /** Requests by the address of the server that answered. */
  readonly servers: Readonly<Record<string, number>>
  readonly clientAddressKept: boolean
}

export function summarise(evidence: Evidence, findings: readonly Finding[]): ModeSummary {
  const { results } = evidence
  const seen = clientAddressesSeen(results)
  return {
    ok: findings.every(({ isKept }) => isKept),
    requests: results.length,
    failed: failuresIn(results).length,
    servers: servedByAddress(evidence),
    clientAddressKept: seen.length === 1 && seen[0] === evidence.mode.client,
  }
}

export function describeMode(
  evidence: Evidence,
  findings: readonly Finding[],
  hasColour: boolean,
): string[] {
  const { mode } = evidence
  return [
    '',
    mode.title,
    '',
    ...drawMode(mode),
    '',
    ...tabulate(evidence).map((line) => `    ${line}`),
    '',
    ...findings.map((finding) => describeFinding(finding, hasColour)),
  ]
}

export function describeFinding({ isKept, text }: Finding, hasColour: boolean): string {
  const word = isKept ? 'PASS' : 'FAIL'
  const colour = isKept ? '32' : '31'
  return `${hasColour ? `\x1b[${colour}m${word}\x1b[0m` : word}  ${text}`
}

const KINDS: readonly RequestKind[] = ['new', 'kept', 'udp']
const HEADINGS = ['HTTP, new connections', 'HTTP, kept alive', 'UDP datagrams', 'saw as client']

function tabulate({ mode, results }: Evidence): string[] {
  const rows = mode.servers.map((server) => {
    const served = results.filter((result) => result.server === server.name)
    const counts = KINDS.map((kind) => String(served.filter((each) => each.kind === kind).length))
    return [titleOf(mode, server), ...counts, clientAddressesSeen(served).join(', ')]
  })
  const head = ['answered by', ...HEADINGS]
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]!.length)),
  )
  return [head, ...rows].map((row) =>
    row
      .map((cell, column) => align(cell, widths[column]!, column))
      .join('  ')
      .trimEnd(),
  )
}

/** Numbers to the right, words to the left. */
function align(cell: string, width: number, column: number): string {
  return column >= 1 && column <= KINDS.length ? cell.padStart(width) : cell.padEnd(width)
}

function titleOf({ servers }: Mode, server: HostPlan): string {
  const fates: Record<number, string> = { [DRAINED]: ', drained', [ADDED]: ', added' }
  return `${server.name} ${addressOf(server)}${fates[servers.indexOf(server)] ?? ''}`
}
