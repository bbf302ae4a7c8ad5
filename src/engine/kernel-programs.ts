/**
 * The compiled packet path, loaded into the kernel for one set of tables.
 *
 *     tc           the packet path under tc
 *     xdp          the packet path under XDP; what it cannot do itself it marks and passes up, to
 *     companion    the program under tc that does it: give a frame to a neighbour not resolved yet, or to an
 *                  interface that takes no frames from XDP
 *
 * Each is loaded when it is first asked for, and has an area of its own (src/bpf/artefact.ts), which goes with it.
 * Special ones (special-programs.ts) may stand in for the first two.
 */
import type { Artefact } from '../bpf/artefact.ts'
import { close } from '../kernel/ffi.ts'
import { loadProgramAside, loadProgramHere, type LoadTask } from './program-load.ts'
import type { LoadedPrograms } from './special-programs.ts'

export type ProgramName = 'tc' | 'xdp' | 'companion'
/** Throws Error where there is none. */
export type ReadProgram = (name: ProgramName) => Artefact

/** Where a program's maps come from; undefined if there is no such table. */
export interface ProgramTables {
  mapOf(name: string): { readonly fd: number; readonly rows: number } | undefined
}

export class KernelPrograms {
  readonly #tables: ProgramTables
  readonly #hertz: number
  readonly #read: ReadProgram
  readonly #loaded = new Map<ProgramName, number>()
  #special: LoadedPrograms | undefined

  /** `hertz`: jiffies a second. */
  constructor(tables: ProgramTables, hertz: number, read: ReadProgram) {
    this.#tables = tables
    this.#hertz = hertz
    this.#read = read
  }

  /** A descriptor, which stays this object's. Throws EngineProblem, KernelError. */
  get(name: ProgramName): number {
    const known = this.#special?.get(name) ?? this.#loaded.get(name)
    if (known !== undefined) return known
    const fd = loadProgramHere(this.#task(this.#read(name)))
    this.#loaded.set(name, fd)
    return fd
  }

  /** From now on `get` gives these where there are some; they stay the caller's. */
  prefer(special: LoadedPrograms | undefined): void {
    this.#special = special
  }

  /** Loads what stands in for the packet path where that is loaded, in another thread. Rejects with Error. */
  async loadSpecial(read: ReadProgram): Promise<LoadedPrograms> {
    const programs = new Map<ProgramName, number>()
    try {
      for (const name of this.#loaded.keys()) {
        if (name === 'companion') continue
        programs.set(name, await loadProgramAside(this.#task(read(name))))
      }
      return programs
    } catch (error) {
      for (const fd of programs.values()) close(fd)
      throw error
    }
  }

  #task(artefact: Artefact): LoadTask {
    const maps = artefact.maps.flatMap(({ name }): LoadTask['maps'][number][] => {
      const map = this.#tables.mapOf(name)
      return map === undefined ? [] : [[name, { fd: map.fd, rows: map.rows }]]
    })
    return { artefact, maps, hertz: this.#hertz }
  }

  close(): void {
    for (const fd of this.#loaded.values()) close(fd)
    this.#loaded.clear()
  }
}
