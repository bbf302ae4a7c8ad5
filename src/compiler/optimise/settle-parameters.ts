/**
 * Parameters that are the same struct of the program's own at every call are no parameters: the function finds that
 * struct itself. `flow` is one, nearly everywhere.
 */
import { writtenBy, type IrFunction, type IrProgram, type Located, type Operand } from '../ir/ir.ts'

/** By function and parameter: the struct it always is; null: not always the same. */
type Settled = Map<string, (string | null | undefined)[]>

export function settleParameters(program: IrProgram): IrProgram {
  const settled = findSettled(program)
  const functions = program.functions.map((body, i) => (i === 0 ? body : settle(body, settled)))
  return { ...program, functions: functions.map((body) => settleCalls(body, settled)) }
}

function findSettled({ functions }: IrProgram): Settled {
  const settled: Settled = new Map(
    functions.map(({ name, parameters }) => [name, parameters.map(() => undefined)]),
  )
  for (let isChanging = true; isChanging;) {
    isChanging = false
    for (const body of functions) {
      const structOf = structsIn(body, settled)
      for (const call of body.operations) {
        if (call.op !== 'call') continue
        const known = settled.get(call.name)!
        call.arguments.forEach((argument, i) => {
          const struct = structOf(argument)
          if (struct === undefined || known[i] === null || known[i] === struct) return
          known[i] = known[i] === undefined ? struct : null
          isChanging = true
        })
      }
    }
  }
  return settled
}

/** Which struct an operand is; null: none; undefined: not known yet. */
function structsIn(
  { name, parameters, operations }: IrFunction,
  settled: Settled,
): (operand: Operand) => string | null | undefined {
  const makers = new Map<number, Located | null>()
  for (const one of operations) {
    const to = writtenBy(one)
    if (to !== undefined) makers.set(to.number, makers.has(to.number) ? null : one)
  }
  const places = new Map(parameters.map(({ register }, i) => [register.number, i]))
  return (operand) => {
    if (operand.kind === 'immediate') return null
    const maker = makers.get(operand.number)
    const place = places.get(operand.number)
    if (place !== undefined) return maker === undefined ? settled.get(name)![place] : null
    return maker?.op === 'local' ? maker.name : null
  }
}

function settle(body: IrFunction, settled: Settled): IrFunction {
  const structs = settled.get(body.name)!
  const found = body.parameters.flatMap(({ register }, i): Located[] => {
    const struct = structs[i]
    return typeof struct === 'string' ? [{ op: 'local', to: register, name: struct }] : []
  })
  const parameters = body.parameters.filter((_, i) => typeof structs[i] !== 'string')
  return { ...body, parameters, operations: [...found, ...body.operations] }
}

function settleCalls(body: IrFunction, settled: Settled): IrFunction {
  const operations = body.operations.map((one) => {
    if (one.op !== 'call') return one
    const structs = settled.get(one.name)!
    return { ...one, arguments: one.arguments.filter((_, i) => typeof structs[i] !== 'string') }
  })
  return { ...body, operations }
}
