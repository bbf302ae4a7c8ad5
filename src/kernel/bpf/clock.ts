/**
 * The kernel's jiffies, which the packet path counts time in, beside the clock that this process can read: no file says
 * how many there are, but a program can read them. How many a second has: tick.ts.
 *
 * They begin 300 seconds before 2^32, so that overflows show early (INITIAL_JIFFIES, include/linux/jiffies.h), and go
 * on with CLOCK_MONOTONIC, but not to the tick: a machine that starts slowly, or stood still, has lost some.
 */
import { encode } from '../../bpf/encode.ts'
import * as bpf from '../../bpf/instruction.ts'
import { createMap, lookupElement } from './map.ts'
import { loadProgram } from './program.ts'
import { ProgramBench } from './run.ts'
import { close } from '../ffi.ts'

const Helper = { now: 5, jiffies: 118 } as const

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

  close(): void {
    close(this.#program)
    close(this.#map)
  }
}

const FRAME = new Uint8Array(64)
