/**
 * The engine's part under XDP: struct xdp_md, its helpers, its verdicts (uapi/linux/bpf.h).
 */
import type { Writer } from './expand.ts'
import { immediate, type Operand, type Register } from '../ir/ir.ts'
import { Unfit } from './unfit.ts'

const Context = { data: 0, dataEnd: 4, metadata: 8, ingress: 12 } as const
const Helper = { redirect: 23, adjustHead: 44, adjustMetadata: 54, adjustTail: 65 } as const
const Verdict = { drop: 1, pass: 2, transmit: 3 } as const
const ETHERNET_BYTES = 14

export function expandForXdp(writer: Writer, name: string, values: readonly Operand[]): Operand {
  const { code } = writer
  switch (name) {
    case 'packet.length':
      return length(writer)
    case 'packet.ingress':
      return field(writer, Context.ingress)
    case 'packet.segmentSize':
    case 'packet.hasPartialChecksum':
      return immediate(0)
    case 'packet.encapsulate':
      return moveHead(writer, values[0]!, true)
    case 'packet.decapsulate':
      return moveHead(writer, values[0]!, false)
    case 'packet.adjustTail': {
      const to = helper(writer, Helper.adjustTail, [writer.context, values[0]!])
      return succeeded(writer, to)
    }
    case 'packet.makeReadable':
      return immediate(1)
    case 'pass':
      return immediate(Verdict.pass)
    case 'drop':
      return immediate(Verdict.drop)
    case 'isXdp':
      return immediate(1)
    case 'hold':
      return leaveWord(writer, values)
    case 'redirectLater': {
      const nowhere = [0, 0, 0, 0].map((word) => immediate(word))
      return leaveWord(writer, [values[0]!, ...nowhere])
    }
    case 'sendBack':
      return immediate(Verdict.transmit)
    case 'redirect':
      return helper(writer, Helper.redirect, [values[0]!, immediate(0)])
    default:
      throw new Unfit(code.origin, `no XDP program can ${name}()`, 'a program for tc')
  }
}

/** What is left in front of a frame for the companion: a mark, egress, four words of the neighbour's address. */
export const WORD_BYTES = 24
export const WORD_MARK = 0x51757ce5

/** Leaves word of where the frame is to go, and passes it up, where the companion (target-tc.ts) finds both. */
function leaveWord(writer: Writer, values: readonly Operand[]): Register {
  const { code, context } = writer
  const verdict = code.copy(immediate(Verdict.drop))
  const end = code.label('left')
  const unless = (left: Register, test: 'unequal' | 'greater', right: Operand) =>
    code.add({ op: 'branch', test, width: 64, left, right, label: end })
  unless(
    helper(writer, Helper.adjustMetadata, [context, immediate(-WORD_BYTES)]),
    'unequal',
    immediate(0),
  )
  const base = field(writer, Context.metadata)
  const data = field(writer, Context.data)
  const behind = code.register()
  const right = immediate(WORD_BYTES)
  code.add({ op: 'alu', operator: 'add', width: 64, to: behind, left: base, right })
  unless(behind, 'greater', data)
  ;[immediate(WORD_MARK), ...values].forEach((value, i) =>
    code.add({ op: 'store', bytes: 4, base, offset: 4 * i, value }),
  )
  code.add({ op: 'move', to: verdict, from: immediate(Verdict.pass) })
  code.mark(end)
  return verdict
}

function field({ code, context }: Writer, offset: number): Register {
  const to = code.register()
  code.add({ op: 'context', bytes: 4, to, context, offset })
  return to
}

function length(writer: Writer): Register {
  const { code } = writer
  const right = field(writer, Context.data)
  const left = field(writer, Context.dataEnd)
  const to = code.register()
  code.add({ op: 'alu', operator: 'subtract', width: 64, to, left, right })
  return to
}

export function helper({ code }: Writer, number: number, values: readonly Operand[]): Register {
  const to = code.register()
  code.add({ op: 'helper', helper: number, arguments: values, to })
  return to
}

/** 1 if a helper gave 0. */
export function succeeded({ code }: Writer, result: Register): Register {
  return code.truth((yes, no) => {
    const right = immediate(0)
    code.add({ op: 'branch', test: 'equal', width: 64, left: result, right, label: yes })
    code.jump(no)
  })
}

/** Moves the frame's head and the Ethernet header with it. */
function moveHead(writer: Writer, bytes: Operand, isGrowing: boolean): Register {
  const { code } = writer
  return code.truth((yes, no) => {
    const old = writer.frame(immediate(0), ETHERNET_BYTES, no)
    const header = ([8, 4, 2] as const).map((size, i) => {
      const to = code.register()
      code.add({ op: 'load', bytes: size, to, base: old, offset: PARTS[i]! })
      return to
    })
    let distance = bytes
    if (isGrowing) {
      distance = code.register()
      const left = code.copy(immediate(0))
      const right = bytes
      code.add({ op: 'alu', operator: 'subtract', width: 64, to: distance, left, right })
    }
    const result = helper(writer, Helper.adjustHead, [writer.context, distance])
    const right = immediate(0)
    code.add({ op: 'branch', test: 'unequal', width: 64, left: result, right, label: no })
    const base = writer.frame(immediate(0), ETHERNET_BYTES, no)
    ;([8, 4, 2] as const).forEach((size, i) =>
      code.add({ op: 'store', bytes: size, base, offset: PARTS[i]!, value: header[i]! }),
    )
    code.jump(yes)
  })
}

/** Where the parts of an Ethernet header begin that are moved at once. */
const PARTS = [0, 8, 12]
