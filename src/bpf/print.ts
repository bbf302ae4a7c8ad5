/**
 * Instructions as text, in the words of `bpftool prog dump xlated` and of the verifier's log, so that one can be laid
 * beside the other: slot, opcode, and what it does.
 *
 *     ; if (ethernet.type !== IPV4) return PASS @ main.ts:14
 *        3: (71) r0 = *(u8 *)(r2 +13)
 *        4: (15) if r0 == 0x8 goto pc+2
 */
import type { LineAt } from './debug-lines.ts'
import { encode, type Encoded } from './encode.ts'
import {
  type Alu,
  type AluOperator,
  type Atomic,
  type AtomicOperator,
  type Branch,
  type Instruction,
  type Memory,
  type Operand,
  type Register,
  type Test,
} from './instruction.ts'
import { Opcode, SLOT_SIZE } from './opcode.ts'

const ALU_SIGNS: Readonly<Record<AluOperator, string>> = {
  move: '=',
  add: '+=',
  subtract: '-=',
  multiply: '*=',
  divide: '/=',
  modulo: '%=',
  and: '&=',
  or: '|=',
  xor: '^=',
  shl: '<<=',
  shr: '>>=',
  sar: 's>>=',
}

const TEST_SIGNS: Readonly<Record<Test, string>> = {
  equal: '==',
  unequal: '!=',
  less: '<',
  lessOrEqual: '<=',
  greater: '>',
  greaterOrEqual: '>=',
  signedLess: 's<',
  signedLessOrEqual: 's<=',
  signedGreater: 's>',
  signedGreaterOrEqual: 's>=',
  bits: '&',
}

/** Of those that do not fetch. */
const ATOMIC_SIGNS: Readonly<Record<Exclude<AtomicOperator, Exchange>, string>> = {
  add: '+=',
  and: '&=',
  or: '|=',
  xor: '^=',
}
type Exchange = 'exchange' | 'compareExchange'

/** Helpers that packet programs call (enum bpf_func_id). */
const HELPERS: ReadonlyMap<number, string> = new Map([
  [1, 'map_lookup_elem'],
  [2, 'map_update_elem'],
  [5, 'ktime_get_ns'],
  [7, 'get_prandom_u32'],
  [8, 'get_smp_processor_id'],
  [9, 'skb_store_bytes'],
  [10, 'l3_csum_replace'],
  [11, 'l4_csum_replace'],
  [12, 'tail_call'],
  [23, 'redirect'],
  [26, 'skb_load_bytes'],
  [28, 'csum_diff'],
  [38, 'skb_change_tail'],
  [39, 'skb_pull_data'],
  [40, 'csum_update'],
  [43, 'skb_change_head'],
  [44, 'xdp_adjust_head'],
  [50, 'skb_adjust_room'],
  [51, 'redirect_map'],
  [65, 'xdp_adjust_tail'],
  [69, 'fib_lookup'],
  [118, 'jiffies64'],
  [135, 'csum_level'],
  [152, 'redirect_neigh'],
  [155, 'redirect_peer'],
  [160, 'ktime_get_coarse_ns'],
  [181, 'loop'],
])

/** Lines of text; source lines where `lines` has one. Throws EncodingError. */
export function formatProgram(
  program: readonly Instruction[],
  lines: readonly LineAt[] = [],
): string {
  const encoded = encode(program, { longJumps: true })
  const printed: string[] = []
  const sources = new Map(lines.map((line) => [line.slot, line]))
  for (const [i, instruction] of program.entries()) {
    const slot = encoded.slots[i]!
    if (instruction.kind === 'label') {
      printed.push(`${instruction.name}:`)
      continue
    }
    const source = sources.get(slot)
    if (source !== undefined) {
      const { file, line, text } = source
      printed.push(`; ${text.trim()} @ ${file.split('/').at(-1)}:${line}`)
    }
    const opcode = encoded.bytes[slot * SLOT_SIZE]!.toString(16).padStart(2, '0')
    const text = formatInstruction(instruction, distanceOf(encoded, slot))
    printed.push(`${String(slot).padStart(4)}: (${opcode}) ${text}`)
  }
  return printed.map((line) => `${line}\n`).join('')
}

/** One instruction; `distance` is that of its target, if it has one. */
export function formatInstruction(instruction: Instruction, distance = 0): string {
  switch (instruction.kind) {
    case 'alu':
      return formatAlu(instruction)
    case 'negate': {
      const dst = half(instruction.dst, instruction.width)
      return `${dst} = -${dst}`
    }
    case 'swap':
      return `${instruction.dst} = ${instruction.op}${instruction.bits} ${instruction.dst}`
    case 'load':
      return `${instruction.dst} = ${formatMemory(instruction.from)}`
    case 'store':
      return `${formatMemory(instruction.to)} = ${instruction.src}`
    case 'atomic':
      return formatAtomic(instruction)
    case 'constant64':
      return `${instruction.dst} = 0x${instruction.value.toString(16)}`
    case 'mapPointer':
      return `${instruction.dst} = map[${instruction.by}:${instruction.map}]`
    case 'mapValue':
      return `${instruction.dst} = map[${instruction.by}:${instruction.map}][0]+${instruction.offset}`
    case 'label':
      return `${instruction.name}:`
    case 'raw': {
      const { dst, src, offset, immediate } = instruction
      return `raw dst ${dst} src ${src} offset ${offset} immediate ${immediate}`
    }
    default:
      return formatControl(instruction, `pc${distance < 0 ? '' : '+'}${distance}`)
  }
}

type Control = Extract<
  Instruction,
  {
    kind:
      | 'functionPointer'
      | 'jump'
      | 'branch'
      | 'mayGoto'
      | 'call'
      | 'callFunction'
      | 'callKernel'
      | 'exit'
  }
>

function formatControl(instruction: Control, target: string): string {
  switch (instruction.kind) {
    case 'functionPointer':
      return `${instruction.dst} = func ${target}`
    case 'jump':
      return `goto ${target}`
    case 'branch':
      return `if ${formatTest(instruction)} goto ${target}`
    case 'mayGoto':
      return `may_goto ${target}`
    case 'call': {
      const name = HELPERS.get(instruction.helper)
      return name === undefined
        ? `call unknown#${instruction.helper}`
        : `call bpf_${name}#${instruction.helper}`
    }
    case 'callFunction':
      return `call ${target}`
    case 'callKernel':
      return `call kernel-function#${instruction.btfId}`
    case 'exit':
      return 'exit'
  }
}

function formatAlu({ width, op, dst, src }: Alu): string {
  const right = typeof src === 'number' ? String(src) : half(src, width)
  return `${half(dst, width)} ${ALU_SIGNS[op]} ${right}`
}

function formatTest({ width, left, test, right }: Branch): string {
  return `${half(left, width)} ${TEST_SIGNS[test]} ${formatCompared(right, width)}`
}

function formatCompared(right: Operand, width: 32 | 64): string {
  return typeof right === 'number' ? `0x${(right >>> 0).toString(16)}` : half(right, width)
}

function formatAtomic({ op, fetch, at, src }: Atomic): string {
  const pointer = `(u${8 * at.bytes} *)(${formatPlace(at)})`
  const atomic = at.bytes === 8 ? 'atomic64' : 'atomic'
  if (op === 'compareExchange') return `r0 = ${atomic}_cmpxchg(${pointer}, r0, ${src})`
  if (op === 'exchange') return `${src} = ${atomic}_xchg(${pointer}, ${src})`
  if (fetch) return `${src} = ${atomic}_fetch_${op}(${pointer}, ${src})`
  return `lock *${pointer} ${ATOMIC_SIGNS[op]} ${src}`
}

function formatMemory(memory: Memory): string {
  return `*(u${8 * memory.bytes} *)(${formatPlace(memory)})`
}

function formatPlace({ base, offset }: Memory): string {
  return `${base} ${offset < 0 ? '' : '+'}${offset}`
}

function half(register: Register, width: 32 | 64): string {
  return width === 64 ? register : register.replace('r', 'w')
}

/** As the bytes say it. */
function distanceOf({ bytes }: Encoded, slot: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + slot * SLOT_SIZE, SLOT_SIZE)
  const opcode = view.getUint8(0)
  const isWide =
    opcode === Opcode.constant64 || opcode === Opcode.call || opcode === Opcode.longJump
  return isWide ? view.getInt32(4, true) : view.getInt16(2, true)
}
