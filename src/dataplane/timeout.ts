/**
 * How long an idle connection lives: rows of `tables.timeouts`, by protocol and state.
 */
import type { u32 } from '../subset/integers.ts'
import { timeouts } from './tables.ts'

/** First rows: TCP states follow at TCP + state. */
export const TimeoutRow = {
  tcp: 0,
  udp: 16,
  icmp: 17,
  fragment: 18,
  lblc: 19,
  lblcr: 20,
  sctp: 32,
} as const

const timeoutAt = timeouts.cursor()

/** Ticks of one row. */
export function timeoutOf(row: u32): u32 {
  const timeout = timeoutAt.at(row)
  return timeout === null ? 0 : timeout.ticks
}

/** Seconds a TCP connection may idle in each state: ip_vs_proto_tcp.c, in the order of TcpState. */
export const TCP_TIMEOUTS_S: readonly number[] = [2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120]
/** A connection before its first state, and a template that is over while connections it controls are not. */
export const NEW_TIMEOUT_S = 3
export const TEMPLATE_REST_S = 60
export const UDP_TIMEOUT_S = 300
export const ICMP_TIMEOUT_S = 60
/** lblc forgets a destination that nobody asked for so long, and lblcr, which takes a server out of a set, too. */
export const LOCALITY_TIMEOUT_S = 24 * 60 * 60
