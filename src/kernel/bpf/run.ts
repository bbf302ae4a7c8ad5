/**
 * Runs a loaded program on a frame of ours, with no interface in it (BPF_PROG_TEST_RUN).
 *
 *      frame, context ──► program ──► verdict, frame, context, time
 *
 * A program for XDP sees struct xdp_md, one for tc struct __sk_buff; what may be set of either is named here. The
 * kernel takes frames from 14 bytes up to a page less its own head and tail room, some 3.5 KiB.
 *
 * Repeated runs get the frame as the run before left it. Follows net/bpf/test_run.c.
 */
import { viewOf } from '../../base/bytes.ts'
import { assert } from '../../base/assert.ts'
import { BpfAttributes, callBpf, Command } from './call.ts'
import type { ProgramType } from './program.ts'

/** What a program may be told beside the frame. */
export interface RunContext {
  /** tc: where the frame came in, by index; any number. XDP: an interface of this network namespace. */
  readonly ingressIndex?: number
  /** tc: the interface the program is attached to, which must exist in this network namespace. */
  readonly interfaceIndex?: number
  /** XDP: the receive queue. */
  readonly queueIndex?: number
  /** tc: bytes of TCP payload in each segment of a frame that is to be cut yet; and how many segments. */
  readonly gsoSize?: number
  readonly gsoSegments?: number
  readonly mark?: number
  readonly priority?: number
}

export interface RunResult {
  /** What the program returned. */
  readonly verdict: number
  /** The frame afterwards: a view, valid until the next run. */
  readonly frame: Uint8Array
  /** Average of the runs. */
  readonly durationNs: number
  /** tc: skb->mark afterwards. */
  readonly mark: number
}

/** Room for what a program may put before and behind a frame. */
const GROWTH_MAX = 512
const FRAME_MAX = 4096
const ATTRIBUTES_SIZE = 80

/** struct __sk_buff and struct xdp_md, as far as they can be set. */
const SkBuff = {
  size: 192,
  mark: 8,
  priority: 32,
  ingressIndex: 36,
  interfaceIndex: 40,
  gsoSegments: 164,
  gsoSize: 176,
} as const
const XdpMd = { size: 24, dataEnd: 4, ingressIndex: 12, queueIndex: 16 } as const

/** One program's test bench: its buffers are used again and again. */
export class ProgramBench {
  readonly #program: number
  readonly #type: ProgramType
  readonly #in = new Uint8Array(FRAME_MAX)
  readonly #out = new Uint8Array(FRAME_MAX + GROWTH_MAX)
  readonly #contextIn: Uint8Array
  readonly #contextOut: Uint8Array
  readonly #attributes = new BpfAttributes(ATTRIBUTES_SIZE)

  /** `program` is the descriptor of a program of that type; it stays the caller's. */
  constructor(program: number, type: ProgramType) {
    this.#program = program
    this.#type = type
    const size = type === 'tc' ? SkBuff.size : XdpMd.size
    this.#contextIn = new Uint8Array(size)
    this.#contextOut = new Uint8Array(size)
    this.#attributes.pointer(16, this.#in).pointer(24, this.#out)
    this.#attributes.pointer(48, this.#contextIn).pointer(56, this.#contextOut)
  }

  /** Throws KernelError: EINVAL for a frame or context that the kernel does not take. */
  run(frame: Uint8Array, context: RunContext = {}, repeat = 1): RunResult {
    assert(frame.length <= FRAME_MAX, `a frame of ${frame.length} bytes is too long for a test run`)
    this.#in.set(frame)
    this.#setContext(context, frame.length)
    const size = this.#contextIn.length
    this.#attributes
      .u32(0, this.#program)
      .u32(4, 0)
      .u32(8, frame.length)
      .u32(12, this.#out.length)
      .u32(32, repeat)
      .u32(36, 0)
      .u32(40, size)
      .u32(44, size)
    callBpf('run BPF program', Command.programRun, this.#attributes)
    return {
      verdict: this.#attributes.readU32(4),
      frame: this.#out.subarray(0, this.#attributes.readU32(12)),
      durationNs: this.#attributes.readU32(36),
      mark: this.#type === 'tc' ? viewOf(this.#contextOut).getUint32(SkBuff.mark, true) : 0,
    }
  }

  #setContext(context: RunContext, length: number): void {
    const view = viewOf(this.#contextIn)
    const set = (at: number, value: number | undefined) => view.setUint32(at, value ?? 0, true)
    if (this.#type === 'tc') {
      set(SkBuff.mark, context.mark)
      set(SkBuff.priority, context.priority)
      set(SkBuff.ingressIndex, context.ingressIndex)
      set(SkBuff.interfaceIndex, context.interfaceIndex)
      set(SkBuff.gsoSegments, context.gsoSegments)
      set(SkBuff.gsoSize, context.gsoSize)
      return
    }
    set(XdpMd.dataEnd, length)
    set(XdpMd.ingressIndex, context.ingressIndex)
    set(XdpMd.queueIndex, context.queueIndex)
  }
}
