/**
 * Calls: what a service with the persistence engine `sip` tells its clients apart by (ip_vs_pe_sip.c).
 *
 * Reading a Call-ID is nothing for the packet path: it says that there is one to be read. Who can, reads it, notes
 * which call it is, and has the packet take the path once more (call-id.ts). In V8 that is the engine; in the kernel
 * the packet goes to the daemon, as an early fragment does. Only packets without a connection come here.
 */
import type { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { row } from '../subset/struct.ts'
import type { Flow } from './flow.ts'
import { handOver } from './oversize.ts'
import { Reason } from './verdict.ts'

/** Of the packet in hand; in the kernel it is all zero. */
const Call = row('call', {
  /** Which call, plus one: a template has it in the place of its client's port. 0: none. */
  row: 'u32',
  /** 1: has been looked for. */
  isRead: 'u32',
  /** 1: who runs the packet path can read. */
  isReader: 'u32',
})
export const call = Call.local()

/** A packet whose call is to be read. */
export function handCall(packet: Packet, flow: Flow): u32 {
  if (call.isReader !== 0) return Reason.callUnread
  return handOver(packet, flow, Reason.callUnread)
}
