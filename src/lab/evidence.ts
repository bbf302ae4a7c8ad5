/**
 * What was measured while a mode ran; promises.ts judges it, report.ts shows it.
 */
import type { Mode } from './modes.ts'
import type { RequestResult } from './request-result.ts'

/** In this order: three servers; one is being drained; is; a fourth is being added; is. */
export const PHASES = ['steady', 'draining', 'drained', 'adding', 'added'] as const
export type Phase = (typeof PHASES)[number]

/** Bytes that passed a host's interfaces. */
export interface Volume {
  readonly received: number
  readonly sent: number
}

export interface Evidence {
  readonly mode: Mode
  readonly results: readonly RequestResult[]
  /** TCP connections and UDP flows, as the director counted them. */
  readonly counted: { readonly tcp: number; readonly udp: number }
  /** Over the time of the traffic. */
  readonly client: Volume
  readonly director: Volume
  /** It ended by itself when it was asked to; undefined if it was not asked. */
  readonly stoppedCleanly: boolean | undefined
}

/** By a server's address, how many requests it answered. */
export function servedByAddress(evidence: Evidence): Record<string, number> {
  return Object.fromEntries(
    evidence.mode.servers.map(({ name, addresses }) => [
      Object.values(addresses)[0]!,
      evidence.results.filter(({ server }) => server === name).length,
    ]),
  )
}

export function failuresIn(results: readonly RequestResult[]): RequestResult[] {
  return results.filter(({ error }) => error !== undefined)
}

/** Addresses that the servers took for the client's. */
export function clientAddressesSeen(results: readonly RequestResult[]): string[] {
  return [...new Set(results.flatMap(({ seen }) => seen ?? []))].sort()
}

/** One result for each connection and UDP flow: its first. */
export function connectionsIn(results: readonly RequestResult[]): RequestResult[] {
  const first = new Map<number, RequestResult>()
  for (const result of results) {
    if (!first.has(result.connection)) first.set(result.connection, result)
  }
  return [...first.values()]
}
