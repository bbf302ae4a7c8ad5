/**
 * Writes functions where they are called: those called once, small ones, and on the way of every packet all others.
 *
 * A function marked `@apart` (and the one the program begins with) stays one: the kernel verifies it once, whoever
 * calls it, and most packets pass it by. What such a function calls is written in it if it is small or called
 * there only; else it stays a function, too.
 */
import { assert } from '../../base/assert.ts'
import {
  register,
  writtenBy,
  type IrFunction,
  type IrProgram,
  type Label,
  type Located,
  type Operand,
  type Register,
} from '../ir/ir.ts'
import { isLongLoop } from '../ir/loops.ts'
import { rename } from '../ir/rename.ts'
import { Unfit } from '../target/unfit.ts'

/** Operations of a function that is written wherever it is called. */
const SMALL = 70

/** Calls within calls that the kernel allows, the program itself among them. */
const DEPTH_MAX = 8

export function inlineCalls(program: IrProgram): IrProgram {
  const wherever = new Set<string>()
  for (;;) {
    const inlined = new Inlining(program, wherever).run()
    const chain = deepestChain(inlined)
    if (chain.depth <= DEPTH_MAX) return inlined
    // Too deep: the smallest function on the way down is written wherever it is called.
    const found = chain.functions.slice(1).filter(({ isApart }) => !isApart)
    found.sort((a, b) => a.operations.length - b.operations.length)
    const names = chain.functions.map(({ name }) => name).join(' → ')
    if (found[0] === undefined) {
      const message = `calls ${chain.depth} deep, where ${DEPTH_MAX} are allowed: ${names}`
      throw new Unfit(chain.functions.at(-1)?.origin, message, 'a function that is not @apart')
    }
    wherever.add(found[0].name)
  }
}

interface Chain {
  readonly depth: number
  readonly functions: readonly IrFunction[]
}

/** Where calls are deepest; a loop that will be cut (cut-loops.ts) is a call, too. */
function deepestChain({ functions }: IrProgram): Chain {
  const known = new Map<string, Chain>()
  const byName = new Map(functions.map((one) => [one.name, one]))
  const chainOf = (body: IrFunction): Chain => {
    const before = known.get(body.name)
    if (before !== undefined) return before
    const callees = new Set(body.operations.flatMap((one) => (one.op === 'call' ? one.name : [])))
    let deepest: Chain = { depth: body.operations.some(isLongLoop) ? 1 : 0, functions: [] }
    for (const name of callees) {
      const chain = chainOf(byName.get(name)!)
      if (chain.depth > deepest.depth) deepest = chain
    }
    const chain = { depth: deepest.depth + 1, functions: [body, ...deepest.functions] }
    known.set(body.name, chain)
    return chain
  }
  return chainOf(functions[0]!)
}

class Inlining {
  readonly #program: IrProgram
  /** Functions that are written wherever they are called. */
  readonly #wherever: ReadonlySet<string>
  readonly #functions: ReadonlyMap<string, IrFunction>
  readonly #callSites = new Map<string, number>()
  /** Finished ones: what they call has been written in them. */
  readonly #finished = new Map<string, IrFunction>()
  #copies = 0

  constructor(program: IrProgram, wherever: ReadonlySet<string>) {
    this.#program = program
    this.#wherever = wherever
    this.#functions = new Map(program.functions.map((one) => [one.name, one]))
    for (const { operations } of program.functions) {
      for (const one of operations) {
        if (one.op !== 'call') continue
        this.#callSites.set(one.name, (this.#callSites.get(one.name) ?? 0) + 1)
      }
    }
  }

  run(): IrProgram {
    const [entry] = this.#program.functions
    const functions: IrFunction[] = []
    const waiting = [entry!.name]
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      if (functions.some((one) => one.name === name)) continue
      const finished = this.#finish(name, name === entry!.name)
      functions.push(finished)
      for (const one of finished.operations) if (one.op === 'call') waiting.push(one.name)
    }
    return { ...this.#program, functions }
  }

  #functionOf(name: string): IrFunction {
    const found = this.#functions.get(name)
    assert(found !== undefined, `there is a function ${name}`)
    return found
  }

  /** The function with what it calls. `isHot`: on the way of every packet. */
  #finish(name: string, isHot: boolean): IrFunction {
    const key = `${name} ${isHot}`
    const known = this.#finished.get(key)
    if (known !== undefined) return known
    const body = this.#functionOf(name)
    const code: Located[] = []
    let count = body.registerCount
    for (const operation of body.operations) {
      const callee = operation.op === 'call' ? this.#functionOf(operation.name) : undefined
      const inner = callee && this.#written(callee, isHot)
      if (operation.op !== 'call' || inner === undefined) {
        code.push(operation)
        continue
      }
      code.push(...this.#write(inner, count, operation))
      count += inner.registerCount
    }
    const finished = { ...body, operations: code, registerCount: count }
    this.#finished.set(key, finished)
    return finished
  }

  /** The callee as it is written where it is called; undefined: it stays a function. */
  #written(callee: IrFunction, isHot: boolean): IrFunction | undefined {
    if (callee.isApart) return undefined
    const finished = this.#finish(callee.name, isHot)
    const isSmall = finished.operations.length <= SMALL || this.#wherever.has(callee.name)
    const isCalledOnce = this.#callSites.get(callee.name) === 1
    return isHot || isSmall || isCalledOnce ? finished : undefined
  }

  /** The body with registers and labels of its own; `first`: the first register that is free. */
  #write(body: IrFunction, first: number, call: Located & { readonly op: 'call' }): Located[] {
    const copy = ++this.#copies
    const fresh = (one: Register): Register => register(one.number + first)
    const place = (label: Label): Label => `${label}~${copy}`
    const end = `${body.name}~${copy}`
    const origin = call.origin === undefined ? {} : { origin: call.origin }
    const code: Located[] = body.parameters.map((parameter, i) => {
      const from: Operand = call.arguments[i]!
      return { op: 'move', to: fresh(parameter.register), from, ...origin }
    })
    for (const operation of body.operations) {
      if (operation.op !== 'return') {
        code.push(rename(operation, fresh, place))
        continue
      }
      const { value, ...rest } = operation
      const from = value.kind === 'register' ? fresh(value) : value
      const to = writtenBy(call)
      if (to !== undefined) code.push({ ...rest, op: 'move', to, from })
      code.push({ ...(rest.origin && { origin: rest.origin }), op: 'jump', label: end })
    }
    code.push({ op: 'label', label: end })
    return code
  }
}
