/**
 * One loop, cut: the function that does some rounds of it, and what stands in its place.
 */
import { isNumber } from '../ir/arithmetic.ts'
import { redirect } from './ssa.ts'
import { fromBlocks, START, successorsOf, type Block, type End } from '../ir/graph.ts'
import {
  immediate,
  register,
  writtenBy,
  type IrFunction,
  type Label,
  type LocalStruct,
  type Operand,
  type Operation,
  type Parameter,
  type Register,
} from '../ir/ir.ts'
import { livenessOf } from '../ir/liveness.ts'
import type { Loop } from '../ir/loops.ts'

/** Rounds that one call does. */
const ROUNDS = 8
/** Rounds that stay on the way of every packet. */
const FIRST_ROUNDS = 4
const WORD = 8
/** Registers for arguments, of which the context and the area take some. */
const ARGUMENTS_MAX = 5

export interface CutLoop {
  readonly piece: IrFunction
  readonly state: LocalStruct
  readonly left: Block[]
  readonly registerCount: number
}

type Straight = Block['operations'][number]
type FoundRow = Straight & { readonly op: 'row'; readonly index: Register }
/** A pointer that can be made anew wherever it is wanted. */
type Remade = Straight & { op: 'local' | 'row' }

function isSameMaker(a: number | Remade | null, b: number | Remade | null): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (a.op === 'local') return b.op === 'local' && a.name === b.name
  return (
    b.op === 'row' &&
    a.table === b.table &&
    a.index.kind === 'immediate' &&
    b.index.kind === 'immediate' &&
    a.index.value === b.index.value
  )
}

/** A pointer that the loop asks for null was not asked before. */
function asksForNull(end: End, pointer: number): boolean {
  return end.op === 'branch' && end.left.number === pointer && isNumber(end.right, 0)
}

export class CutPiece {
  readonly #body: IrFunction
  readonly #blocks: readonly Block[]
  readonly #loop: Loop
  readonly #times: number
  readonly #rowBytes: ReadonlyMap<string, number>
  readonly #lookAtFrame: (operation: Operation) => boolean
  readonly #name: string
  readonly #state: string
  /** By register: its word in the state. */
  readonly #words = new Map<number, number>()
  #count: number

  constructor(
    body: IrFunction,
    blocks: readonly Block[],
    loop: Loop,
    times: number,
    rowBytes: ReadonlyMap<string, number>,
    looksAtFrame: (operation: Operation) => boolean,
  ) {
    this.#lookAtFrame = looksAtFrame
    this.#body = body
    this.#blocks = blocks
    this.#loop = loop
    this.#times = times
    this.#rowBytes = rowBytes
    this.#name = `${body.name}/${loop.header}`
    this.#state = `${this.#name}#state`
    this.#count = body.registerCount
  }

  /** Undefined where a pointer would have to be handed over through memory. */
  run(isHot: boolean): CutLoop | undefined {
    const { into } = livenessOf(this.#blocks, this.#body.registerCount)
    const inside = this.#blocks.filter(({ label }) => this.#loop.blocks.has(label))
    const exits = [...new Set(inside.flatMap(successorsOf))].filter(
      (label) => !this.#loop.blocks.has(label),
    )
    const written = new Set(
      inside.flatMap(({ operations }) => operations.flatMap((one) => writtenBy(one)?.number ?? [])),
    )
    const taken = [...into.get(this.#loop.header)!]
    const wanted = exits.map((label) => [...into.get(label)!].filter((one) => written.has(one)))
    const pointers = this.#pointers()
    const handed = taken.filter((one) => pointers.has(one))
    const found = this.#foundInside(inside)
    if (wanted.flat().some((one) => pointers.has(one) && !found.has(one))) return undefined
    const indices = wanted.map((list) => [
      ...new Set(list.map((one) => found.get(one)?.index.number ?? one)),
    ])
    if (handed.some((one) => written.has(one) || pointers.get(one) === null)) return undefined
    const parameters = handed.filter((one) => typeof pointers.get(one) === 'number')
    if (parameters.length > ARGUMENTS_MAX - 1 - (this.#usesFrame(inside) ? 1 : 0)) return undefined
    for (const one of [...taken, ...indices.flat()]) {
      if (!pointers.has(one) && !this.#words.has(one)) this.#words.set(one, this.#words.size)
    }
    const numbers = taken.filter((one) => !pointers.has(one))
    const structs = handed.flatMap((one): Straight[] => {
      const made = pointers.get(one)
      return typeof made === 'object' && made !== null ? [{ ...made, to: register(one) }] : []
    })
    const carried = numbers.filter((one) => written.has(one))
    const piece = this.#piece(inside, exits, {
      parameters: parameters.map((one): Parameter => {
        const isNullable = inside.some(({ end }) => asksForNull(end, one)) && { isNullable: true }
        return { register: register(one), bytes: pointers.get(one) as number, ...isNullable }
      }),
      enter: [...structs, ...this.#fetch(numbers)],
      leave: indices.map((list) => this.#hand(list)),
      again: this.#hand(carried),
    })
    const left = this.#rest(isHot, exits, {
      values: parameters.map((one) => register(one)),
      enter: this.#hand(numbers),
      leave: indices.map((list) => this.#fetch(list)),
      rows: wanted.map((list) => list.flatMap((one) => found.get(one) ?? [])),
    })
    const bytes = WORD * (this.#words.size + 1)
    return { piece, left, state: { name: this.#state, bytes }, registerCount: this.#count }
  }

  #fresh(): Register {
    return register(this.#count++)
  }

  /**
   * Registers that are pointers: bytes behind them, the operation that makes them anywhere, or null for those that
   * cannot be handed on.
   */
  #pointers(): Map<number, number | Remade | null> {
    const found = new Map<number, number | Remade | null>()
    const note = (number: number, what: number | Remade | null) => {
      const known = found.get(number)
      const isSame = known === undefined || isSameMaker(known, what)
      found.set(number, isSame ? what : null)
    }
    for (const { register: one, bytes } of this.#body.parameters) {
      if (bytes !== undefined) note(one.number, bytes)
    }
    for (let before = -1; before !== found.size;) {
      before = found.size
      for (const { operations } of this.#blocks) {
        for (const one of operations) {
          if (one.op === 'row') {
            const isFirst = one.index.kind === 'immediate'
            note(one.to.number, isFirst ? one : this.#rowBytes.get(one.table)!)
          }
          if (one.op === 'local') note(one.to.number, one)
          if (one.op === 'header') note(one.to.number, null)
          if (one.op !== 'move' || one.from.kind !== 'register') continue
          const what = found.get(one.from.number)
          if (what !== undefined) note(one.to.number, what)
        }
      }
    }
    return found
  }

  /** Rows that the loop finds, each with a register that keeps its index: by that it can be found again. */
  #foundInside(inside: readonly Block[]): Map<number, FoundRow> {
    const found = new Map<number, FoundRow | undefined>()
    for (const block of inside) {
      block.operations = block.operations.flatMap((one): Straight[] => {
        if (one.op !== 'row' || one.index.kind !== 'register') return [one]
        const index = this.#fresh()
        found.set(one.to.number, found.has(one.to.number) ? undefined : { ...one, index })
        return [{ op: 'move', to: index, from: one.index }, one]
      })
    }
    return new Map([...found].flatMap(([to, row]) => (row === undefined ? [] : [[to, row]])))
  }

  /** Does the loop look at the frame? Of functions it calls, `usesFrame` knows. */
  #usesFrame(inside: readonly Block[]): boolean {
    return inside.some(({ operations }) => operations.some((one) => this.#lookAtFrame(one)))
  }

  /** Registers from the state. */
  #fetch(numbers: readonly number[]): Straight[] {
    if (numbers.length === 0) return []
    const base = this.#fresh()
    return [
      { op: 'local', to: base, name: this.#state },
      ...numbers.map((one): Straight => {
        const offset = WORD * this.#words.get(one)!
        return { op: 'load', bytes: WORD, to: register(one), base, offset }
      }),
    ]
  }

  /** Registers into the state. */
  #hand(numbers: readonly number[]): Straight[] {
    if (numbers.length === 0) return []
    const base = this.#fresh()
    return [
      { op: 'local', to: base, name: this.#state },
      ...numbers.map((one): Straight => {
        const offset = WORD * this.#words.get(one)!
        return { op: 'store', bytes: WORD, base, offset, value: register(one) }
      }),
    ]
  }

  /** The function: 0 as long as there may be more rounds, else which of `exits`, or that the function returns. */
  #piece(
    inside: readonly Block[],
    exits: readonly Label[],
    code: {
      parameters: readonly Parameter[]
      enter: Straight[]
      leave: Straight[][]
      again: Straight[]
    },
  ): IrFunction {
    const { header } = this.#loop
    const counter = this.#fresh()
    const next = counted(counter, ROUNDS, header, this.#fresh())
    const blocks: Block[] = [
      {
        label: START,
        operations: [...code.enter, { op: 'move', to: counter, from: immediate(0) }],
        end: { op: 'jump', label: header },
      },
    ]
    for (const block of inside) {
      let end = redirect(block.end, header, 'next round')
      exits.forEach((label, i) => (end = redirect(end, label, `way ${i + 1}`)))
      // Its own mark would have it cut again.
      const operations = block.operations.filter(({ op }) => op !== 'loop')
      if (end.op === 'return') {
        operations.push(...this.#keepResult(end.value))
        end = { ...end, value: immediate(exits.length + 1) }
      }
      blocks.push({ label: block.label, operations, end })
    }
    blocks.push({ label: 'next round', operations: next.operations, end: next.end('more') })
    blocks.push({
      label: 'more',
      operations: code.again,
      end: { op: 'return', value: immediate(0) },
    })
    exits.forEach((_, i) => {
      const end = { op: 'return', value: immediate(i + 1) } as const
      blocks.push({ label: `way ${i + 1}`, operations: code.leave[i]!, end })
    })
    const reached = blocks.filter(
      ({ label }) => label === START || blocks.some((one) => successorsOf(one).includes(label)),
    )
    return {
      name: this.#name,
      parameters: code.parameters,
      operations: fromBlocks(reached),
      registerCount: this.#count,
      isApart: true,
    }
  }

  /** What the function returns, from within the loop. */
  #keepResult(value: Operand): Straight[] {
    const base = this.#fresh()
    return [
      { op: 'local', to: base, name: this.#state },
      { op: 'store', bytes: WORD, base, offset: WORD * this.#words.size, value },
    ]
  }

  /** The function around it, with calls where the loop was. */
  #rest(
    isHot: boolean,
    exits: readonly Label[],
    code: { values: Register[]; enter: Straight[]; leave: Straight[][]; rows: FoundRow[][] },
  ): Block[] {
    const { header } = this.#loop
    const label = (name: string) => `${header}/${name}`
    const counter = this.#fresh()
    const way = this.#fresh()
    const calls = Math.ceil(this.#times / ROUNDS) + 1
    const next = counted(counter, calls, label('again'), this.#fresh())
    const blocks: Block[] = []
    const rounds = this.#fresh()
    const first = counted(rounds, FIRST_ROUNDS, header, this.#fresh())
    for (const block of this.#blocks) {
      const isInside = this.#loop.blocks.has(block.label)
      if (isInside && !isHot) continue
      const goal = isInside ? label('next') : isHot ? label('first') : label('enter')
      // The loop's own mark would have the rest cut again.
      const operations = block.operations.filter(({ op }) => !isInside || op !== 'loop')
      blocks.push({ label: block.label, operations, end: redirect(block.end, header, goal) })
    }
    if (isHot) {
      const operations: Straight[] = [{ op: 'move', to: rounds, from: immediate(0) }]
      blocks.push({ label: label('first'), operations, end: { op: 'jump', label: header } })
      const end = first.end(label('enter'))
      blocks.push({ label: label('next'), operations: first.operations, end })
    }
    blocks.push({
      label: label('enter'),
      operations: [...code.enter, { op: 'move', to: counter, from: immediate(0) }],
      end: { op: 'jump', label: label('again') },
    })
    blocks.push({
      label: label('again'),
      operations: [{ op: 'call', name: this.#name, arguments: code.values, to: way }],
      end: split(way, 0, label('next call'), label('way 1')),
    })
    const end = next.end(exits.length > 0 ? label('leave 1') : label('return'))
    blocks.push({ label: label('next call'), operations: next.operations, end })
    exits.forEach((exit, i) => {
      const isLast = i === exits.length - 1
      const behind = isLast ? label('return') : label(`way ${i + 2}`)
      const leave = label(`leave ${i + 1}`)
      blocks.push({
        label: label(`way ${i + 1}`),
        operations: [],
        end: split(way, i + 1, leave, behind),
      })
      blocks.push(...leaving(leave, code.leave[i]!, code.rows[i]!, exit, label('return')))
    })
    if (exits.length === 0) {
      blocks.push({
        label: label('way 1'),
        operations: [],
        end: { op: 'jump', label: label('return') },
      })
    }
    const [base, value] = [this.#fresh(), this.#fresh()]
    blocks.push({
      label: label('return'),
      operations: [
        { op: 'local', to: base, name: this.#state },
        { op: 'load', bytes: WORD, to: value, base, offset: WORD * this.#words.size },
      ],
      end: { op: 'return', value },
    })
    return blocks
  }
}

/** Counts up, and goes back as long as that is below `times`. */
function counted(counter: Register, times: number, back: Label, next: Register) {
  const operations: Straight[] = [
    { op: 'alu', operator: 'add', width: 64, to: next, left: counter, right: immediate(1) },
    { op: 'move', to: counter, from: next },
  ]
  const end = (otherwise: Label): Block['end'] => ({
    op: 'branch',
    test: 'less',
    width: 64,
    left: counter,
    right: immediate(times),
    label: back,
    otherwise,
  })
  return { operations, end }
}

/** Blocks that take over what the loop found, and go on; `none` is never gone to. */
function leaving(
  label: Label,
  fetch: Straight[],
  rows: readonly FoundRow[],
  exit: Label,
  none: Label,
): Block[] {
  const blocks: Block[] = []
  let operations = fetch
  rows.forEach((row, i) => {
    const behind = `${label}/${i + 1}`
    const at = i === 0 ? label : `${label}/${i}`
    blocks.push({
      label: at,
      operations: [...operations, row],
      end: split(row.to, 0, none, behind),
    })
    operations = []
  })
  const at = rows.length === 0 ? label : `${label}/${rows.length}`
  return [...blocks, { label: at, operations, end: { op: 'jump', label: exit } }]
}

function split(left: Register, value: number, label: Label, otherwise: Label): Block['end'] {
  const right = immediate(value)
  return { op: 'branch', test: 'equal', width: 64, left, right, label, otherwise }
}
