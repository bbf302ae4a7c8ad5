/**
 * The packet path, compiled here and now, in this kernel: tables in its maps, frames by test runs. What an engine would
 * do with it, without interfaces.
 */
import { readFileSync } from 'node:fs'
import type { Artefact } from '../../src/bpf/artefact.ts'
import { toArtefact } from '../../src/compiler/artefact.ts'
import { checkProgram, type CheckedProgram } from '../../src/compiler/check.ts'
import { compile, type CompileOptions } from '../../src/compiler/compile.ts'
import type { Attachment } from '../../src/compiler/target.ts'
import { WORD_BYTES } from '../../src/compiler/target-xdp.ts'
import { TABLES } from '../../src/dataplane/tables.ts'
import { Reason, Verdict, verdictOf } from '../../src/dataplane/verdict.ts'
import { AREA, createMaps, loadArtefact, type ProgramMap } from '../../src/kernel/bpf-artefact.ts'
import { mapMemory } from '../../src/kernel/bpf-map.ts'
import { ProgramBench } from '../../src/kernel/bpf-run.ts'
import { close, type Mapping } from '../../src/kernel/ffi.ts'
import { TableSet, type AnyTable } from '../../src/subset/table.ts'
import { readRepository } from '../tidy/tree.ts'

const MAIN = 'src/dataplane/act.ts'
const HERTZ = 250
/** Offsets in each CPU's area (src/compiler/area.ts). */
const Area = { seed: 0, ticks: 4, reason: 8 } as const
const NO_REASON = 0xffffffff

let sources: ReadonlyMap<string, string> | undefined
let checked: CheckedProgram | undefined

/** Every source file the packet path may reach. */
export function packetPathSources(): ReadonlyMap<string, string> {
  sources ??= new Map(
    [...readRepository().texts].filter(
      ([path]) => /^src\/.*\.ts$/.test(path) && !path.endsWith('.test.ts'),
    ),
  )
  return sources
}

export function checkedPacketPath(): CheckedProgram {
  checked ??= checkProgram(packetPathSources(), (path) => path.startsWith('src/dataplane/'))
  return checked
}

/** The artefact; with 'set', `now` is what the test says. */
export function compilePacketPath(
  attachment: Attachment,
  options: Partial<CompileOptions> = {},
): Artefact {
  const compiled = compile(checkedPacketPath(), MAIN, 'act', {
    attachment,
    clock: 'set',
    ...options,
  })
  const textOf = (path: string) => packetPathSources().get(path) ?? readFileSync(path, 'utf8')
  return toArtefact(`sluice_${attachment}`, attachment, compiled, textOf)
}

/** What came of a frame. */
export interface KernelOutcome {
  readonly reason: number
  /** What the program returned to the kernel. */
  readonly verdict: number
  /** A view, valid until the next run. */
  readonly frame: Uint8Array
  /** XDP: what it left word of, for a frame that is held. */
  readonly word: readonly number[]
}

/** A loaded packet path with its tables; close it. */
export class KernelPacketPath {
  readonly tables: TableSet
  readonly log: string
  readonly #attachment: Attachment
  readonly #maps: ReadonlyMap<string, ProgramMap>
  readonly #mappings: Mapping[] = []
  readonly #area: DataView
  readonly #stride: number
  readonly #program: number
  readonly #bench: ProgramBench

  /** `capacities`: rows, where not the tables' own. `declared`: of another program, its tables. */
  constructor(
    artefact: Artefact,
    capacities: Readonly<Record<string, number>>,
    declared: readonly AnyTable[] = TABLES,
  ) {
    this.#attachment = artefact.attachment
    const rows = new Map(declared.map(({ name, capacity }) => [name, capacities[name] ?? capacity]))
    const maps = createMaps(artefact, rows)
    this.#maps = maps
    const memories = declared.map(({ name, struct, contents }) => {
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
    this.tables = new TableSet(declared, memories)
    this.#area = this.#map(maps.get(AREA)!)
    this.#stride = maps.get(AREA)!.rowBytes
    const { fd, log } = loadArtefact(artefact, maps, HERTZ, { logLevel: 4 })
    this.#program = fd
    this.log = log
    this.#bench = new ProgramBench(fd, artefact.attachment)
  }

  #map({ fd, rows, rowBytes }: ProgramMap): DataView {
    const mapping = mapMemory(fd, { valueSize: rows * rowBytes, entries: 1 })
    this.#mappings.push(mapping)
    return new DataView(mapping.buffer)
  }

  /** `ingress` is an interface of this network namespace. */
  run(
    frame: Uint8Array,
    ingress: number,
    { ticks, seed, segmentSize = 0 }: { ticks: number; seed: number; segmentSize?: number },
  ): KernelOutcome {
    this.#set(Area.ticks, ticks)
    this.#set(Area.seed, seed)
    this.#set(Area.reason, NO_REASON)
    const context =
      this.#attachment === 'xdp'
        ? { ingressIndex: ingress }
        : { interfaceIndex: ingress, gsoSize: segmentSize, gsoSegments: segmentSize > 0 ? 2 : 0 }
    const { verdict, frame: after } = this.#bench.run(frame, context)
    const reason = this.#reason()
    const isHeld = verdictOf(reason) === Verdict.hold && reason !== Reason.fragmentEarly
    const hasWord = this.#attachment === 'xdp' && isHeld
    if (!hasWord) return { verdict, frame: after, reason, word: [] }
    const view = new DataView(after.buffer, after.byteOffset)
    const word = Array.from({ length: WORD_BYTES / 4 }, (_, i) => view.getUint32(4 * i, true))
    return { verdict, frame: after.subarray(WORD_BYTES), reason, word }
  }

  /** In the areas of all CPUs: the run may be on any. */
  #set(offset: number, value: number): void {
    for (let at = 0; at < this.#area.byteLength; at += this.#stride) {
      if (at + offset + 4 <= this.#area.byteLength) this.#area.setUint32(at + offset, value, true)
    }
  }

  #reason(): number {
    for (let at = 0; at < this.#area.byteLength; at += this.#stride) {
      const reason = this.#area.getUint32(at + Area.reason, true)
      if (reason !== NO_REASON) return reason
    }
    return NO_REASON
  }

  close(): void {
    close(this.#program)
    for (const { unmap } of this.#mappings) unmap()
    for (const { fd } of this.#maps.values()) close(fd)
  }
}
