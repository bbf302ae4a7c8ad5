/**
 * SCTP as the director sees it: which state an association is in after a packet (RFC 9260).
 *
 * The table is IPVS's (net/netfilter/ipvs/ip_vs_proto_sctp.c, sctp_states): by direction, by the packet's first chunk,
 * by the state before. "Input only" is for DR and TUN, where answers go past the director.
 */
import { row } from '../subset/struct.ts'
import { table } from '../subset/table.ts'
import { u32, type u8, type u16 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { SctpChunk, SctpChunkType } from '../wire/sctp.ts'
import { TcpFlag } from '../wire/tcp.ts'

export const SctpState = {
  none: 0,
  init1: 1,
  init: 2,
  cookieSent: 3,
  cookieReplied: 4,
  cookieWait: 5,
  cookie: 6,
  cookieEchoed: 7,
  established: 8,
  shutdownSent: 9,
  shutdownReceived: 10,
  shutdownAckSent: 11,
  rejected: 12,
  closed: 13,
} as const

const SIDES = 3
const EVENTS = 16
const STATES = 16

/**
 * A packet's first chunk as a byte, so that what opens and what ends a connection looks as in TCP:
 *
 *   bits 4 … 7  event, a row of the table below
 *        2      ABORT, where TCP has RST
 *        1      INIT, where TCP has SYN
 *        0      HAS_CHUNK: there is a chunk at all
 */
export const HAS_CHUNK = 1
const INIT = TcpFlag.syn
const ABORT = TcpFlag.rst
/** The event of an ABORT that is not the first chunk: such a packet may open a connection all the same. */
const ABORTED = (9 << 4) | HAS_CHUNK

/**
 * Columns: NO I1 IN CS CR CW CO CE ES SS SR SA RJ CL; rows: DATA and its like, INIT, INIT ACK, COOKIE ECHO, COOKIE ACK,
 * SHUTDOWN, SHUTDOWN ACK, SHUTDOWN COMPLETE, ERROR, ABORT.
 */
const TRANSITIONS: readonly (readonly string[])[] = [
  [
    'ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL',
    'I1 IN IN CS CR CW CO CE ES SS SR SA IN IN',
    'CW CW CW CS CR CO CO CE ES SS SR SA RJ CL',
    'CR IN IN CR CR CW CO CE ES SS SR SA RJ CL',
    'ES I1 IN CS CR CW CO ES ES SS SR SA RJ CL',
    'SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL',
    'CL IN IN CS CR CW CO CE ES CL SR CL RJ CL',
    'CL CL CL CS CR CW CO CE ES SS SR CL RJ CL',
    'CL I1 IN CS CR CW CO CL ES SS SR SA RJ CL',
    'CL CL CL CL CL RJ CL CL CL CL CL CL CL CL',
  ],
  [
    'ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL',
    'CW CW CW CW CW CW CW CW ES CW CW CW CW CW',
    'CS CS CS CS CR CW CO CE ES SS SR SA RJ CL',
    'CE CE CE CE CE CE CE CE ES SS SR SA RJ CL',
    'ES ES ES ES ES ES ES ES ES SS SR SA RJ CL',
    'SS SS SS SS SS SS SS SS SS SS SR SA RJ CL',
    'SA SA SA SA SA CW CO CE ES SA SA SA RJ CL',
    'CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL',
    'CL CL CL CL CL CW CO CE ES SS SR SA RJ CL',
    'CL RJ CL CL CL CL CL CL CL CL CL CL CL CL',
  ],
  [
    'ES I1 IN CS CR ES CO CE ES SS SR SA RJ CL',
    'I1 IN IN IN IN IN CO CE ES SS SR SA IN IN',
    'CE CE CE CE CE CE CO CE ES SS SR SA RJ CL',
    'ES ES ES ES ES ES CO CE ES SS SR SA RJ CL',
    'ES I1 IN ES ES CW ES ES ES SS SR SA RJ CL',
    'SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL',
    'CL IN IN CS CR CW CO CE CL CL SR CL RJ CL',
    'CL CL CL CL CL CW CO CE ES SS CL CL RJ CL',
    'CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL',
    'CL CL CL CL CL RJ CL CL CL CL CL CL CL CL',
  ],
]
const SHORT = ['NO', 'I1', 'IN', 'CS', 'CR', 'CW', 'CO', 'CE', 'ES', 'SS', 'SR', 'SA', 'RJ', 'CL']

/** @control */
function transitionBytes(): Uint8Array {
  const bytes = new Uint8Array(SIDES * EVENTS * STATES)
  TRANSITIONS.forEach((rows, side) => {
    rows.forEach((text, event) => {
      text.split(' ').forEach((name, state) => {
        bytes[(side * EVENTS + event) * STATES + state] = SHORT.indexOf(name)
      })
    })
  })
  return bytes
}

const Transition = row('sctpTransition', { next: 'u8' })
/** Read-only: the kernel engine freezes it. Sides as in tcp.ts. */
export const sctpTransitions = table(
  'sctpTransitions',
  Transition,
  SIDES * EVENTS * STATES,
  transitionBytes(),
)
const transitionAt = sctpTransitions.cursor()

/** The state after a packet with this first chunk; one without a chunk changes nothing. */
export function nextSctpState(side: u32, chunk: u8, state: u32): u32 {
  if ((chunk & HAS_CHUNK) === 0) return state
  const transition = transitionAt.at((side * EVENTS + (chunk >>> 4)) * STATES + state)
  return transition === null ? state : transition.next
}

const chunkAt = SctpChunk.cursor()
const nextChunkAt = SctpChunk.cursor()

/**
 * The chunk at `offset` of the frame, below `end`. An ABORT behind a COOKIE ECHO or COOKIE ACK is what counts (RFC 9260
 * 6.10, and as IPVS has it).
 *
 * @apart
 */
export function firstChunk(packet: Packet, offset: u32, end: u32): u8 {
  const chunk = chunkAt.at(packet, offset)
  if (chunk === null || offset + 4 > end) return 0
  const type: u8 = chunk.type
  const length: u16 = chunk.length
  if ((type === SctpChunkType.cookieEcho || type === SctpChunkType.cookieAck) && length >= 4) {
    const next: u32 = u32(offset + ((length + 3) & 0x1fffc))
    const following = nextChunkAt.at(packet, next)
    if (following !== null && next + 4 <= end && following.type === SctpChunkType.abort) {
      return ABORTED
    }
  }
  return signalOf(type)
}

/** Others than these are as DATA. */
function signalOf(type: u8): u8 {
  if (type === SctpChunkType.init) return (1 << 4) | INIT | HAS_CHUNK
  if (type === SctpChunkType.initAck) return (2 << 4) | HAS_CHUNK
  if (type === SctpChunkType.cookieEcho) return (3 << 4) | HAS_CHUNK
  if (type === SctpChunkType.cookieAck) return (4 << 4) | HAS_CHUNK
  if (type === SctpChunkType.shutdown) return (5 << 4) | HAS_CHUNK
  if (type === SctpChunkType.shutdownAck) return (6 << 4) | HAS_CHUNK
  if (type === SctpChunkType.shutdownComplete) return (7 << 4) | HAS_CHUNK
  if (type === SctpChunkType.error) return (8 << 4) | HAS_CHUNK
  if (type === SctpChunkType.abort) return (9 << 4) | ABORT | HAS_CHUNK
  return HAS_CHUNK
}

/** Seconds an SCTP connection may idle in each state: ip_vs_proto_sctp.c, in the order of SctpState. */
export const SCTP_TIMEOUTS_S: readonly number[] = [
  2, 4, 61, 61, 61, 61, 61, 61, 900, 61, 61, 61, 4, 61,
]
