/**
 * Static single assignment: each register written in one place, so that what is known of it holds wherever it is read.
 *
 *     blocks ──toSsa──► blocks with choices at their head ──fromSsa──► blocks
 *
 * A choice gives a register the value that belongs to the block it was come from. Only inside `optimise`: all
 * other passes know nothing of it.
 */
import { assert } from '../../base/assert.ts'
import { dominanceOf, type Dominance } from '../ir/dominators.ts'
import { successorsOf, type Block, type End } from '../ir/graph.ts'
import {
  register,
  writtenBy,
  type Label,
  type Operand,
  type Parameter,
  type Register,
} from '../ir/ir.ts'
import { livenessOf } from '../ir/liveness.ts'
import { mapReads, mapWritten } from '../ir/rename.ts'

export interface Choice {
  readonly to: Register
  /** By the block come from. */
  readonly from: Map<Label, Operand>
}

export interface SsaBlock extends Block {
  choices: Choice[]
}

export interface SsaFunction {
  blocks: SsaBlock[]
  readonly parameters: readonly Parameter[]
  registerCount: number
}

export function toSsa(
  blocks: readonly Block[],
  parameters: readonly Parameter[],
  registerCount: number,
): SsaFunction {
  const dominance = dominanceOf(blocks)
  return new Construction(blocks, parameters, registerCount, dominance).run()
}

class Construction {
  readonly #dominance: Dominance
  readonly #parameters: readonly Parameter[]
  readonly #blocks: readonly SsaBlock[]
  readonly #byLabel: ReadonlyMap<Label, SsaBlock>
  /** Of each register of the function before: what stands for it now, innermost last. */
  readonly #names: Operand[][]
  /** Which register of the function before a choice is about. */
  readonly #about = new Map<Choice, number>()
  #count = 0

  constructor(
    blocks: readonly Block[],
    parameters: readonly Parameter[],
    registerCount: number,
    dominance: Dominance,
  ) {
    this.#dominance = dominance
    this.#parameters = parameters
    this.#blocks = blocks.map((block) => ({ ...block, choices: [] }))
    this.#byLabel = new Map(this.#blocks.map((block) => [block.label, block]))
    this.#names = Array.from({ length: registerCount }, () => [])
    this.#place(registerCount)
  }

  /** Choices where different writes of a register meet and somebody wants to know. */
  #place(registerCount: number): void {
    const { into } = livenessOf(this.#blocks, registerCount)
    const writers = new Map<number, SsaBlock[]>()
    const note = (number: number, block: SsaBlock) => {
      const list = writers.get(number)
      if (list === undefined) writers.set(number, [block])
      else if (list.at(-1) !== block) list.push(block)
    }
    for (const one of this.#parameters) note(one.register.number, this.#blocks[0]!)
    for (const block of this.#blocks) {
      for (const operation of block.operations) {
        const to = writtenBy(operation)
        if (to !== undefined) note(to.number, block)
      }
    }
    for (const [number, blocks] of writers) {
      if (blocks.length < 2) continue
      const waiting = [...blocks]
      const placed = new Set<Label>()
      for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
        for (const label of this.#dominance.frontiers.get(block.label)!) {
          if (placed.has(label) || !into.get(label)!.has(number)) continue
          placed.add(label)
          const meeting = this.#byLabel.get(label)!
          const choice: Choice = { to: register(number), from: new Map() }
          meeting.choices.push(choice)
          this.#about.set(choice, number)
          waiting.push(meeting)
        }
      }
    }
  }

  run(): SsaFunction {
    const parameters = this.#parameters.map((parameter) => ({
      ...parameter,
      register: this.#fresh(parameter.register),
    }))
    const trail: { label: Label; isLeaving: boolean; named: number[] }[] = [
      { label: this.#dominance.order[0]!.label, isLeaving: false, named: [] },
    ]
    for (let top = trail.pop(); top !== undefined; top = trail.pop()) {
      if (top.isLeaving) {
        for (const number of top.named) this.#names[number]!.pop()
        continue
      }
      const named = this.#rename(this.#byLabel.get(top.label)!)
      trail.push({ label: top.label, isLeaving: true, named })
      for (const { label } of this.#dominance.children.get(top.label)!) {
        trail.push({ label, isLeaving: false, named: [] })
      }
    }
    return { blocks: [...this.#blocks], parameters, registerCount: this.#count }
  }

  #fresh({ number }: Register): Register {
    const fresh = register(this.#count++)
    this.#names[number]!.push(fresh)
    return fresh
  }

  #read = (operand: Operand): Operand => {
    if (operand.kind === 'immediate') return operand
    const name = this.#names[operand.number]!.at(-1)
    assert(name !== undefined, `r${operand.number} was written before`)
    return name
  }

  /** The registers that got a new name in the block. */
  #rename(block: SsaBlock): number[] {
    const named: number[] = []
    const write = (one: Register): Register => {
      named.push(one.number)
      return this.#fresh(one)
    }
    block.choices = block.choices.map((choice) => {
      const number = this.#about.get(choice)!
      const renamed = { to: write(choice.to), from: choice.from }
      this.#about.set(renamed, number)
      return renamed
    })
    block.operations = block.operations.map((one) => mapWritten(mapReads(one, this.#read), write))
    block.end = mapReads(block.end, this.#read)
    for (const label of successorsOf(block)) {
      for (const choice of this.#byLabel.get(label)!.choices) {
        const value = this.#read(register(this.#about.get(choice)!))
        choice.from.set(block.label, value)
      }
    }
    return named
  }
}

/** Choices become copies at the end of the blocks come from. */
export function fromSsa(ssa: SsaFunction): Block[] {
  const blocks: Block[] = []
  let count = ssa.registerCount
  const byLabel = new Map(ssa.blocks.map((block) => [block.label, block]))
  const fresh = (): Register => register(count++)
  for (const block of ssa.blocks) {
    const { label, operations } = block
    const left: Block = { label, operations: [...operations], end: block.end }
    blocks.push(left)
    const successors = successorsOf(block)
    for (const target of new Set(successors)) {
      const { choices } = byLabel.get(target)!
      if (choices.length === 0) continue
      const copies = inOrder(
        choices.map(({ to, from }) => [to, from.get(label)!] as const),
        fresh,
      )
      if (successors.length === 1) {
        left.operations.push(...copies)
        continue
      }
      const between = `${label}>${target}`
      left.end = redirect(left.end, target, between)
      blocks.push({ label: between, operations: copies, end: { op: 'jump', label: target } })
    }
  }
  ssa.registerCount = count
  return blocks
}

/** The way out with `from` exchanged for `to`. */
export function redirect(end: End, from: Label, to: Label): End {
  if (end.op === 'return') return end
  const label = end.label === from ? to : end.label
  if (end.op === 'jump') return { ...end, label }
  return { ...end, label, otherwise: end.otherwise === from ? to : end.otherwise }
}

type Copy = { readonly op: 'move'; readonly to: Register; readonly from: Operand }

/** Copies that happen at once, one after the other: none writes what another still reads. */
function inOrder(wanted: readonly (readonly [Register, Operand])[], fresh: () => Register): Copy[] {
  const copies: Copy[] = []
  const left = wanted.filter(
    ([to, from]) => !(from.kind === 'register' && from.number === to.number),
  )
  while (left.length > 0) {
    const free = left.findIndex(
      ([to], i) =>
        !left.some(
          ([, other], k) => k !== i && other.kind === 'register' && other.number === to.number,
        ),
    )
    if (free >= 0) {
      const [[to, from]] = left.splice(free, 1) as [[Register, Operand]]
      copies.push({ op: 'move', to, from })
      continue
    }
    // A ring: one of them waits in a register of its own.
    const [to] = left[0]!
    const aside = fresh()
    copies.push({ op: 'move', to: aside, from: to })
    left.forEach(([target, from], i) => {
      if (from.kind === 'register' && from.number === to.number) left[i] = [target, aside]
    })
  }
  return copies
}
