import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decode } from './decode.ts'
import { encode } from './encode.ts'
import { exit, REGISTERS, slotsOf, type Instruction, type Register } from './instruction.ts'
import { formatProgram } from './print.ts'

const register = fc.constantFrom(...REGISTERS)
const writable = fc.constantFrom(...REGISTERS.slice(0, 10)) as fc.Arbitrary<Register>
const immediate = fc.oneof(fc.integer(), fc.constantFrom(0, 1, -1, 255, 2 ** 31 - 1, -(2 ** 31)))
const width = fc.constantFrom<32 | 64>(32, 64)
const count = fc.nat(2 ** 31 - 1)
const by = fc.constantFrom<'fd' | 'index'>('fd', 'index')

/** What an operand of that many bits may be. */
const operand = (bits: number): fc.Arbitrary<Register | number> =>
  fc.oneof(
    register,
    bits >= 32 ? immediate : fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** bits - 1 }),
  )
const memory = (...sizes: (1 | 2 | 4 | 8)[]) =>
  fc.record({
    bytes: fc.constantFrom(...sizes),
    base: register,
    offset: fc.integer({ min: -32768, max: 32767 }),
  })
const kind = <K extends Instruction['kind']>(name: K) => fc.constant(name)

/** Targets are to the instruction behind; distances come with the whole program. */
const instruction: fc.Arbitrary<Instruction> = fc.oneof(
  fc.record({
    kind: kind('alu'),
    width,
    op: fc.constantFrom('move', 'add', 'subtract', 'multiply', 'and', 'or', 'xor'),
    dst: writable,
    src: operand(64),
  }),
  fc.record({
    kind: kind('alu'),
    width,
    op: fc.constantFrom('shl', 'shr', 'sar'),
    dst: writable,
    src: fc.oneof(register, fc.nat(31)),
  }),
  fc.record({
    kind: kind('alu'),
    width,
    op: fc.constantFrom('divide', 'modulo'),
    dst: writable,
    src: operand(64).filter((value) => value !== 0),
  }),
  fc.record({ kind: kind('negate'), width, dst: writable }),
  fc.record({
    kind: kind('swap'),
    op: fc.constantFrom('be', 'le', 'bswap'),
    bits: fc.constantFrom(16, 32, 64),
    dst: writable,
  }),
  fc.record({ kind: kind('load'), dst: writable, from: memory(1, 2, 4, 8) }),
  fc
    .constantFrom<(1 | 2 | 4 | 8)[]>(1, 2, 4, 8)
    .chain((bytes) =>
      fc.record({ kind: kind('store'), to: memory(bytes), src: operand(8 * bytes) }),
    ),
  fc.record({
    kind: kind('atomic'),
    op: fc.constantFrom('add', 'and', 'or', 'xor'),
    fetch: fc.boolean(),
    at: memory(4, 8),
    src: writable,
  }),
  fc.record({
    kind: kind('atomic'),
    op: fc.constantFrom('exchange', 'compareExchange'),
    fetch: fc.constant(true),
    at: memory(4, 8),
    src: writable,
  }),
  fc.record({
    kind: kind('constant64'),
    dst: writable,
    value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  }),
  fc.record({ kind: kind('mapPointer'), dst: writable, by, map: count }),
  fc.record({ kind: kind('mapValue'), dst: writable, by, map: count, offset: fc.nat(2 ** 32 - 1) }),
  fc.record({
    kind: kind('branch'),
    width,
    left: register,
    test: fc.constantFrom(
      'equal',
      'unequal',
      'less',
      'lessOrEqual',
      'greater',
      'greaterOrEqual',
      'signedLess',
      'signedLessOrEqual',
      'signedGreater',
      'signedGreaterOrEqual',
      'bits',
    ),
    right: operand(64),
    to: fc.constant(0),
  }),
  fc.record({ kind: fc.constantFrom('jump', 'mayGoto', 'callFunction'), to: fc.constant(0) }),
  fc.record({ kind: kind('functionPointer'), dst: writable, to: fc.constant(1) }),
  fc.record({ kind: kind('call'), helper: count }),
  fc.record({ kind: kind('callKernel'), btfId: count }),
  fc.record({ kind: kind('exit') }),
)

/** Programs whose targets are instructions somewhere in them. */
const program = fc
  .tuple(fc.array(instruction, { maxLength: 40 }), fc.array(fc.nat(), { maxLength: 40 }))
  .map(([body, choices]): Instruction[] => {
    const whole = structuredClone([...body, exit()]) // without odd prototypes
    const starts: number[] = []
    let slot = 0
    for (const one of whole) {
      starts.push(slot)
      slot += slotsOf(one)
    }
    return whole.map((one, index) => {
      const choice = choices[index]
      if (choice === undefined || !('to' in one) || typeof one.to !== 'number') return one
      return { ...one, to: starts[choice % starts.length]! - starts[index]! - 1 } as Instruction
    })
  })

test('Whatever a program is, its bytes say it', () => {
  fc.assert(
    fc.property(program, (instructions) => {
      assert.deepEqual(decode(encode(instructions).bytes), instructions)
    }),
  )
})

test('Whatever bytes are decoded, they are encoded again, and can be printed', () => {
  const slot = fc
    .tuple(
      fc.nat(255),
      fc.nat(255),
      fc.integer({ min: -3, max: 3 }),
      fc.oneof(fc.constant(0), immediate),
    )
    .map(([opcode, registers, offset, value]) => {
      const bytes = new DataView(new ArrayBuffer(8))
      bytes.setUint8(0, opcode)
      bytes.setUint8(1, registers)
      bytes.setInt16(2, offset, true)
      bytes.setInt32(4, value, true)
      return new Uint8Array(bytes.buffer)
    })
  fc.assert(
    fc.property(fc.array(slot, { maxLength: 30 }), (slots) => {
      const bytes = Buffer.concat(slots)
      const instructions = decode(bytes)
      assert.deepEqual(Buffer.from(encode(instructions, { longJumps: true }).bytes), bytes)
      assert.equal(formatProgram(instructions).split('\n').length, instructions.length + 1)
    }),
    { numRuns: 2000 },
  )
})
