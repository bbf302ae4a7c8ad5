/**
 * The engine's part under tc: struct __sk_buff, its helpers, its verdicts (uapi/linux/bpf.h, pkt_cls.h).
 *
 * Of a frame only its first part may lie where a program can read it; so much as the packet path looks at is made
 * readable at the beginning. A VLAN tag may have been taken off by hardware: such a frame is not ours, as with the
 * tag in it.
 */
import { NEIGHBOUR } from './area.ts'
import type { Writer } from './expand.ts'
import { immediate, type Operand, type Register } from './ir.ts'
import { helper, succeeded } from './target-xdp.ts'

const Context = {
  length: 0,
  vlanPresent: 20,
  interface: 40,
  data: 76,
  dataEnd: 80,
  segmentSize: 176,
} as const
const Helper = {
  redirect: 23,
  changeTail: 38,
  pullData: 39,
  adjustRoom: 50,
  redirectNeighbour: 152,
}
const Verdict = { next: -1, drop: 2 } as const
/** BPF_ADJ_ROOM_MAC */
const BEHIND_ETHERNET = 1
/** Bytes from the frame's beginning that the packet path may look at, but for answers, which it makes itself. */
const READABLE = 256
const AddressFamily = { ipv4: 2, ipv6: 10 } as const

/** Makes the beginning of the frame readable; leaves tagged frames to the host. */
export function enterTc(writer: Writer): void {
  const { code } = writer
  const untagged = code.label('untagged')
  branch(writer, field(writer, Context.vlanPresent), 'equal', immediate(0), untagged)
  code.add({ op: 'return', value: immediate(Verdict.next) })
  code.mark(untagged)
  const readable = code.label('readable')
  const data = field(writer, Context.data)
  const end = field(writer, Context.dataEnd)
  const wanted = alu(writer, 'add', data, immediate(READABLE))
  branch(writer, wanted, 'lessOrEqual', end, readable)
  const linear = alu(writer, 'subtract', end, data)
  const length = field(writer, Context.length)
  branch(writer, linear, 'greaterOrEqual', length, readable)
  const bytes = code.copy(length)
  const short = code.label('short')
  branch(writer, bytes, 'less', immediate(READABLE), short)
  code.add({ op: 'move', to: bytes, from: immediate(READABLE) })
  code.mark(short)
  helper(writer, Helper.pullData, [writer.context, bytes])
  code.mark(readable)
}

export function expandForTc(writer: Writer, name: string, values: readonly Operand[]): Operand {
  switch (name) {
    case 'packet.length':
      return field(writer, Context.length)
    case 'packet.ingress':
      return field(writer, Context.interface)
    case 'packet.segmentSize':
      return field(writer, Context.segmentSize)
    case 'packet.hasPartialChecksum':
      return immediate(0)
    case 'packet.encapsulate':
      return adjustRoom(writer, values[0]!, values[1]!)
    case 'packet.decapsulate': {
      const zero = writer.code.copy(immediate(0))
      return adjustRoom(writer, alu(writer, 'subtract', zero, values[0]!), immediate(0))
    }
    case 'packet.adjustTail': {
      const length = alu(writer, 'add', field(writer, Context.length), values[0]!)
      const wanted = [writer.context, length, immediate(0)]
      return succeeded(writer, helper(writer, Helper.changeTail, wanted))
    }
    case 'pass':
      return immediate(Verdict.next)
    case 'drop':
      return immediate(Verdict.drop)
    case 'redirect':
      return helper(writer, Helper.redirect, [values[0]!, immediate(0)])
    case 'hold':
      return redirectToNeighbour(writer, values)
    default:
      throw new Error(`no tc program can ${name}`)
  }
}

function adjustRoom(writer: Writer, bytes: Operand, flags: Operand): Register {
  const values = [writer.context, bytes, immediate(BEHIND_ETHERNET), flags]
  return succeeded(writer, helper(writer, Helper.adjustRoom, values))
}

/** The kernel resolves the neighbour and keeps the frame meanwhile (struct bpf_redir_neigh). */
function redirectToNeighbour(writer: Writer, values: readonly Operand[]): Register {
  const { code, area } = writer
  const [egress, ...words] = values as [Operand, ...Operand[]]
  const [ipv4, known] = [code.label('ipv4'), code.label('known')]
  const store = (at: number, value: Operand) =>
    code.add({ op: 'store', bytes: 4, base: area, offset: NEIGHBOUR + at, value })
  const big = (from: Operand): Register => {
    const to = code.register()
    code.add({ op: 'swap', bits: 32, to, from })
    return to
  }
  const other = code.label('ipv6')
  branch(writer, code.inRegister(words[0]!), 'unequal', immediate(0), other)
  branch(writer, code.inRegister(words[1]!), 'unequal', immediate(0), other)
  branch(writer, code.inRegister(words[2]!), 'equal', immediate(0xffff), ipv4)
  code.mark(other)
  store(0, immediate(AddressFamily.ipv6))
  words.forEach((word, i) => store(4 + 4 * i, big(word)))
  code.jump(known)
  code.mark(ipv4)
  store(0, immediate(AddressFamily.ipv4))
  store(4, big(words[3]!))
  code.mark(known)
  const parameters = alu(writer, 'add', area, immediate(NEIGHBOUR))
  const size = immediate(NEIGHBOUR_BYTES)
  return helper(writer, Helper.redirectNeighbour, [egress, parameters, size, immediate(0)])
}

/** sizeof(struct bpf_redir_neigh) */
const NEIGHBOUR_BYTES = 20

function field({ code, context }: Writer, offset: number): Register {
  const to = code.register()
  code.add({ op: 'context', bytes: 4, to, context, offset })
  return to
}

function alu(
  { code }: Writer,
  operator: 'add' | 'subtract',
  left: Operand,
  right: Operand,
): Register {
  const to = code.register()
  code.add({ op: 'alu', operator, width: 64, to, left, right })
  return to
}

function branch(
  { code }: Writer,
  left: Register,
  test: 'equal' | 'unequal' | 'less' | 'lessOrEqual' | 'greaterOrEqual',
  right: Operand,
  label: string,
): void {
  code.add({ op: 'branch', test, width: 64, left, right, label })
}
