/**
 * The engine's part under tc: struct __sk_buff, its helpers, its verdicts (uapi/linux/bpf.h, pkt_cls.h).
 *
 * Of a frame only its first part may lie where a program can read it; so much as the packet path looks at is made
 * readable at the beginning. A VLAN tag may have been taken off by hardware: such a frame is not ours, as with the
 * tag in it.
 */
import { NEIGHBOUR, PARTIAL } from './area.ts'
import type { Writer } from './expand.ts'
import { immediate, type Operand, type Register } from '../ir/ir.ts'
import { helper, succeeded, WORD_BYTES, WORD_MARK } from './xdp.ts'

const Context = {
  length: 0,
  vlanPresent: 20,
  interface: 40,
  data: 76,
  dataEnd: 80,
  metadata: 140,
  segmentSize: 176,
} as const
const Helper = {
  replaceChecksum: 11,
  redirect: 23,
  changeTail: 38,
  pullData: 39,
  adjustRoom: 50,
  redirectNeighbour: 152,
} as const
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
  const [readable, pulled] = [code.label('readable'), code.label('pulled')]
  const data = field(writer, Context.data)
  const end = field(writer, Context.dataEnd)
  const wanted = alu(writer, 'add', data, immediate(READABLE))
  branch(writer, wanted, 'lessOrEqual', end, readable)
  const linear = alu(writer, 'subtract', end, data)
  const length = field(writer, Context.length)
  branch(writer, linear, 'greaterOrEqual', length, readable)
  unlessHeadersAreReadable(writer, linear, pulled)
  code.jump(readable)
  code.mark(pulled)
  const bytes = code.copy(length)
  const short = code.label('short')
  branch(writer, bytes, 'less', immediate(READABLE), short)
  code.add({ op: 'move', to: bytes, from: immediate(READABLE) })
  code.mark(short)
  helper(writer, Helper.pullData, [writer.context, bytes])
  code.mark(readable)
  const isAsked = writer.wants('packet.askChecksum')
  if (writer.wants('packet.hasPartialChecksum') && !isAsked) notePartial(writer)
}

/** Where the headers of a TCP segment lie, in IPv4 without options and in IPv6 without extensions. */
const TYPE = 12
const V4 = { type: 0x0800, first: 14, fragment: 20, protocol: 23, tcp: 34 } as const
const V6 = { type: 0x86dd, protocol: 20, tcp: 54 } as const
const TCP = { number: 6, offset: 12, bytesMin: 20 } as const

/**
 * A TCP segment whose headers can be read, and nothing behind them, is as most stacks and drivers make it: of it the
 * packet path looks at no more. It stays as it is. More of it would have to be copied, header and list of pages with
 * it where it is shared with its sender, and the receiver could not join what has payload beside its pages.
 */
function unlessHeadersAreReadable(writer: Writer, linear: Register, otherwise: string): void {
  const { code } = writer
  const base = writer.frame(immediate(0), V4.tcp + TCP.bytesMin, otherwise)
  const load = (bytes: 1 | 2, offset: number, from = base): Register => {
    const to = code.register()
    code.add({ op: 'load', bytes, to, base: from, offset })
    return to
  }
  const [v6, known] = [code.label('v6'), code.label('known')]
  const type = load(2, TYPE)
  branch(writer, type, 'unequal', immediate(swap16(V4.type)), v6)
  branch(writer, load(1, V4.first), 'unequal', immediate(0x45), otherwise)
  branch(writer, load(1, V4.protocol), 'unequal', immediate(TCP.number), otherwise)
  const fragment = alu(writer, 'and', load(2, V4.fragment), immediate(swap16(0x3fff)))
  branch(writer, fragment, 'unequal', immediate(0), otherwise)
  unlessTcpFits(writer, linear, load(1, V4.tcp + TCP.offset), V4.tcp, otherwise)
  code.jump(known)
  code.mark(v6)
  branch(writer, type, 'unequal', immediate(swap16(V6.type)), otherwise)
  branch(writer, load(1, V6.protocol), 'unequal', immediate(TCP.number), otherwise)
  const whole = writer.frame(immediate(0), V6.tcp + TCP.bytesMin, otherwise)
  unlessTcpFits(writer, linear, load(1, V6.tcp + TCP.offset, whole), V6.tcp, otherwise)
  code.mark(known)
}

/** `word`: the byte that begins with the TCP header's length. */
function unlessTcpFits(
  writer: Writer,
  linear: Register,
  word: Register,
  at: number,
  otherwise: string,
): void {
  // Four times its upper half.
  const header = alu(writer, 'shr', alu(writer, 'and', word, immediate(0xf0)), immediate(2))
  const headers = alu(writer, 'add', header, immediate(at))
  branch(writer, headers, 'greater', linear, otherwise)
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8)
}

/** The EtherType, which no sum of ours covers. */
const TRIED = 12

/**
 * Is the transport checksum left to hardware? No field of the context says so, but a helper does nothing then: it is
 * asked to change another field, which is written back. Only where somebody will want to know: at the beginning, or
 * where the program asks.
 */
function notePartial(writer: Writer): void {
  const { code, area } = writer
  const [known, whole] = [code.label('known'), code.label('whole')]
  const store = (value: Operand) =>
    code.add({ op: 'store', bytes: 4, base: area, offset: PARTIAL, value })
  const read = () => {
    const to = code.register()
    const base = writer.frame(immediate(0), TRIED + 2, known)
    code.add({ op: 'load', bytes: 2, to, base, offset: TRIED })
    return to
  }
  store(immediate(0))
  const before = read()
  const values = [TRIED, 0, 1, 2].map((value) => immediate(value))
  helper(writer, Helper.replaceChecksum, [writer.context, ...values])
  branch(writer, read(), 'unequal', before, whole)
  store(immediate(1))
  code.jump(known)
  code.mark(whole)
  // As it was; changing it back by the helper would make 0xffff, which also is a zero, the other one.
  const base = writer.frame(immediate(0), TRIED + 2, known)
  code.add({ op: 'store', bytes: 2, base, offset: TRIED, value: before })
  code.mark(known)
}

export function expandForTc(writer: Writer, name: string, values: readonly Operand[]): Operand {
  switch (name) {
    case 'packet.length':
      return field(writer, Context.length)
    case 'packet.ingress':
      return field(writer, Context.interface)
    case 'packet.segmentSize':
      return field(writer, Context.segmentSize)
    case 'packet.hasPartialChecksum': {
      const to = writer.code.register()
      const base = writer.area
      writer.code.add({ op: 'load', bytes: 4, to, base, offset: PARTIAL })
      return to
    }
    case 'packet.encapsulate':
      return adjustRoom(writer, values[0]!, values[1]!)
    case 'packet.decapsulate': {
      const zero = writer.code.copy(immediate(0))
      return adjustRoom(writer, alu(writer, 'subtract', zero, values[0]!), values[1]!)
    }
    case 'packet.adjustTail': {
      const length = alu(writer, 'add', field(writer, Context.length), values[0]!)
      const wanted = [writer.context, length, immediate(0)]
      return succeeded(writer, helper(writer, Helper.changeTail, wanted))
    }
    case 'packet.askChecksum':
      notePartial(writer)
      return immediate(1)
    case 'packet.makeReadable': {
      const wanted = [writer.context, field(writer, Context.length)]
      return succeeded(writer, helper(writer, Helper.pullData, wanted))
    }
    case 'pass':
      return immediate(Verdict.next)
    case 'drop':
      return immediate(Verdict.drop)
    case 'isXdp':
      return immediate(0)
    case 'resume':
      return resume(writer)
    case 'redirect':
    case 'redirectLater':
    case 'sendBack':
      return helper(writer, Helper.redirect, [values[0]!, immediate(0)])
    case 'hold':
      return redirectToNeighbour(writer, values)
    default:
      throw new Error(`the language has no ${name}() that a tc program lacks`)
  }
}

function adjustRoom(writer: Writer, bytes: Operand, flags: Operand): Register {
  const values = [writer.context, bytes, immediate(BEHIND_ETHERNET), flags]
  return succeeded(writer, helper(writer, Helper.adjustRoom, values))
}

/** What an XDP program left word of (target-xdp.ts), and nothing else. */
function resume(writer: Writer): Register {
  const { code } = writer
  const verdict = code.copy(immediate(Verdict.next))
  const [end, held] = [code.label('end'), code.label('held')]
  const word = field(writer, Context.metadata)
  const behind = alu(writer, 'add', word, immediate(WORD_BYTES))
  branch(writer, behind, 'greater', field(writer, Context.data), end)
  const [mark, ...values] = Array.from({ length: 6 }, (_, i) => {
    const to = code.register()
    code.add({ op: 'load', bytes: 4, to, base: word, offset: 4 * i })
    return to
  }) as [Register, Register, ...Register[]]
  branch(writer, mark, 'unequal', immediate(WORD_MARK), end)
  for (const value of values.slice(1)) branch(writer, value, 'unequal', immediate(0), held)
  const straight = helper(writer, Helper.redirect, [values[0]!, immediate(0)])
  code.add({ op: 'move', to: verdict, from: straight })
  code.jump(end)
  code.mark(held)
  code.add({ op: 'move', to: verdict, from: redirectToNeighbour(writer, values) })
  code.mark(end)
  return verdict
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
  operator: 'add' | 'subtract' | 'and' | 'shr',
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
  test: 'equal' | 'unequal' | 'less' | 'lessOrEqual' | 'greater' | 'greaterOrEqual',
  right: Operand,
  label: string,
): void {
  code.add({ op: 'branch', test, width: 64, left, right, label })
}
