/**
 * What the kernel must be told for what the packet path made of a frame: reckoned from V8's reason, `flow` and tables,
 * by another way than src/dataplane/act.ts goes.
 *
 *                     XDP                                           tc
 *   pass              XDP_PASS                                      TCX_NEXT
 *   drop              XDP_DROP                                      TCX_DROP
 *   send              XDP_TX or XDP_REDIRECT where drivers          TCX_REDIRECT
 *                     take it, else word is left, and XDP_PASS
 *   hold, a fragment  as send to the device that cuts and keeps; without one it passes
 *   hold, a call      the same; without that device it is dropped
 *   hold, the rest    the same, or else word of the neighbour       TCX_REDIRECT
 */
import type { Attachment } from '../../../src/compiler/target/target.ts'
import { WORD_MARK } from '../../../src/compiler/target/xdp.ts'
import { flow } from '../../../src/dataplane/main.ts'
import { InterfaceFlag, interfaces, settings } from '../../../src/dataplane/tables.ts'
import { Reason, Verdict, verdictOf } from '../../../src/dataplane/verdict.ts'

export interface Answer {
  readonly name: 'pass' | 'drop' | 'redirect' | 'sendBack' | 'word'
  /** XDP_… or TCX_… (uapi/linux/bpf.h), as the kernel counts it. */
  readonly verdict: number
  /** For the companion under tc. */
  readonly leavesWord: boolean
}

const XDP: Readonly<Record<Answer['name'], Answer>> = {
  pass: { name: 'pass', verdict: 2, leavesWord: false },
  drop: { name: 'drop', verdict: 1, leavesWord: false },
  redirect: { name: 'redirect', verdict: 4, leavesWord: false },
  sendBack: { name: 'sendBack', verdict: 3, leavesWord: false },
  word: { name: 'word', verdict: 2, leavesWord: true },
}
const TC = {
  pass: { name: 'pass', verdict: 0xffffffff, leavesWord: false },
  drop: { name: 'drop', verdict: 2, leavesWord: false },
  redirect: { name: 'redirect', verdict: 7, leavesWord: false },
} as const satisfies Partial<Record<Answer['name'], Answer>>

/** Of the frame that V8 had last, with its tables in use. */
export function expectedAnswer(attachment: Attachment, reason: number, ingress: number): Answer {
  const answers = attachment === 'xdp' ? XDP : TC
  switch (verdictOf(reason)) {
    case Verdict.pass:
      return answers.pass
    case Verdict.drop:
      return answers.drop
    case Verdict.hold:
      if (isForCutter()) break
      if (reason === Reason.fragmentEarly) return answers.pass
      if (reason === Reason.callUnread) return answers.drop
      return attachment === 'xdp' ? XDP.word : TC.redirect
  }
  if (attachment === 'tc') return TC.redirect
  const { egress } = flow
  const flags = egress < interfaces.memory.capacity ? interfaces.row(egress).flags : 0
  if (egress === ingress && (flags & InterfaceFlag.sendsBack) !== 0) return XDP.sendBack
  return (flags & InterfaceFlag.takesXdp) !== 0 ? XDP.redirect : XDP.word
}

/** What word is left of the frame that V8 had last: the mark, the way out, and the neighbour it waits for. */
export function expectedWord(reason: number): number[] {
  const { egress, next0, next1, next2, next3 } = flow
  const isWaiting = verdictOf(reason) === Verdict.hold && !isForCutter()
  return [WORD_MARK, egress, ...(isWaiting ? [next0, next1, next2, next3] : [0, 0, 0, 0])]
}

function isForCutter(): boolean {
  return flow.egress !== 0 && flow.egress === settings.row(0).cutter
}
