/**
 * Which registers hold something that is still wanted, at the end of each block.
 *
 * Sets of registers are bits in words: a function has thousands.
 */
import { predecessorsOf, successorsOf, type Block } from './graph.ts'
import { readBy, writtenBy, type Label, type Operation } from './ir.ts'

export class RegisterSet {
  readonly #words: Uint32Array

  constructor(count: number) {
    this.#words = new Uint32Array((count + 31) >>> 5)
  }

  has(number: number): boolean {
    return ((this.#words[number >>> 5]! >>> (number & 31)) & 1) !== 0
  }

  add(number: number): void {
    this.#words[number >>> 5]! |= 1 << (number & 31)
  }

  delete(number: number): void {
    this.#words[number >>> 5]! &= ~(1 << (number & 31))
  }

  /** Adds all of `other` but those in `without`; did that change anything? */
  addAll(other: RegisterSet, without?: RegisterSet): boolean {
    let isChanged = false
    for (let i = 0; i < this.#words.length; i++) {
      const before = this.#words[i]!
      const more = other.#words[i]! & ~(without === undefined ? 0 : without.#words[i]!)
      const after = (before | more) >>> 0
      if (after === before) continue
      this.#words[i] = after
      isChanged = true
    }
    return isChanged
  }

  copy(): RegisterSet {
    const copy = new RegisterSet(this.#words.length * 32)
    copy.#words.set(this.#words)
    return copy
  }

  *[Symbol.iterator](): Iterator<number> {
    for (let i = 0; i < this.#words.length; i++) {
      for (let word = this.#words[i]!; word !== 0; word &= word - 1) {
        yield i * 32 + (31 - Math.clz32(word & -word))
      }
    }
  }
}

export interface Liveness {
  readonly into: ReadonlyMap<Label, RegisterSet>
  readonly outOf: ReadonlyMap<Label, RegisterSet>
}

export function livenessOf(blocks: readonly Block[], registers: number): Liveness {
  const into = new Map<Label, RegisterSet>()
  const outOf = new Map<Label, RegisterSet>()
  const written = new Map<Label, RegisterSet>()
  for (const block of blocks) {
    const [needs, writes] = [new RegisterSet(registers), new RegisterSet(registers)]
    for (const operation of operationsOf(block)) {
      for (const one of readBy(operation)) {
        if (one.kind === 'register' && !writes.has(one.number)) needs.add(one.number)
      }
      const to = writtenBy(operation)
      if (to !== undefined) writes.add(to.number)
    }
    into.set(block.label, needs)
    written.set(block.label, writes)
    outOf.set(block.label, new RegisterSet(registers))
  }
  const predecessors = predecessorsOf(blocks)
  const waiting = new Set([...blocks].reverse())
  for (const block of waiting) {
    waiting.delete(block)
    const out = outOf.get(block.label)!
    for (const next of successorsOf(block)) out.addAll(into.get(next)!)
    if (!into.get(block.label)!.addAll(out, written.get(block.label)!)) continue
    for (const one of predecessors.get(block.label)!) waiting.add(one)
  }
  return { into, outOf }
}

export function operationsOf({ operations, end }: Block): Operation[] {
  return [...operations, end]
}
