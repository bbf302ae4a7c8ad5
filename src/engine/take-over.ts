/**
 * Where an engine's tables come from: those that an earlier daemon left, fresh ones, or, for those of another release,
 * ours beside them, which then take their place (other-tables.ts).
 */
import { LAYOUT, signTables } from '../dataplane/schema.ts'
import { settings } from '../dataplane/tables.ts'
import { ProgramBarrier } from '../kernel/bpf/barrier.ts'
import type { Instance } from './instance.ts'
import type { KernelPrograms } from './kernel-programs.ts'
import { KernelTables } from './kernel-tables.ts'
import { OtherTables } from './other-tables.ts'

export interface FoundTables {
  readonly tables: KernelTables
  /** Something forwards by tables of this instance already. */
  readonly isAdopted: boolean
  /** By those. */
  readonly takeOver: TakeOver | undefined
}

/** `capacities`: rows of fresh ones, by table. Throws EngineProblem, KernelError. */
export function findTables(
  instance: Instance,
  capacities: Readonly<Record<string, number>>,
): FoundTables {
  const found = KernelTables.find(instance)
  if (found instanceof KernelTables) {
    // Of a take-over that was killed before its end.
    instance.clearTablesBut(LAYOUT)
    return { tables: found, isAdopted: true, takeOver: undefined }
  }
  if (found === undefined) {
    instance.clear()
    try {
      const tables = KernelTables.make(instance, capacities)
      return { tables, isAdopted: false, takeOver: undefined }
    } catch (error) {
      instance.remove()
      throw error
    }
  }
  const other = OtherTables.open(instance, found)
  try {
    instance.clearTablesBut(found.layout)
    const rows = { ...capacities, ...other.capacities }
    const tables = KernelTables.make(instance, rows, { isBeside: true })
    const takeOver = new TakeOver(instance, tables, other, found.layout)
    return { tables, isAdopted: true, takeOver }
  } catch (error) {
    instance.clearTablesBut(found.layout)
    other.close()
    throw error
  }
}

export class TakeOver {
  readonly #instance: Instance
  readonly #tables: KernelTables
  readonly #other: OtherTables
  readonly #layout: number
  #dropRate = 0
  #state: 'not begun' | 'held' | 'in charge' | 'over' = 'not begun'

  constructor(instance: Instance, tables: KernelTables, other: OtherTables, layout: number) {
    this.#instance = instance
    this.#tables = tables
    this.#other = other
    this.#layout = layout
  }

  /** The network namespace of what is there; undefined if it does not say. */
  get network(): number | undefined {
    return this.#other.network
  }

  /** Ours hold what theirs do. Throws KernelError. */
  begin(programs: KernelPrograms): void {
    // What takes long comes first: programs that are loaded, memory that was never touched.
    const isUnderXdp = this.#instance.pins.some((pin) => /^link_\d+_xdp/.test(pin))
    for (const name of ['companion', 'xdp'] as const) if (isUnderXdp) programs.get(name)
    this.#other.moveInto(this.#tables.set)
    this.#dropRate = this.#other.hold()
    this.#state = 'held'
    waitForPrograms()
    this.#other.moveInto(this.#tables.set)
    this.#tables.set.use()
    signTables()
  }

  /** From here on a daemon finds ours. Every interface is to get our programs now. Throws KernelError. */
  takeCharge(): void {
    this.#tables.takeCharge(this.#instance)
    this.#state = 'in charge'
  }

  /** Theirs are not used any more. */
  finish(): void {
    settings.row(0).dropRate = this.#dropRate
    this.#instance.clearTablesBut(LAYOUT)
    this.#other.close()
    this.#state = 'over'
  }

  /** As if nobody had tried, unless ours are in charge. */
  abandon(): void {
    if (this.#state === 'over') return
    if (this.#state === 'held') this.#other.release(this.#dropRate)
    if (this.#state !== 'in charge') this.#instance.clearTablesBut(this.#layout)
    this.#other.close()
  }
}

/** Until none runs that began before. */
function waitForPrograms(): void {
  const barrier = ProgramBarrier.open()
  try {
    barrier.wait()
  } finally {
    barrier.close()
  }
}
