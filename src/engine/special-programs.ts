/**
 * Programs that are made for what the director has to do with at present: when they are put in place of the general
 * ones, and when these come back.
 *
 *   a change begins ─► general programs, at once ─► changes have ended, and settled ─► is there a special one for what
 *   there is now? ─► loaded in the background ─► nothing has changed meanwhile: in place, by one step an interface
 *
 * The general program is there before a change is begun, so no packet meets a change with a program that does not
 * know it. What it gains, and what was not worth it: docs/decisions/0009-programs-for-ipv4-alone.md.
 */
import type { ProgramName } from './kernel-programs.ts'

export type LoadedPrograms = ReadonlyMap<ProgramName, number>

export interface SpecialSurroundings {
  /** Would special programs do for what is in the tables now? */
  isEnough(): boolean
  /** Has the kernel verify them, and does not keep this thread from its work. Rejects with Error. */
  load(): Promise<LoadedPrograms>
  /** From now on interfaces run these; undefined: the general ones. Throws KernelError. */
  use(programs: LoadedPrograms | undefined): void
  release(programs: LoadedPrograms): void
  onProblem(text: string): void
  /** Calls that once, later; how to call it off. */
  later(run: () => void, delayMs: number): () => void
}

/** No change for so long: more are not to be expected. */
export const SETTLE_MS = 2000

export class SpecialPrograms {
  readonly #with: SpecialSurroundings
  #changes = 0
  #isInUse = false
  #isOver = false
  #cancel: (() => void) | undefined
  /** Loaded once; they are the same whatever is in the tables. */
  #programs: LoadedPrograms | undefined
  #isLoading = false

  constructor(surroundings: SpecialSurroundings) {
    this.#with = surroundings
  }

  get isInUse(): boolean {
    return this.#isInUse
  }

  /** What is in the tables is about to change. Throws KernelError: then it must not. */
  beginChange(): void {
    if (this.#isInUse) this.#with.use(undefined)
    this.#isInUse = false
    this.#changes++
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** That change is done, or was refused. */
  endChange(): void {
    this.#changes--
    this.#settle()
  }

  /** Lets go of the programs; interfaces that run them go on with them, as nothing changes now. */
  close(): void {
    this.#isOver = true
    this.#cancel?.()
    if (this.#programs !== undefined) this.#with.release(this.#programs)
    this.#programs = undefined
  }

  #settle(): void {
    if (this.#changes > 0 || this.#isOver || this.#isInUse) return
    this.#cancel?.()
    this.#cancel = this.#with.later(() => {
      this.#cancel = undefined
      this.#specialise()
    }, SETTLE_MS)
  }

  /** Nothing changes, and nothing has for a while. */
  #specialise(): void {
    if (this.#isLoading || !this.#with.isEnough()) return
    if (this.#programs !== undefined) return this.#use(this.#programs)
    this.#isLoading = true
    this.#with.load().then(
      (programs) => this.#loaded(programs),
      (error: unknown) => {
        // Without them all goes on as before; and once more after the next change.
        this.#isLoading = false
        const why = error instanceof Error ? error.message : String(error)
        if (!this.#isOver) this.#with.onProblem(`the general program serves on: ${why}`)
      },
    )
  }

  #loaded(programs: LoadedPrograms): void {
    this.#isLoading = false
    if (this.#isOver) return this.#with.release(programs)
    this.#programs = programs
    // A change since then waits for its own time to settle.
    if (this.#changes === 0 && this.#cancel === undefined) this.#specialise()
  }

  #use(programs: LoadedPrograms): void {
    this.#isInUse = true
    try {
      this.#with.use(programs)
    } catch (error) {
      // Some interfaces may run them: the next change puts the general ones back everywhere.
      this.#with.onProblem(`not all interfaces run the program for IPv4: ${String(error)}`)
    }
  }
}
