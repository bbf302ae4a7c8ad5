/**
 * The compiled packet path, loaded into the kernel for one set of tables.
 *
 *     tc           the packet path under tc
 *     xdp          the packet path under XDP; what it cannot do itself it marks and passes up, to
 *     companion    the program under tc that does it: give a frame to a neighbour not resolved yet, or to an
 *                  interface that takes no frames from XDP
 *
 * Each is loaded when it is first asked for, and has an area of its own (src/bpf/artefact.ts), which goes with it.
 */
import { randomBytes } from 'node:crypto'
import type { Artefact } from '../bpf/artefact.ts'
import {
  AREA,
  CompiledProgramRefusal,
  loadArtefact,
  type ProgramMap,
} from '../kernel/bpf-artefact.ts'
import { createMap, possibleCpus, updateElement } from '../kernel/bpf-map.ts'
import { close } from '../kernel/ffi.ts'
import { EngineProblem } from './engine.ts'

export type ProgramName = 'tc' | 'xdp' | 'companion'
/** Throws Error where there is none. */
export type ReadProgram = (name: ProgramName) => Artefact

/** Where a program's maps come from; undefined if there is no such table. */
export interface ProgramTables {
  mapOf(name: string): { readonly fd: number; readonly rows: number } | undefined
}

/** Letters that the kernel takes for a program's name. */
const NAME_MAX = 15
/** Where the random numbers of a CPU's area begin (src/compiler/area.ts). */
const SEED_OFFSET = 0

export class KernelPrograms {
  readonly #tables: ProgramTables
  readonly #hertz: number
  readonly #read: ReadProgram
  readonly #loaded = new Map<ProgramName, number>()

  /** `hertz`: jiffies a second. */
  constructor(tables: ProgramTables, hertz: number, read: ReadProgram) {
    this.#tables = tables
    this.#hertz = hertz
    this.#read = read
  }

  /** A descriptor, which stays this object's. Throws EngineProblem, KernelError. */
  get(name: ProgramName): number {
    const known = this.#loaded.get(name)
    if (known !== undefined) return known
    const fd = this.#load(this.#read(name))
    this.#loaded.set(name, fd)
    return fd
  }

  #load(artefact: Artefact): number {
    const area = artefact.maps.find(({ name }) => name === AREA)
    const own = area === undefined ? undefined : makeArea(area.rowBytes, possibleCpus())
    const maps = new Map<string, ProgramMap>()
    for (const { name, rowBytes } of artefact.maps) {
      const map = name === AREA ? own : this.#tables.mapOf(name)
      if (map === undefined)
        throw new RangeError(`the program ${artefact.name} wants a map ${name}`)
      maps.set(name, { ...map, rowBytes })
    }
    try {
      const named = { ...artefact, name: artefact.name.slice(0, NAME_MAX) }
      return loadArtefact(named, maps, this.#hertz).fd
    } catch (error) {
      if (!(error instanceof CompiledProgramRefusal)) throw error
      throw new EngineProblem(`this kernel refuses the packet path: ${error.message}`, true)
    } finally {
      // The program has it from here on.
      if (own !== undefined) close(own.fd)
    }
  }

  close(): void {
    for (const fd of this.#loaded.values()) close(fd)
    this.#loaded.clear()
  }
}

/** One piece for each CPU, with a seed of its own. */
function makeArea(rowBytes: number, rows: number): ProgramMap {
  const valueSize = rowBytes * rows
  const fd = createMap({ type: 'array', name: AREA, valueSize, entries: 1 })
  const area = new Uint8Array(valueSize)
  for (let row = 0; row < rows; row++) {
    const seed = randomBytes(4)
    seed[0]! |= 1 // never 0
    area.set(seed, row * rowBytes + SEED_OFFSET)
  }
  updateElement(fd, 0, area)
  return { fd, rows, rowBytes }
}
