/**
 * TCP as the director sees it: which state a connection is in after a segment.
 *
 * The table is IPVS's (net/netfilter/ipvs/ip_vs_proto_tcp.c, tcp_states): by direction, by the strongest flag
 * of the segment in the order RST, SYN, FIN, ACK, by the state before. "Input only" is for DR and TUN, where
 * answers go past the director.
 */
import { row } from '../subset/struct.ts'
import { table } from '../subset/table.ts'
import type { u8, u32 } from '../subset/integers.ts'
import { TcpFlag } from '../wire/tcp.ts'

export const TcpState = {
  none: 0,
  established: 1,
  synSent: 2,
  synReceived: 3,
  finWait: 4,
  timeWait: 5,
  close: 6,
  closeWait: 7,
  lastAck: 8,
  listen: 9,
  synAck: 10,
} as const

export const TcpSide = { input: 0, output: 1, inputOnly: 2 } as const

const EVENTS = 4
const STATES = 16

/** Columns: NO ES SS SR FW TW CL CW LA LI SA; rows: syn fin ack rst. */
const TRANSITIONS: Transitions = {
  input: [
    'SR ES ES SR SR SR SR SR SR SR SR',
    'CL CW SS TW TW TW CL CW LA LI TW',
    'ES ES SS ES FW TW CL CW CL LI ES',
    'CL CL CL SR CL CL CL CL LA LI SR',
  ],
  output: [
    'SS ES SS SR SS SS SS SS SS LI SR',
    'TW FW SS TW FW TW CL TW LA LI TW',
    'ES ES SS ES FW TW CL CW LA ES ES',
    'CL CL SS CL CL TW CL CL CL CL CL',
  ],
  inputOnly: [
    'SR ES ES SR SR SR SR SR SR SR SR',
    'CL FW SS TW FW TW CL CW LA LI TW',
    'ES ES SS ES FW TW CL CW CL LI ES',
    'CL CL CL SR CL CL CL CL LA LI CL',
  ],
}
/** secure_tcp (tcp_states_dos): a client that was not answered never gets beyond SYN_RECV. */
const SECURE_TRANSITIONS: Transitions = {
  input: [
    'SR ES ES SR SR SR SR SR SR SR SA',
    'CL CW SS TW TW TW CL CW LA LI SA',
    'ES ES SS SR FW TW CL CW CL LI SA',
    'CL CL CL SR CL CL CL CL LA LI CL',
  ],
  output: [
    'SS ES SS SA SS SS SS SS SS LI SA',
    'TW FW SS TW FW TW CL TW LA LI TW',
    'ES ES SS ES FW TW CL CW LA ES ES',
    'CL CL SS CL CL TW CL CL CL CL CL',
  ],
  inputOnly: [
    'SA ES ES SR SA SA SA SA SA SA SA',
    'CL FW SS TW FW TW CL CW LA LI TW',
    'ES ES SS ES FW TW CL CW CL LI ES',
    'CL CL CL SR CL CL CL CL LA LI CL',
  ],
}
type Transitions = Readonly<Record<keyof typeof TcpSide, readonly string[]>>
const SHORT = ['NO', 'ES', 'SS', 'SR', 'FW', 'TW', 'CL', 'CW', 'LA', 'LI', 'SA']

const Transition = row('transition', { next: 'u8' })
/** Written by the control plane: `writeTcpTransitions`. */
export const tcpTransitions = table('tcpTransitions', Transition, 3 * EVENTS * STATES)

/**
 * Fills the table in use: as usual, or as secure_tcp wants it.
 *
 * @control
 */
export function writeTcpTransitions(isSecure: boolean): void {
  for (const [side, rows] of Object.entries(isSecure ? SECURE_TRANSITIONS : TRANSITIONS)) {
    rows.forEach((text, event) => {
      text.split(' ').forEach((name, state) => {
        const at = (TcpSide[side as keyof typeof TcpSide] * EVENTS + event) * STATES + state
        tcpTransitions.row(at).next = SHORT.indexOf(name)
      })
    })
  }
}

const transitionAt = tcpTransitions.cursor()

/** The state after a segment with these flags; one with none of the four closes, as in IPVS. */
export function nextTcpState(side: u32, flags: u8, state: u32): u32 {
  let event: u32 = EVENTS
  if ((flags & TcpFlag.rst) !== 0) event = 3
  else if ((flags & TcpFlag.syn) !== 0) event = 0
  else if ((flags & TcpFlag.fin) !== 0) event = 1
  else if ((flags & TcpFlag.ack) !== 0) event = 2
  if (event === EVENTS) return TcpState.close
  const transition = transitionAt.at((side * EVENTS + event) * STATES + state)
  return transition === null ? state : transition.next
}

/** Does a connection in this state count as active? SYN_RECV does since Linux 6.x. */
export function isActiveTcpState(state: u32): boolean {
  return (
    state === TcpState.established ||
    state === TcpState.synSent ||
    state === TcpState.synReceived ||
    state === TcpState.synAck
  )
}
