/**
 * BPF programs: instructions given to the kernel, which proves them safe and compiles them.
 *
 * A program is a descriptor. It is refused with the verifier's log, which costs time and memory, so a program is first
 * tried without; only if the kernel says no it is asked once more, for the reasons. Debug information (src/bpf/btf.ts)
 * makes that log, and the tools that list programs, speak of our source lines.
 *
 * Follows kernel/bpf/syscall.c (bpf_prog_load), kernel/bpf/log.c.
 */
import { SLOT_SIZE } from '../../bpf/opcode.ts'
import { readRefusal } from '../../bpf/verifier-log.ts'
import { BpfAttributes, Command, hintOf, tryBpf } from './call.ts'
import { KernelError } from '../errno.ts'

/** enum bpf_prog_type */
const PROGRAM_TYPE = { tc: 3, xdp: 6 } as const
export type ProgramType = keyof typeof PROGRAM_TYPE

/** enum bpf_attach_type */
export const AttachType = { xdp: 37, tcxIngress: 46, tcxEgress: 47 } as const

export interface ProgramImage {
  readonly type: ProgramType
  /** At most 15 letters, digits, dots and underscores. */
  readonly name: string
  /** As encode.ts makes them. */
  readonly instructions: Uint8Array
  /** Descriptors of the maps that instructions name by index. */
  readonly maps?: readonly number[]
  readonly debug?: DebugInformation
  readonly licence?: string
  /** Of AttachType, where the attachment wants the program to have been loaded for it. */
  readonly attachType?: number
}

/** BTF that was loaded (`loadBtf`), and what it says of the instructions. */
export interface DebugInformation {
  readonly btf: number
  /** Records of struct bpf_func_info, one a function. */
  readonly functions: Uint8Array
  /** Records of struct bpf_line_info. */
  readonly lines: Uint8Array
}

export interface LoadOptions {
  /** 1: each instruction that branches; 2: each; 4: only how much work it was. Default: no log. */
  readonly logLevel?: number
}

export interface LoadedProgram {
  readonly fd: number
  /** What the verifier said at the level that was asked for; else empty. */
  readonly log: string
}

/** The verifier says no: `log` is what it printed. */
export class ProgramRefusal extends KernelError {
  readonly log: string

  constructor(what: string, errno: number, log: string) {
    super(what, errno, readRefusal(log).sentence)
    this.log = log
  }
}

const FUNCTION_RECORD_SIZE = 8
const LINE_RECORD_SIZE = 16
const ATTRIBUTES_SIZE = 144
const ENOSPC = 28
/**
 * Room for the log, and again. The log of a large program refused late is hundreds of megabytes: kernel 6.4
 * keeps its end, which is what counts.
 */
const LOG_SIZES = [1 << 18, (1 << 24) - 1]
/** Each instruction that branches, for a program that was refused. */
const LOG_STEPS = 1
/** Only what is wrong. */
const LOG_SENTENCES = 4
/** What the repository's licence is; kernel functions ("kfuncs") want one that goes with the GPL. */
const LICENCE = 'Apache-2.0'

/** Throws ProgramRefusal; KernelError where it is not about the program: EPERM, ENOMEM, ENOSYS, EBADF. */
export function loadProgram(image: ProgramImage, options: LoadOptions = {}): LoadedProgram {
  const level = options.logLevel ?? 0
  const load = (logLevel: number, log: Uint8Array) =>
    tryBpf(Command.programLoad, programAttributes(image, logLevel, log))
  return loadOrSayWhy(`load BPF program ${image.name}`, level, load)
}

/** A descriptor of BTF, which src/bpf/btf.ts makes. Throws ProgramRefusal, KernelError. */
export function loadBtf(bytes: Uint8Array): number {
  const load = (logLevel: number, log: Uint8Array) => {
    const attributes = new BpfAttributes(32).pointer(0, bytes).pointer(8, log)
    attributes.u32(16, bytes.length).u32(20, log.length).u32(24, logLevel)
    return tryBpf(Command.btfLoad, attributes)
  }
  return loadOrSayWhy('load BTF', 0, load).fd
}

function loadOrSayWhy(
  what: string,
  logLevel: number,
  load: (logLevel: number, log: Uint8Array) => number,
): LoadedProgram {
  const first = loadWithLog(logLevel, load)
  if (first.result >= 0) return { fd: first.result, log: first.log }
  const again = logLevel === 0 ? loadWithLog(LOG_STEPS, load) : first
  if (again.result >= 0) return { fd: again.result, log: '' }
  const errno = -(again.result === -ENOSPC ? first.result : again.result)
  if (again.log === '') throw new KernelError(what, errno, hintOf(errno))
  throw new ProgramRefusal(what, errno, again.log)
}

/** Once more with more room if the log did not fit; and once more without the steps if its end is missing. */
function loadWithLog(
  logLevel: number,
  load: (logLevel: number, log: Uint8Array) => number,
): { result: number; log: string } {
  let result = 0
  let log = new Uint8Array(0)
  for (const size of logLevel === 0 ? [0] : LOG_SIZES) {
    log = new Uint8Array(size)
    result = load(logLevel, log)
    if (result !== -ENOSPC) break
  }
  const text = textOf(log)
  if (result !== -ENOSPC || ENDS.test(text.slice(-500))) return { result, log: text }
  const end = new Uint8Array(LOG_SIZES[0]!)
  return { result: load(LOG_SENTENCES, end), log: `${text}\n${textOf(end)}` }
}

const ENDS = /^processed \d+ insns/m

function programAttributes(image: ProgramImage, logLevel: number, log: Uint8Array): BpfAttributes {
  const { debug, instructions, maps = [] } = image
  const attributes = new BpfAttributes(ATTRIBUTES_SIZE)
    .u32(0, PROGRAM_TYPE[image.type])
    .u32(4, instructions.length / SLOT_SIZE)
    .pointer(8, instructions)
    .path(16, image.licence ?? LICENCE)
    .u32(24, logLevel)
    .u32(28, log.length)
    .pointer(32, log)
    .name(48, image.name)
    .u32(68, image.attachType ?? 0)
    .pointer(120, new Uint8Array(Int32Array.from(maps).buffer))
  if (debug === undefined) return attributes
  return attributes
    .u32(72, debug.btf)
    .u32(76, FUNCTION_RECORD_SIZE)
    .pointer(80, debug.functions)
    .u32(88, debug.functions.length / FUNCTION_RECORD_SIZE)
    .u32(92, LINE_RECORD_SIZE)
    .pointer(96, debug.lines)
    .u32(104, debug.lines.length / LINE_RECORD_SIZE)
}

/** Up to the NUL. */
function textOf(log: Uint8Array): string {
  const end = log.indexOf(0)
  return Buffer.from(end < 0 ? log : log.subarray(0, end)).toString()
}
