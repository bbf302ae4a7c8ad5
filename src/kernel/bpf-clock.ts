/**
 * The kernel's jiffies, which the packet path counts time in, and how many there are in a second (HZ): no file says
 * either, but a program can read them.
 *
 * Jiffies begin 300 seconds before 2^32, so that overflows show early (INITIAL_JIFFIES, include/linux/jiffies.h), and
 * go on with CLOCK_MONOTONIC: one look at both tells HZ, unless the machine has been up for just 300 seconds.
 */
import { encode } from '../bpf/encode.ts'
import * as bpf from '../bpf/instruction.ts'
import { createMap, lookupElement } from './bpf-map.ts'
import { loadProgram } from './bpf-program.ts'
import { ProgramBench } from './bpf-run.ts'
import { close } from './ffi.ts'

/** What kernels are built with. */
const HERTZ = [100, 250, 300, 1000, 24, 48, 128, 200, 256, 500, 512, 1024, 1200]
const Helper = { now: 5, jiffies: 118 } as const
const FIRST_S = 300
/** Jiffies by which a look at both clocks may be off: one that a busy CPU did not count yet, and some. */
const TOLERANCE = 8
const PAUSE_MS = 100

export interface JiffiesSample {
  readonly jiffies: number
  /** CLOCK_MONOTONIC, seconds. */
  readonly seconds: number
}

/** Reads both clocks whenever it is asked; to be closed. Throws KernelError where BPF is not permitted. */
export class JiffiesClock {
  readonly #map: number
  readonly #program: number
  readonly #bench: ProgramBench

  constructor() {
    this.#map = createMap({ type: 'array', name: 'clock', valueSize: 16, entries: 1 })
    const { r0, r6 } = bpf
    const { bytes } = encode([
      bpf.mapValue(r6, 'index', 0, 0),
      bpf.call(Helper.jiffies),
      bpf.store(bpf.u64(r6, 0), r0),
      bpf.call(Helper.now),
      bpf.store(bpf.u64(r6, 8), r0),
      bpf.move32(r0, 0),
      bpf.exit(),
    ])
    const image = { type: 'xdp', name: 'clock', instructions: bytes, maps: [this.#map] } as const
    this.#program = loadProgram(image).fd
    this.#bench = new ProgramBench(this.#program, 'xdp')
  }

  read(): JiffiesSample {
    this.#bench.run(FRAME)
    const value = lookupElement(this.#map, 0, 16)
    const view = new DataView(value.buffer, value.byteOffset)
    return {
      jiffies: Number(view.getBigUint64(0, true)),
      seconds: Number(view.getBigUint64(8, true)) / 1e9,
    }
  }

  /** Jiffies a second. */
  hertz(): number {
    const first = this.read()
    const likely = HERTZ.filter((one) => Math.abs(first.jiffies - expected(first, one)) < TOLERANCE)
    if (likely.length === 1) return likely[0]!
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
    const second = this.read()
    const rate = (second.jiffies - first.jiffies) / (second.seconds - first.seconds)
    return HERTZ.reduce((a, b) => (Math.abs(a / rate - 1) <= Math.abs(b / rate - 1) ? a : b))
  }

  close(): void {
    close(this.#program)
    close(this.#map)
  }
}

const FRAME = new Uint8Array(64)

function expected({ seconds }: JiffiesSample, hertz: number): number {
  return 2 ** 32 + (seconds - FIRST_S) * hertz
}
