/**
 * Who runs small programs: V8, the interpreter of the intermediate form, and this kernel; and the comparison of what
 * came out.
 */
import assert from 'node:assert/strict'
import type { Artefact } from '../../src/bpf/artefact.ts'
import type { IrProgram } from '../../src/compiler/ir/ir.ts'
import { setNow, setSeed } from '../../src/subset/clock.ts'
import { Packet } from '../../src/subset/packet.ts'
import { allocateTables, type AnyTable, type TableSet } from '../../src/subset/table.ts'
import { Interpreter } from './interpreter.ts'
import { KernelProgram } from './kernel-program.ts'
import type { Loaded } from './small-program.ts'

/** Room before a frame, as much as an XDP program has for encapsulations of ours. */
const START = 256
const MEMORY = 4096

export interface Input {
  readonly frame: Uint8Array
  readonly ticks: number
  /** Not 0. */
  readonly seed: number
}

export interface Engine {
  readonly name: string
  readonly tables: TableSet
  /** What the program returned, and the frame as it left it. */
  run(input: Input): { readonly result: number; readonly frame: Uint8Array }
}

class JavaScript implements Engine {
  readonly name: string
  readonly tables: TableSet
  readonly #memory = new Uint8Array(MEMORY)
  readonly #packet = new Packet()
  readonly #run: (packet: Packet) => number
  readonly #own: readonly DataView[]

  /** `own`: emptied before each frame. */
  constructor(
    name: string,
    tables: readonly AnyTable[],
    run: (packet: Packet) => number,
    own: readonly DataView[] = [],
  ) {
    this.name = name
    this.#own = own
    this.tables = allocateTables(tables)
    this.#run = run
  }

  run({ frame, ticks, seed }: Input) {
    const packet = this.#packet
    for (const { buffer } of this.#own) new Uint8Array(buffer).fill(0)
    this.#memory.fill(0)
    this.#memory.set(frame, START)
    const bytes = new DataView(this.#memory.buffer)
    packet.point(bytes, START, frame.length, START - 128, START + frame.length + 128)
    packet.ingress = 1
    this.tables.use()
    setNow(ticks)
    setSeed(seed)
    const result = this.#run(packet) >>> 0
    return { result, frame: this.#memory.slice(packet.start, packet.start + packet.length) }
  }
}

export function inV8({ run, tables, own }: Loaded): Engine {
  return new JavaScript('V8', tables, run, own)
}

/** `program`: before `expand`. */
export function interpreted(name: string, program: IrProgram, { tables }: Loaded): Engine {
  const interpreter = new Interpreter(program, tables)
  return new JavaScript(name, tables, (packet) => interpreter.run(packet))
}

/** Close it. */
export class InKernel implements Engine {
  readonly name: string
  readonly tables: TableSet
  readonly #program: KernelProgram

  constructor(artefact: Artefact, { tables }: Loaded) {
    this.name = `the kernel (${artefact.attachment})`
    this.#program = new KernelProgram(artefact, tables)
    this.tables = this.#program.tables
  }

  run({ frame, ticks, seed }: Input) {
    this.#program.leaveBehind(0)
    const { verdict, frame: after } = this.#program.run(frame, 1, { ticks, seed: seed | 0 })
    return { result: verdict >>> 0, frame: after }
  }

  close(): void {
    this.#program.close()
  }
}

/** Every engine gives the same result, frame and tables for each input. */
export function compareEngines(
  [first, ...others]: readonly [Engine, ...Engine[]],
  tables: readonly AnyTable[],
  inputs: readonly Input[],
  where: string,
): void {
  inputs.forEach((input, i) => {
    const at = `${where}, input ${i}: ${Buffer.from(input.frame).toString('hex')}`
    const want = stateAfter(first, tables, input)
    for (const other of others) {
      const got = stateAfter(other, tables, input)
      if (got !== want) assert.equal(got, want, `${other.name} is not as ${first.name}; ${at}`)
    }
  })
}

function stateAfter(engine: Engine, tables: readonly AnyTable[], input: Input): string {
  const { result, frame } = engine.run(input)
  const contents = tables.map((one) => {
    const { bytes, base, capacity } = engine.tables.memoryOf(one)
    const length = capacity * one.struct.size
    return `${one.name} ${Buffer.from(bytes.buffer, bytes.byteOffset + base, length).toString('hex')}`
  })
  return [`result ${result}`, `frame ${Buffer.from(frame).toString('hex')}`, ...contents].join('\n')
}
