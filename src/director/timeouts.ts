/**
 * The three timeouts that `ipvsadm --set` sets, in the tables in use.
 */
import { TcpState } from '../dataplane/tcp.ts'
import { TimeoutRow } from '../dataplane/timeout.ts'
import { setTimeoutS, timeoutS } from './init.ts'
import type { Timeouts } from './model.ts'

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
