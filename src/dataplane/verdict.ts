/**
 * What becomes of a frame, and why: the one list of reasons for packet path, counters, `explain` and listings.
 *
 * The packet path answers every frame with exactly one reason, and each reason belongs to one verdict, which
 * its number's upper bits tell: `verdictOf(reason)`. The counter of each is a row of `tables.reasons`.
 */
import type { u32 } from '../subset/integers.ts'

export const Verdict = {
  /** To the host's own stack, untouched. */
  pass: 0,
  /** Dropped, counted. */
  drop: 1,
  /** Rewritten; out of interface `flow.egress`. */
  send: 2,
  /**
   * Not yet. Either rewritten, but the next hop's MAC address is not known yet: `flow.egress` and `flow.next…` say
   * whose. Or untouched: a fragment before the first one of its datagram, or a packet whose call is to be read.
   */
  hold: 3,
} as const

export const Reason = {
  /** Verdict pass: not ours. */
  notIp: 0,
  tagged: 1,
  otherHost: 2,
  truncated: 3,
  malformed: 4,
  notOurs: 5,
  otherProtocol: 6,
  /** Verdict pass: to an address of ours, but for the host itself. */
  noService: 8,
  notOpening: 9,
  localServer: 10,
  icmpQuery: 11,
  icmpUnrelated: 12,
  icmpNotTranslated: 13,

  /** Verdict drop. */
  serverGone: 32,
  noServer: 33,
  connectionTableFull: 34,
  localPortsExhausted: 35,
  noLocalAddress: 36,
  timeExceeded: 37,
  tooBig: 38,
  noRoute: 39,
  noRoom: 40,
  largeFrame: 41,
  icmpLimit: 42,
  overloaded: 43,
  sctpFragment: 44,
  icmpChecksum: 45,
  icmpNoted: 46,
  localPort: 47,
  tooLong: 48,
  noCall: 49,

  /** Verdict send. */
  toServer: 64,
  toClient: 65,
  icmpToServer: 66,
  icmpToClient: 67,
  answeredUnreachable: 68,
  answeredTimeExceeded: 69,
  answeredTooBig: 70,
  bypassed: 71,
  answeredNoRoute: 72,
  answeredStray: 73,

  /** Verdict hold. */
  nextHopUnresolved: 96,
  fragmentEarly: 97,
  callUnread: 98,
} as const

export const REASONS_MAX = 128

export function verdictOf(reason: u32): u32 {
  return reason >>> 5
}
