/**
 * The packet path as the kernel calls it: what `forward` does (main.ts), and then what its verdict says.
 */
import {
  drop,
  hold,
  isXdp,
  noteReason,
  pass,
  redirect,
  redirectLater,
  sendBack,
} from '../subset/action.ts'
import { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { flow, takeLongWayUnread } from './main.ts'
import { LONG_WAY, Outcome, takeShortCut } from './short-cut.ts'
import { hops, InterfaceFlag, interfaces, settings } from './tables.ts'
import { Reason, Verdict, verdictOf } from './verdict.ts'

const settingsAt = settings.cursor()
const hopAt = hops.cursor()
const interfaceAt = interfaces.cursor()

/** What the program gives back to the kernel. */
export function act(packet: Packet): u32 {
  const outcome: u32 = takeShortCut(packet, flow)
  if (outcome !== LONG_WAY) return actShortly(packet, outcome)
  const reason: u32 = takeLongWayUnread(packet)
  noteReason(reason)
  const verdict: u32 = verdictOf(reason)
  if (verdict === Verdict.pass) return pass()
  if (verdict === Verdict.send) return leave(packet, flow.egress)
  if (verdict === Verdict.drop) return drop()
  if (isCutter(flow.egress)) return leave(packet, flow.egress)
  // While no daemon runs nothing waits; the host's own stack keeps fragments for a while, and gives them up.
  if (reason === Reason.fragmentEarly) return pass()
  if (reason === Reason.callUnread) return drop()
  return hold(flow.egress, flow.next0, flow.next1, flow.next2, flow.next3)
}

/** The row of the hop comes with the reason: `flow` need not be looked at. */
function actShortly(packet: Packet, outcome: u32): u32 {
  const reason: u32 = outcome & Outcome.reasonMask
  noteReason(reason)
  const row: u32 = outcome >>> Outcome.hopShift
  if (row === 0) return verdictOf(reason) === Verdict.pass ? pass() : drop()
  const hop = hopAt.at(u32(row - 1))
  return hop === null ? drop() : leave(packet, hop.interface)
}

/** Not every driver sends frames that XDP has received elsewhere. */
function leave(packet: Packet, egress: u32): u32 {
  if (!isXdp()) return redirect(egress)
  const way = interfaceAt.at(egress)
  if (way === null) return redirectLater(egress)
  if (egress === packet.ingress && (way.flags & InterfaceFlag.sendsBack) !== 0) {
    return sendBack(egress)
  }
  return (way.flags & InterfaceFlag.takesXdp) !== 0 ? redirect(egress) : redirectLater(egress)
}

/** The device where frames are cut; and where they wait, for their neighbour or the first of their fragments. */
function isCutter(egress: u32): boolean {
  const common = settingsAt.at(0)
  return egress !== 0 && common !== null && common.cutter === egress
}
