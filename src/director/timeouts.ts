/**
 * Timeouts in the tables in use, in seconds; among them the three that `ipvsadm --set` sets.
 */
import { TICKS_PER_SECOND } from '../subset/clock.ts'
import * as tables from '../dataplane/tables.ts'
import { TcpState } from '../dataplane/tcp.ts'
import { TimeoutRow } from '../dataplane/timeout.ts'
import type { Timeouts } from './model.ts'

/** Sets a row of `timeouts`, in seconds. */
export function setTimeoutS(row: number, seconds: number): void {
  tables.timeouts.row(row).ticks = seconds * TICKS_PER_SECOND
}

/** A row of `timeouts`, in seconds. */
export function timeoutS(row: number): number {
  return tables.timeouts.row(row).ticks / TICKS_PER_SECOND
}

const TCP = TimeoutRow.tcp + TcpState.established
const TCP_FIN = TimeoutRow.tcp + TcpState.finWait

export function readTimeouts(): Timeouts {
  return { tcp: timeoutS(TCP), tcpFin: timeoutS(TCP_FIN), udp: timeoutS(TimeoutRow.udp) }
}

/** 0 keeps what is. */
export function writeTimeouts({ tcp, tcpFin, udp }: Timeouts): void {
  if (tcp > 0) setTimeoutS(TCP, tcp)
  if (tcpFin > 0) setTimeoutS(TCP_FIN, tcpFin)
  if (udp > 0) setTimeoutS(TimeoutRow.udp, udp)
}
