/**
 * The language's own functions (src/subset/), as operations: what stands there in JavaScript, here in the kernel's
 * arithmetic. Time and chance come from the engine.
 */
import { assert } from '../../base/assert.ts'
import type { Code } from './code.ts'
import { immediate, type Operand } from '../ir/ir.ts'
import { isWithin, U16, U32, U8, type Range } from '../language/range.ts'

const WRAPS: Readonly<Record<string, readonly [Range, number, 32 | 64]>> = {
  u8: [U8, 0xff, 64],
  u16: [U16, 0xffff, 64],
  u32: [U32, -1, 32],
}

/** The result of `name(values)`; `range` is the first argument's. */
export function lowerRuntimeCall(
  code: Code,
  name: string,
  values: readonly Operand[],
  range: Range | undefined,
): Operand {
  const wrap = WRAPS[name]
  if (wrap !== undefined) return lowerWrap(code, values[0]!, range, wrap)
  const lower = RUNTIME[name]
  assert(lower !== undefined, `src/subset has no ${name} for the packet path`)
  return lower(code, values)
}

/** What fits stays what it is. */
function lowerWrap(
  code: Code,
  value: Operand,
  range: Range | undefined,
  [width, mask, bits]: readonly [Range, number, 32 | 64],
): Operand {
  if (range !== undefined && !range.isRaw && isWithin(range, width)) return value
  const to = code.register()
  code.add({
    op: 'alu',
    operator: 'and',
    width: bits,
    to,
    left: code.inRegister(value),
    right: immediate(mask),
  })
  return to
}

/** Has the packet path this function of src/subset? */
export function isRuntimeFunction(name: string): boolean {
  return Object.hasOwn(WRAPS, name) || Object.hasOwn(RUNTIME, name)
}

type Lower = (code: Code, values: readonly Operand[]) => Operand

function binary(operator: 'multiply' | 'divide' | 'modulo', width: 32 | 64): Lower {
  return (code, [a, b]) => {
    const to = code.register()
    code.add({ op: 'alu', operator, width, to, left: a!, right: b! })
    return to
  }
}

function fromEngine(name: string): Lower {
  return (code, values) => {
    const to = code.register()
    code.add({ op: 'intrinsic', name, arguments: values, to })
    return to
  }
}

const RUNTIME: Readonly<Record<string, Lower>> = {
  mul32: binary('multiply', 32),
  div: binary('divide', 32),
  modulo: binary('modulo', 32),
  sumHalves: (code, values) => {
    const alu = (operator: 'add' | 'shr' | 'and', left: Operand, right: Operand): Operand => {
      const to = code.register()
      code.add({ op: 'alu', operator, width: 64, to, left, right })
      return to
    }
    const sum = values.reduce((left, right) => alu('add', left, right))
    const middle = alu('and', alu('shr', sum, immediate(16)), immediate(0xffff))
    const outer = alu('add', alu('and', sum, immediate(0xffff)), alu('shr', sum, immediate(32)))
    return alu('add', outer, middle)
  },
  startAnew: (code) => {
    code.add({ op: 'anew' })
    return immediate(0)
  },
  /** The difference modulo 2^32 has no sign bit. */
  isAtOrAfter: (code, [a, b]) => {
    const difference = code.register()
    code.add({ op: 'alu', operator: 'subtract', width: 32, to: difference, left: a!, right: b! })
    const to = code.register()
    code.add({ op: 'alu', operator: 'shr', width: 32, to, left: difference, right: immediate(31) })
    const flipped = code.register()
    code.add({ op: 'alu', operator: 'xor', width: 32, to: flipped, left: to, right: immediate(1) })
    return flipped
  },
  /** Products of 32-bit numbers fit into 64 bits, unsigned. */
  isProductGreater: (code, [a, b, c, d]) => {
    const left = code.register()
    const right = code.register()
    code.add({ op: 'alu', operator: 'multiply', width: 64, to: left, left: a!, right: b! })
    code.add({ op: 'alu', operator: 'multiply', width: 64, to: right, left: c!, right: d! })
    return code.truth((yes, no) => {
      code.add({ op: 'branch', test: 'greater', width: 64, left, right, label: yes })
      code.jump(no)
    })
  },
  now: fromEngine('now'),
  random: fromEngine('random'),
  noteReason: fromEngine('noteReason'),
  pass: fromEngine('pass'),
  drop: fromEngine('drop'),
  redirect: fromEngine('redirect'),
  hold: fromEngine('hold'),
  redirectLater: fromEngine('redirectLater'),
  sendBack: fromEngine('sendBack'),
  isXdp: fromEngine('isXdp'),
  resume: fromEngine('resume'),
}
