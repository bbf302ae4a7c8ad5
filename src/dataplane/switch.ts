/**
 * Bits of `settings.switches`: what of IPVS's sysctls the packet path asks for (director/sysctls.ts has their values).
 */
export const Switch = {
  /** expire_nodest_conn: a connection whose server was removed ends with its next packet. */
  expireNoDestination: 1,
  /** conn_reuse_mode, not 0: a SYN on a connection in TIME_WAIT or CLOSE opens a new one. */
  reuse: 2,
  /** sloppy_tcp: any segment but RST may open a connection. */
  sloppyTcp: 4,
  /** pmtu_disc: tunnels copy DF. */
  pathMtuDiscovery: 8,
  /** expire_quiescent_template: a server of weight 0 keeps no client. */
  expireQuiescentTemplate: 16,
  /** conn_reuse_mode & 2: also on one in FIN_WAIT of which we see one side alone. */
  reuseFinWait: 32,
  /** sloppy_sctp: any chunk but ABORT may open a connection. */
  sloppySctp: 64,
  /** schedule_icmp: an ICMP error about no connection may open one. */
  scheduleIcmp: 128,
  /** nat_icmp_send: a NAT server's packet that belongs to no connection is answered. */
  natIcmpSend: 256,
  /** cache_bypass: packets of a firewall mark that no server can take go on to where they were sent. */
  cacheBypass: 512,
} as const
