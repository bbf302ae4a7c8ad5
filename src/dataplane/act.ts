/**
 * The packet path as the kernel calls it: `forward`, and then what its verdict says.
 */
import { drop, hold, noteReason, pass, redirect } from '../subset/action.ts'
import type { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { flow, forward } from './main.ts'
import { Reason, Verdict, verdictOf } from './verdict.ts'

/** What the program gives back to the kernel. */
export function act(packet: Packet): u32 {
  const reason: u32 = forward(packet)
  noteReason(reason)
  const verdict: u32 = verdictOf(reason)
  if (verdict === Verdict.pass) return pass()
  if (verdict === Verdict.send) return redirect(flow.egress)
  if (verdict === Verdict.drop) return drop()
  // Nothing waits here; the host's own stack keeps fragments for a while, counts them and gives them up.
  if (reason === Reason.fragmentEarly) return pass()
  return hold(flow.egress, flow.next0, flow.next1, flow.next2, flow.next3)
}
