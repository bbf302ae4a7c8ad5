/**
 * Which stores a load may see: two loads of one place in the same version of it give the same value.
 *
 * A place is a field of a table's rows, whichever row; a field of a struct of the program's own; or the whole frame.
 * Rows begin where views point, so two views share bytes only in fields of the same offset. Where ways with
 * different versions meet, a new one begins. What other processors write in between may or may not be seen, as
 * on every machine.
 */
import { predecessorsOf, reversePostorder } from '../ir/graph.ts'
import { PURE_HELPERS } from '../target/kernel-helper.ts'
import type { Label, Operand, Operation, Register } from '../ir/ir.ts'
import type { SsaBlock } from './ssa.ts'

export type Place = number
export type Versions = Int32Array

/** Where the bytes are that an operation reads or writes through a pointer. */
type Access = Operation & { readonly base: Register; readonly offset: number }

const FRAME = 'frame'
const GEOMETRY = 'geometry'
const UNKNOWN = '?'

/** Intrinsics after which views into the frame are stale. */
export const MOVES_FRAME: ReadonlySet<string> = new Set([
  'packet.encapsulate',
  'packet.decapsulate',
  'packet.adjustTail',
  'packet.makeReadable',
  'packet.askChecksum',
])

export class MemoryVersions {
  /** At the beginning of each block. */
  readonly into = new Map<Label, Versions>()
  readonly #definitions: ReadonlyMap<number, Operation>
  readonly #places = new Map<string, Place>()
  /** By offset, all places there. */
  readonly #atOffset = new Map<number, Place[]>()
  /** The version each operation makes of what it changes. */
  readonly #versionOf = new Map<Operation, number>()
  #next = 1

  constructor(blocks: readonly SsaBlock[], definitions: ReadonlyMap<number, Operation>) {
    this.#definitions = new Map(definitions)
    this.#place(FRAME, undefined)
    this.#place(GEOMETRY, undefined)
    for (const { operations } of blocks) {
      for (const one of operations) if (isAccess(one)) this.placeOf(one)
    }
    this.#flow(blocks)
  }

  #place(name: string, offset: number | undefined): Place {
    const known = this.#places.get(name)
    if (known !== undefined) return known
    const place = this.#places.size
    this.#places.set(name, place)
    if (offset === undefined) return place
    const list = this.#atOffset.get(offset)
    if (list === undefined) this.#atOffset.set(offset, [place])
    else list.push(place)
    return place
  }

  get geometry(): Place {
    return this.#places.get(GEOMETRY)!
  }

  placeOf({ base, offset }: Access): Place {
    const root = this.#rootOf(base)
    return root === FRAME ? this.#place(FRAME, undefined) : this.#place(`${root}+${offset}`, offset)
  }

  #rootOf(base: Register): string {
    let made = this.#definitions.get(base.number)
    for (;;) {
      let from: Operand | undefined
      if (made?.op === 'move') from = made.from
      // A header inside another (values.ts).
      else if (made?.op === 'alu' && made.operator === 'add') from = made.left
      if (from?.kind !== 'register') break
      made = this.#definitions.get(from.number)
    }
    if (made?.op === 'row') return `table ${made.table}`
    if (made?.op === 'local') return `own ${made.name}`
    return made?.op === 'header' ? FRAME : UNKNOWN
  }

  /** What the operation does to `versions`. */
  step(operation: Operation, versions: Versions): void {
    switch (operation.op) {
      case 'store':
      case 'atomicAdd':
      case 'compareSwap':
        return this.#write(operation, versions)
      case 'helper':
        if (PURE_HELPERS.has(operation.helper)) return
        versions.fill(this.#versionFor(operation))
        return
      case 'call':
        versions.fill(this.#versionFor(operation))
        return
      case 'intrinsic':
        if (!MOVES_FRAME.has(operation.name)) return
        versions[this.geometry] = this.#versionFor(operation)
        versions[this.#places.get(FRAME)!] = this.#versionFor(operation)
    }
  }

  #write(operation: Access, versions: Versions): void {
    const version = this.#versionFor(operation)
    const place = this.placeOf(operation)
    versions[place] = version
    if (place === this.#places.get(FRAME)) return
    const isUnknown = this.#rootOf(operation.base) === UNKNOWN
    for (const other of this.#atOffset.get(operation.offset)!) {
      if (isUnknown || other === this.#places.get(`${UNKNOWN}+${operation.offset}`)) {
        versions[other] = version
      }
    }
  }

  #versionFor(operation: Operation): number {
    const known = this.#versionOf.get(operation)
    if (known !== undefined) return known
    const version = this.#next++
    this.#versionOf.set(operation, version)
    return version
  }

  #flow(blocks: readonly SsaBlock[]): void {
    const order = reversePostorder(blocks) as SsaBlock[]
    const predecessors = predecessorsOf(order)
    const outOf = new Map<Label, Versions>()
    const meetings = new Map<Label, number>()
    for (let isChanging = true; isChanging;) {
      isChanging = false
      for (const block of order) {
        const before = predecessors.get(block.label)!.flatMap(({ label }) => outOf.get(label) ?? [])
        const versions = this.#meet(block.label, before, meetings)
        if (isEqual(this.into.get(block.label), versions)) continue
        this.into.set(block.label, versions)
        const after = versions.slice()
        for (const operation of block.operations) this.step(operation, after)
        outOf.set(block.label, after)
        isChanging = true
      }
    }
  }

  #meet(label: Label, before: readonly Versions[], meetings: Map<Label, number>): Versions {
    if (before.length === 0) return new Int32Array(this.#places.size)
    const met = before[0]!.slice()
    const known = this.into.get(label)
    for (let place = 0; place < met.length; place++) {
      const own = meetings.get(label)
      const isMeeting = own !== undefined && known?.[place] === own
      if (!isMeeting && before.every((one) => one[place] === met[place])) continue
      if (own === undefined) meetings.set(label, this.#next++)
      met[place] = meetings.get(label)!
    }
    return met
  }
}

function isAccess(operation: Operation): operation is Operation & Access {
  return 'base' in operation
}

function isEqual(a: Versions | undefined, b: Versions): boolean {
  return a !== undefined && a.every((version, i) => version === b[i])
}
