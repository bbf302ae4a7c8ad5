/**
 * What every register is worth: constants, copies, what was computed before, what a branch has shown.
 *
 * One walk down the dominator tree. An expression that a dominating block has computed is not computed again; a load
 * not either, if no store came between (memory-versions.ts); a branch whose outcome is known becomes a jump. What
 * nobody reads afterwards, dead-code.ts takes out.
 */
import {
  bitsOf,
  greatest,
  isConstant,
  isDark,
  isSettled,
  isTrue,
  UNBOUNDED,
} from '../ir/arithmetic.ts'
import { dominanceOf } from '../ir/dominators.ts'
import {
  oppositeOf,
  predecessorsOf,
  reachable,
  type Block,
  type End,
  type Split,
} from '../ir/graph.ts'
import { PURE_HELPERS } from '../target/kernel-helper.ts'
import { immediate, writtenBy, type Label, type Operand, type Operation } from '../ir/ir.ts'
import { MemoryVersions, type Versions } from './memory-versions.ts'
import { mapReads } from '../ir/rename.ts'
import { Scoped } from '../ir/scoped.ts'
import { simplify, simplifySplit, type Is } from './simplify.ts'
import type { SsaBlock, SsaFunction } from './ssa.ts'

/** Replaces what is known; the blocks nothing leads to any more are gone afterwards. */
export function numberValues(ssa: SsaFunction, options: ValueOptions): void {
  new Values(ssa, options).run()
}

export interface ValueOptions {
  /**
   * Behind `expand` views are addresses, and one place may be named in different ways: then every load counts, and
   * addresses of maps are made anew where they are wanted.
   */
  readonly isExpanded: boolean
}

/** What `simplify` asks. */
export interface Known {
  definitionOf(operand: Operand): Operation | undefined
  /** The greatest value, unsigned. */
  maxOf(operand: Operand): number
}

interface AnyScope {
  enter(): void
  leave(): void
  forget(): void
}
type Header = Operation & { readonly op: 'header' }

class Values implements Known {
  readonly #ssa: SsaFunction
  readonly #isExpanded: boolean
  readonly #definitions = new Map<number, Operation>()
  readonly #memory: MemoryVersions
  /** Of a register: what stands for it everywhere. */
  readonly #same = new Map<number, Operand>()
  /** What stands for it from here on down. */
  readonly #here = new Scoped<number, Operand>()
  readonly #max = new Map<number, number>()
  /** What branches have shown it is not greater than. */
  readonly #limits = new Scoped<number, number>()
  readonly #expressions = new Scoped<string, Operand>()
  /** Tests and how they came out. */
  readonly #facts = new Scoped<string, boolean>()
  /** Of each state of the frame's ends: headers at constant places that are known to lie between them. */
  readonly #headers = new Scoped<number, readonly Header[]>()
  readonly #scopes: readonly AnyScope[] = [
    this.#here,
    this.#limits,
    this.#expressions,
    this.#facts,
    this.#headers,
  ]
  /** Of each header: the state of the frame's ends. */
  readonly #geometries = new Map<number, number>()

  constructor(ssa: SsaFunction, { isExpanded }: ValueOptions) {
    this.#ssa = ssa
    this.#isExpanded = isExpanded
    for (const { operations } of ssa.blocks) {
      for (const one of operations) {
        const to = writtenBy(one)
        if (to !== undefined) this.#definitions.set(to.number, one)
      }
    }
    for (const { register, bytes } of ssa.parameters) {
      if (bytes === undefined) this.#max.set(register.number, U32_MAX)
    }
    this.#memory = new MemoryVersions(ssa.blocks, this.#definitions)
  }

  run(): void {
    const { blocks } = this.#ssa
    const { children, order, predecessors } = dominanceOf(blocks)
    const trail: { block: Block; isLeaving: boolean }[] = [{ block: order[0]!, isLeaving: false }]
    const scopes = this.#scopes
    for (let top = trail.pop(); top !== undefined; top = trail.pop()) {
      if (top.isLeaving) {
        for (const scope of scopes) scope.leave()
        continue
      }
      for (const scope of scopes) scope.enter()
      this.#visit(top.block as SsaBlock, predecessors.get(top.block.label)!)
      trail.push({ block: top.block, isLeaving: true })
      // Those before a meeting of ways come first, so that it knows what they found out.
      for (const block of [...children.get(top.block.label)!].reverse()) {
        trail.push({ block, isLeaving: false })
      }
    }
    this.#ssa.blocks = reachable(blocks) as SsaBlock[]
    const left = predecessorsOf(this.#ssa.blocks)
    for (const { label, choices } of this.#ssa.blocks) {
      const before = new Set(left.get(label)!.map((one) => one.label))
      for (const { from } of choices) {
        for (const [one, value] of from) {
          if (before.has(one)) from.set(one, this.#resolve(value))
          else from.delete(one)
        }
      }
    }
    this.#exchangeEverywhere()
  }

  /** Blocks may have been visited before all was known of what they read. */
  #exchangeEverywhere(): void {
    const exchange = (one: Operand) => this.#resolve(one)
    for (const block of this.#ssa.blocks) {
      block.operations = block.operations.map((one) => mapReads(one, exchange))
      block.end = mapReads(block.end, exchange)
    }
  }

  definitionOf(operand: Operand): Operation | undefined {
    return operand.kind === 'register' ? this.#definitions.get(operand.number) : undefined
  }

  maxOf(operand: Operand): number {
    if (operand.kind === 'register') {
      const max = this.#max.get(operand.number) ?? UNBOUNDED
      return Math.min(max, this.#limits.get(operand.number) ?? max)
    }
    if (!isConstant(operand)) return UNBOUNDED
    return operand.value < 0 ? UNBOUNDED : operand.value
  }

  /** Without what only branches on the way here have shown. */
  #maxAnywhere(operand: Operand): number {
    return operand.kind === 'register'
      ? (this.#max.get(operand.number) ?? UNBOUNDED)
      : this.maxOf(operand)
  }

  #resolve(operand: Operand): Operand {
    let found = operand
    while (found.kind === 'register') {
      const next = this.#same.get(found.number)
      if (next === undefined) return found
      found = next
    }
    return found
  }

  readonly #read = (operand: Operand): Operand => {
    const found = this.#resolve(operand)
    return found.kind === 'register' ? (this.#here.get(found.number) ?? found) : found
  }

  #visit(block: SsaBlock, before: readonly Block[]): void {
    if (before.length === 1) this.#learn(before[0]!.end, block.label)
    const operations = this.#visitChoices(block)
    const versions = this.#memory.into.get(block.label)!.slice()
    for (const operation of block.operations) {
      if (operation.op === 'anew') for (const scope of this.#scopes) scope.forget()
      const plain = simplify(mapReads(operation, this.#read), this)
      const read = plain.op === 'header' ? this.#inside(plain, versions) : plain
      this.#memory.step(operation, versions)
      const to = writtenBy(operation)
      const value = 'value' in read ? read.value : undefined
      if (to !== undefined && value !== undefined && read.op === 'is') {
        this.#same.set(to.number, value)
        // Where only a register can stand, it still has to be there.
        operations.push({ op: 'move', to, from: value, ...origin(operation) })
        this.#definitions.set(to.number, operations.at(-1)!)
        this.#max.set(to.number, this.maxOf(value))
        continue
      }
      if (read.op === 'is') continue
      this.#note(read, operation, versions, operations)
    }
    block.operations = operations
    block.end = this.#settle(mapReads(block.end, this.#read))
  }

  /** What is left of choices between one and the same constant: where only a register can stand, it has to be there. */
  #visitChoices(block: SsaBlock): Block['operations'] {
    const settled: Block['operations'] = []
    block.choices = block.choices.filter(({ to, from }) => {
      const values = [...from.values()].map((one) => this.#resolve(one))
      const others = values.filter((one) => !(one.kind === 'register' && one.number === to.number))
      const [first] = others
      if (first !== undefined && others.every((one) => isSame(one, first))) {
        this.#same.set(to.number, first)
        this.#max.set(to.number, this.maxOf(first))
        if (first.kind === 'immediate') {
          settled.push({ op: 'move', to, from: first })
          this.#definitions.set(to.number, settled.at(-1)!)
        }
        return false
      }
      // A value that comes round a loop has not been seen yet, and is unbounded.
      this.#max.set(to.number, Math.max(...values.map((one) => this.#maxAnywhere(one))))
      return true
    })
    return settled
  }

  /** Keeps an operation, unless its result is there already. */
  #note(
    read: Block['operations'][number],
    operation: Operation,
    versions: Versions,
    operations: Block['operations'],
  ): void {
    const to = writtenBy(read)
    const key = this.#keyOf(read, operation, versions)
    if (to !== undefined && key !== undefined) {
      const known = this.#expressions.get(key)
      if (known !== undefined) {
        this.#same.set(to.number, known)
        operations.push({ op: 'move', to, from: known, ...origin(operation) })
        this.#max.set(to.number, this.maxOf(known))
        return
      }
      this.#expressions.set(key, to)
    }
    operations.push(read)
    if (to !== undefined) {
      this.#definitions.set(to.number, read)
      const max = greatest(read, (one) => this.maxOf(one))
      this.#max.set(to.number, this.#isExpanded && isDark(read) ? Math.max(max, U32_MAX) : max)
    }
    if (this.#isExpanded) return
    if (read.op === 'store' && this.maxOf(read.value) < 2 ** (8 * read.bytes)) {
      this.#expressions.set(this.#keyOfPlace(read, operation, versions), read.value)
    }
  }

  /** Two operations with the same key have the same result. */
  #keyOf(read: Operation, operation: Operation, versions: Versions): string | undefined {
    const show = (one: Operand) =>
      one.kind === 'register' ? `r${one.number}` : (one.symbol ?? `${one.value}`)
    switch (read.op) {
      case 'move':
        return undefined
      case 'alu': {
        const pair = [show(read.left), show(read.right)]
        if (COMMUTATIVE.has(read.operator)) pair.sort()
        return `${read.operator}${read.width} ${pair.join(' ')} ${read.below ?? ''}`
      }
      case 'swap':
        return `swap${read.bits} ${show(read.from)}`
      case 'row':
        return `row ${read.table} ${show(read.index)}`
      case 'local':
        return `own ${read.name}`
      case 'header': {
        const version = versions[this.#memory.geometry]!
        return `header ${show(read.offset)} ${read.bytes} ${version}`
      }
      case 'context':
        return `context ${read.offset} ${versions[this.#memory.geometry]!}`
      case 'helper':
        return PURE_HELPERS.has(read.helper) ? `helper ${read.helper}` : undefined
      case 'load':
        return this.#isExpanded ? undefined : this.#keyOfPlace(read, operation, versions)
      case 'intrinsic':
        if (!PURE_INTRINSICS.has(read.name)) return undefined
        return `${read.name} ${versions[this.#memory.geometry]!}`
      default:
        return undefined
    }
  }

  #keyOfPlace(
    { bytes, base, offset }: Operation & { op: 'load' | 'store' },
    operation: Operation,
    versions: Versions,
  ): string {
    const made = this.#definitions.get(base.number)
    const owner = made?.op === 'local' ? `own ${made.name}` : `r${base.number}`
    const place = this.#memory.placeOf(operation as Operation & { op: 'load' })
    return `u${bytes * 8} ${owner} ${offset} ${versions[place]!}`
  }

  /** What the way from a block's end to `label` shows. */
  #learn(end: End, label: Label): void {
    if (end.op !== 'branch' || end.label === end.otherwise) return
    const isTaken = end.label === label
    const [key, isOpposite] = factOf(end)
    this.#facts.set(key, isTaken !== isOpposite)
    const { test, left, right, width } = end
    if (right.kind !== 'immediate' || !isConstant(right)) return
    const max = this.maxOf(left)
    if (width === 32 && max > U32_MAX) return
    const isEqual = test === 'equal' ? isTaken : test === 'unequal' && !isTaken
    if (isEqual && (width === 64 || right.value >= 0)) this.#here.set(left.number, right)
    const isNotZero = test === 'equal' ? !isTaken : test === 'unequal' && isTaken
    if (isNotZero && right.value === 0 && max === 1) this.#here.set(left.number, immediate(1))
    const limit = limitOf(test, isTaken, right.value)
    if (limit < max) this.#limits.set(left.number, limit)
    if (right.value !== 0 || !isNotZero) return
    const header = this.#definitions.get(left.number)
    const geometry = this.#geometries.get(left.number)
    if (header?.op !== 'header' || geometry === undefined) return
    this.#headers.set(geometry, [...(this.#headers.get(geometry) ?? []), header])
  }

  /** A header inside one that was found in the frame is there, too: so many bytes behind where that begins. */
  #inside(header: Header, versions: Versions): Block['operations'][number] | Is {
    const { offset, bytes, to } = header
    if (this.#isExpanded || !isConstant(offset)) return header
    const geometry = versions[this.#memory.geometry]!
    for (const around of this.#headers.get(geometry) ?? []) {
      if (!isConstant(around.offset)) continue
      const distance = offset.value - around.offset.value
      if (distance < 0 || distance + bytes > around.bytes) continue
      if (distance === 0) return { op: 'is', value: around.to }
      const isNull = { op: 'branch', test: 'equal', width: 64, left: to, right: immediate(0) }
      const [key, isOpposite] = factOf({ ...isNull, label: '', otherwise: '' } as Split)
      this.#facts.set(key, isOpposite)
      const right = immediate(distance)
      return { op: 'alu', operator: 'add', width: 64, to, left: around.to, right }
    }
    this.#geometries.set(to.number, geometry)
    return header
  }

  /** The way out, with what is known of its test. */
  #settle(end: End): End {
    if (end.op !== 'branch') return end
    const split = simplifySplit(end, this)
    if (split.label === split.otherwise) return { op: 'jump', label: split.label, ...origin(split) }
    const outcome = this.#outcomeOf(split)
    if (outcome === undefined) return split
    return { op: 'jump', label: outcome ? split.label : split.otherwise, ...origin(split) }
  }

  #outcomeOf(split: Split): boolean | undefined {
    const { test, width, left, right } = split
    const known = this.#read(left)
    if (isSame(known, right) && (test === 'equal' || test === 'unequal')) return test === 'equal'
    if (isConstant(known) && isConstant(right)) return isTrue(test, width, known, right)
    if (isConstant(right) && (width === 64 || this.maxOf(left) <= U32_MAX)) {
      const settled = isSettled(test, this.maxOf(left), right)
      if (settled !== undefined) return settled
    }
    const [key, isOpposite] = factOf(split)
    const fact = this.#facts.get(key)
    return fact === undefined ? undefined : fact !== isOpposite
  }
}

const U32_MAX = 2 ** 32 - 1
const COMMUTATIVE: ReadonlySet<string> = new Set(['add', 'multiply', 'and', 'or', 'xor'])
/** Intrinsics that say the same until the frame is moved. */
export const PURE_INTRINSICS: ReadonlySet<string> = new Set([
  'packet.length',
  'packet.ingress',
  'packet.segmentSize',
  'packet.hasPartialChecksum',
  'now',
])

function origin(operation: object): object {
  return 'origin' in operation ? { origin: operation.origin } : {}
}

function isSame(a: Operand, b: Operand): boolean {
  if (a.kind === 'register') return b.kind === 'register' && a.number === b.number
  return b.kind === 'immediate' && a.symbol === b.symbol && bitsOf(a) === bitsOf(b)
}

/** A name for the test or its opposite, whichever comes first; and was it the opposite? */
function factOf({ test, width, left, right }: Split): [string, boolean] {
  const opposite = oppositeOf(test)
  const isOpposite = opposite !== undefined && opposite < test
  const value = right.kind === 'register' ? `r${right.number}` : (right.symbol ?? `${right.value}`)
  return [`${isOpposite ? opposite : test}${width} r${left.number} ${value}`, isOpposite]
}

/** The greatest value for which the test came out so. */
function limitOf(test: string, isTaken: boolean, value: number): number {
  if (value < 0) return UNBOUNDED
  if (isTaken ? test === 'less' : test === 'greaterOrEqual') return value - 1
  if (isTaken ? test === 'lessOrEqual' : test === 'greater') return value
  return UNBOUNDED
}
