/**
 * The verifier's log, read for whoever has to mend the program: the sentence of the refusal, and the source line.
 *
 *      ; const z: u32 = packet.u8(13) @ main.ts:13        a line of ours (kernel 6.9: and where it stands)
 *      4: (71) r0 = *(u8 *)(r2 +13)                       the instruction that is looked at
 *      invalid access to packet, off=13 size=1, R2(...)   ◄─ the refusal, one line or more
 *      R2 offset is outside of the packet                 ◄─
 *      processed 7 insns (limit 1000000) ...
 *
 * The log is made for people and changes from kernel to kernel: what is not recognised is left out, never guessed. The
 * number of the instruction is the firm ground; with the program's own line table it says the place exactly.
 *
 * Follows kernel/bpf/verifier.c, kernel/bpf/log.c, from 5.15 to 6.18.
 */
import { placeOf, type LineAt, type SourcePlace } from './debug-lines.ts'

export interface Refusal {
  /** What the verifier says is wrong; empty if it says nothing. */
  readonly sentence: string
  /** The instruction it is about. */
  readonly slot: number | undefined
  /** Where that comes from. */
  readonly place: SourcePlace | undefined
  /** What the registers held there, as the log has it: `R2=pkt(r=0) R3=pkt_end()`; may be empty. */
  readonly registers: string
}

/** How much work the verifier had: what is limited to a million. */
export interface Effort {
  readonly steps: number
  readonly states: number
}

/** What matters stands at the end of a log of perhaps many megabytes. */
const TAIL = 64 << 10

/** `12: (61) r2 = *(u32 *)(r6 +0)   ; R2=pkt(r=0)`; before it may stand `12: R0=1 ` and the like. */
const INSTRUCTION = /(?:^|\s)(\d+): \([0-9a-f]{2}\) ([^;]*?)\s*(?:;\s*(.*))?$/
const SOURCE = /^; (.*?)(?: @ (\S+):(\d+)(?::(\d+))?)?$/
/** A line of registers: `R2=pkt(r=0)`, `from 4 to 7: R0=1`, `frame1: R1=ctx()`, `5: R1=…`. */
const STATE =
  /^(?:from \d+ to \d+(?:.*?): ?|\d+: |\s*frame\d+: |\s*)*((?:R\d+(?:_[a-z]+)?=|fp-\d+).*)$/
const SAME_LINE = /infinite loop detected at insn \d+$/
/** Neither a refusal nor about one. */
const TALK = [
  /^processed \d+ insns/,
  /^verification time/,
  /^stack depth/,
  /^func#\d+ @\d+/,
  /^Live regs before insn/,
  /^\s+\d+: [.\d]+ \([0-9a-f]{2}\)/,
  /^(caller|callee|returning from callee|to caller at \d+):?$/,
  /^from \d+ to \d+/,
  /^(cur|old) state:/,
  /^mark_precise:/,
  /^(last_idx|regs=|parent )/,
  /^(propagating|Validating|Func#)/,
  /^\d+: (safe|no .*)$/,
  /^arg#\d+ /,
]

/** `lines` of the program as it was compiled, if they are known, are preferred to what the log quotes. */
export function readRefusal(log: string, lines: readonly LineAt[] = []): Refusal {
  let slot: number | undefined
  let quoted: SourcePlace | undefined
  let registers = ''
  let sentences: string[] = []
  for (const line of tailOf(log)) {
    const instruction = INSTRUCTION.exec(line)
    if (instruction !== null) {
      slot = Number(instruction[1])
      sentences = SAME_LINE.exec(line)?.slice(0, 1) ?? []
      registers = instruction[3] || registers
      continue
    }
    const source = SOURCE.exec(line)
    const state = STATE.exec(line)
    if (source !== null) quoted = toPlace(source)
    else if (state !== null) registers = state[1]!
    else if (!TALK.some((pattern) => pattern.test(line))) sentences.push(line.trim())
  }
  const sentence = sentences.join('; ')
  const named = /\binsn (\d+)/.exec(sentence)?.[1]
  const about = named === undefined ? slot : Number(named)
  const place = about === undefined ? undefined : placeOf(lines, about)
  return { sentence, slot: about, place: place ?? (about === slot ? quoted : undefined), registers }
}

/** Of a log with a line about it (every level has one); undefined without. */
export function readEffort(log: string): Effort | undefined {
  const found = /^processed (\d+) insns .*?total_states (\d+)/m.exec(log.slice(-TAIL))
  return found === null ? undefined : { steps: Number(found[1]), states: Number(found[2]) }
}

/** Whole lines. */
function tailOf(log: string): string[] {
  const isWhole = log.length <= TAIL
  const lines = (isWhole ? log : log.slice(-TAIL)).split('\n')
  return (isWhole ? lines : lines.slice(1)).filter((line) => line.trim() !== '')
}

function toPlace([, text, file, line, column]: RegExpExecArray): SourcePlace | undefined {
  if (file === undefined) return { file: '', line: 0, column: 0, text: text! }
  return { file, line: Number(line), column: Number(column ?? 0), text: text! }
}
