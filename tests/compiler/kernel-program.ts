/**
 * A compiled program in this kernel: its tables in maps that this process has mapped, frames by test runs.
 */
import type { Artefact } from '../../src/bpf/artefact.ts'
import { AREA, createMaps, loadArtefact, type ProgramMap } from '../../src/kernel/bpf/artefact.ts'
import { mapMemory } from '../../src/kernel/bpf/map.ts'
import { ProgramBench } from '../../src/kernel/bpf/run.ts'
import { close, type Mapping } from '../../src/kernel/ffi.ts'
import { TableSet, type AnyTable } from '../../src/subset/table.ts'

const HERTZ = 250
/** Offsets in each CPU's area (src/compiler/target/area.ts). */
const Area = { seed: 0, ticks: 4, reason: 8 } as const
const NO_REASON = 0xffffffff

/** What a program is told beside the frame. */
export interface KernelInput {
  readonly ticks: number
  readonly seed: number
  /** tc: of a frame that is to be cut yet. */
  readonly segmentSize?: number
}

/** What came of a frame. */
export interface ProgramOutcome {
  /** What the program noted, if it did. */
  readonly reason: number
  /** What it returned to the kernel. */
  readonly verdict: number
  /** A view, valid until the next run. */
  readonly frame: Uint8Array
}

/** A loaded program with its tables; close it. */
export class KernelProgram {
  readonly tables: TableSet
  readonly log: string
  readonly attachment: Artefact['attachment']
  readonly #maps: ReadonlyMap<string, ProgramMap>
  readonly #mappings: Mapping[] = []
  readonly #area: DataView
  readonly #stride: number
  readonly #program: number
  readonly #bench: ProgramBench

  /** `capacities`: rows, where not the tables' own. Throws CompiledProgramRefusal. */
  constructor(
    artefact: Artefact,
    tables: readonly AnyTable[],
    capacities: Readonly<Record<string, number>> = {},
  ) {
    this.attachment = artefact.attachment
    const rows = new Map(tables.map(({ name, capacity }) => [name, capacities[name] ?? capacity]))
    const maps = createMaps(artefact, rows)
    this.#maps = maps
    const memories = tables.map(({ name, struct, contents }) => {
      const map = maps.get(name)
      // A table that the program does not know is nobody's business but the control plane's.
      if (map === undefined) {
        const bytes = new DataView(new ArrayBuffer(rows.get(name)! * struct.size))
        return { capacity: rows.get(name)!, bytes, base: 0 }
      }
      const bytes = this.#map(map)
      if (contents !== undefined) new Uint8Array(bytes.buffer).set(contents)
      return { capacity: map.rows, bytes, base: 0 }
    })
    this.tables = new TableSet(tables, memories)
    const area = maps.get(AREA)
    this.#area = area === undefined ? new DataView(new ArrayBuffer(0)) : this.#map(area)
    this.#stride = area?.rowBytes ?? 1
    try {
      const { fd, log } = loadArtefact(artefact, maps, HERTZ, { logLevel: 4 })
      this.#program = fd
      this.log = log
    } catch (error) {
      this.#forget()
      throw error
    }
    this.#bench = new ProgramBench(this.#program, artefact.attachment)
  }

  #map({ fd, rows, rowBytes }: ProgramMap): DataView {
    const mapping = mapMemory(fd, { valueSize: rows * rowBytes, entries: 1 })
    this.#mappings.push(mapping)
    return new DataView(mapping.buffer)
  }

  /** `ingress` is an interface of this network namespace; 0: any. */
  run(frame: Uint8Array, ingress: number, input: KernelInput): ProgramOutcome {
    this.setSurroundings(input)
    const { segmentSize = 0 } = input
    this.#set(Area.reason, NO_REASON)
    const context =
      this.attachment === 'xdp'
        ? { ingressIndex: ingress }
        : { interfaceIndex: ingress, gsoSize: segmentSize, gsoSegments: segmentSize > 0 ? 2 : 0 }
    const { verdict, frame: after } = this.#bench.run(frame, context)
    return { verdict, frame: after, reason: this.#reason() }
  }

  /** For runs elsewhere: what time it is, and where chance goes on from. */
  setSurroundings({ ticks, seed }: KernelInput): void {
    this.#set(Area.ticks, ticks)
    this.#set(Area.seed, seed)
  }

  /** Overwrites what runs before have left in the program's own structs. */
  leaveBehind(byte: number): void {
    const { buffer, byteOffset, byteLength } = this.#area
    new Uint8Array(buffer, byteOffset, byteLength).fill(byte)
  }

  /** The program itself. */
  get descriptor(): number {
    return this.#program
  }

  /** In the areas of all CPUs: the run may be on any. */
  #set(offset: number, value: number): void {
    for (let at = 0; at < this.#area.byteLength; at += this.#stride) {
      if (at + offset + 4 <= this.#area.byteLength) this.#area.setUint32(at + offset, value, true)
    }
  }

  #reason(): number {
    for (let at = 0; at + Area.reason + 4 <= this.#area.byteLength; at += this.#stride) {
      const reason = this.#area.getUint32(at + Area.reason, true)
      if (reason !== NO_REASON) return reason
    }
    return NO_REASON
  }

  close(): void {
    close(this.#program)
    this.#forget()
  }

  #forget(): void {
    for (const { unmap } of this.#mappings) unmap()
    for (const { fd } of this.#maps.values()) close(fd)
  }
}
