/**
 * What becomes of a packet at the end of its tunnel: the one list for the program, its counters and what people read.
 */

export const Outcome = {
  /** Out of an IPIP, GRE or GUE tunnel, and on to the host's stack. */
  ipip: 0,
  gre: 1,
  gue: 2,
  /** A tunnel packet that stays as it came. */
  malformed: 8,
  otherTunnel: 9,
  wrongChecksum: 10,
  otherDestination: 11,
  mergedDatagrams: 12,
  stranger: 13,
  /** What the kernel's program leaves to the sockets, which get it whole, or finish what it lacks. */
  fragment: 16,
  remoteChecksum: 17,
  noRoom: 18,
  /** Dropped. */
  congested: 24,
  /** No packet of a tunnel that ends here: not counted. */
  notTunnel: 30,
} as const

export const OUTCOMES_MAX = 32

/** No outcome yet: so far all is well. */
export const OPENED = 0xff
