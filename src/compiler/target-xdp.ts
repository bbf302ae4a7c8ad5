/**
 * The engine's part under XDP: struct xdp_md, its helpers, its verdicts (uapi/linux/bpf.h).
 */
import type { Writer } from './expand.ts'
import { immediate, type Operand, type Register } from './ir.ts'

const Context = { data: 0, dataEnd: 4, ingress: 12 } as const
const Helper = { redirect: 23, adjustHead: 44, adjustTail: 65 } as const
const Verdict = { drop: 1, pass: 2 } as const
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
    case 'pass':
      return immediate(Verdict.pass)
    case 'drop':
    case 'hold':
      return immediate(Verdict.drop)
    case 'redirect':
      return helper(writer, Helper.redirect, [values[0]!, immediate(0)])
    default:
      throw new Error(`no XDP program can ${name}; line ${code.operations.length}`)
  }
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
