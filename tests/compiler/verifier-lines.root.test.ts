/**
 * What the kernel's verifier refuses is reported at the TypeScript line that it is about: programs of ours, compiled,
 * out of which something the verifier insists on is then taken; and one that keeps to the language and has too many
 * ways through it.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Artefact } from '../../src/bpf/artefact.ts'
import { SLOT_SIZE } from '../../src/bpf/opcode.ts'
import { CompiledProgramRefusal, createMaps, loadArtefact } from '../../src/kernel/bpf/artefact.ts'
import { close } from '../../src/kernel/ffi.ts'
import { notRoot } from '../kernel/own-network.ts'
import { checkSmall, compileSmall, smallProgramOf } from './small-program.ts'

const HERTZ = 250
const HEAD = `import { random } from '../src/subset/clock.ts'
import { u32 } from '../src/subset/integers.ts'
import type { Packet } from '../src/subset/packet.ts'
import { header, row } from '../src/subset/struct.ts'
import { table } from '../src/subset/table.ts'
const Numbers = header('numbers', { a: 'u32', b: 'u32' })
const Line = row('line', { a: 'u32', b: 'u32' })
const lines = table('lines', Line, 4)
const numbersAt = Numbers.cursor()
const lineAt = lines.cursor()
const BITS = [${Array.from({ length: 26 }, (_, i) => 2 ** i).join(', ')}]
`

/** Parts of opcodes (uapi/linux/bpf.h). */
const CLASS = { storeRegister: 3, jump64: 5 } as const
const Opcode = { jump: 0x05, addConstant: 0x07, jumpIfBits: 0x45 } as const
const FROM_REGISTER = 0x08
const FRAME_POINTER = 10

interface Case {
  readonly name: string
  /** The body of `main`; the lines that it may be about end in `// here`. */
  readonly body: string
  readonly spoil: (program: Instructions) => void
  readonly sentence: RegExp
}

const CASES: readonly Case[] = [
  {
    name: 'a header past the frame’s end',
    body: `const n = numbersAt.at(packet, 14)
  if (n === null) return 0
  return n.b // here`,
    spoil: (program) => program.compareNothing('numbersAt.at'),
    sentence: /invalid access to packet/,
  },
  {
    name: 'a row that the table has not',
    body: `const n = numbersAt.at(packet, 14)
  if (n === null) return 0
  const line = lineAt.at(n.a)
  if (line === null) return 1
  line.b = 7 // here
  return 2`,
    spoil: (program) => program.compareNothing('lineAt.at'),
    sentence: /unbounded memory access|invalid access to map value/,
  },
  {
    name: 'a loop that does not advance',
    body: `let sum: u32 = 0
  for (let i: u32 = 0; i < 9; i++) { // here
    sum = u32(sum + random()) // here
  }
  return sum`,
    spoil: (program) => program.stopCounting('i++'),
    sentence: /infinite loop detected/,
  },
  {
    name: 'a place on the stack where nothing was put',
    body: `const n = numbersAt.at(packet, 14)
  if (n === null) return 0
  const line = lineAt.at(n.a) // here
  if (line === null) return 1
  ${Array.from({ length: 12 }, (_, i) => `const v${i}: u32 = random()`).join('\n  ')}
  line.b = u32(${Array.from({ length: 12 }, (_, i) => `v${i} * ${i + 1}`).join(' + ')} + n.b) // here
  return 2`,
    spoil: (program) => program.keepNothing(),
    sentence: /invalid read from stack|invalid mem access '(scalar|inv)'/,
  },
  {
    name: 'more ways through it than can be walked',
    body: `const n = numbersAt.at(packet, 14)
  if (n === null) return 0
  let at: u32 = 0
  for (const bit of BITS) { // here
    if ((n.a & bit) !== 0) at = u32(at + bit) // here
  }
  const line = lineAt.at(at) // here
  if (line === null) return 1 // here
  return line.b // here`,
    spoil: () => undefined,
    sentence: /too large|too complex/,
  },
]

describe('what the verifier refuses', { skip: notRoot }, () => {
  for (const { name, body, spoil, sentence } of CASES) {
    it(`is said at its line: ${name}`, () => {
      const text = `${HEAD}export function main(packet: Packet): u32 {\n  ${body}\n}\n`
      const small = smallProgramOf(text, 'main')
      const { artefact } = compileSmall(small, checkSmall(small), 'xdp')
      const program = new Instructions(artefact)
      spoil(program)
      const { message } = refusalOf(program.artefact)
      const [first, source, caret] = message.split('\n')
      const place = /^tests\/program\.ts:(\d+):(\d+): error: the kernel's verifier: (.*)$/.exec(
        first!,
      )
      assert.ok(place !== null, message)
      const [line, column] = [Number(place[1]), Number(place[2])]
      assert.match(place[3]!, sentence)
      const wanted = text.split('\n')[line - 1]!
      assert.match(wanted, /\/\/ here$/)
      assert.equal(source, `  ${line} | ${wanted}`)
      assert.equal(caret, `${' '.repeat(`  ${line} | `.length - 2)}| ${' '.repeat(column - 1)}^`)
    })
  }
})

function refusalOf(artefact: Artefact): Error {
  const maps = createMaps(artefact, new Map([['lines', 4]]))
  try {
    close(loadArtefact(artefact, maps, HERTZ).fd)
  } catch (error) {
    if (error instanceof CompiledProgramRefusal) return error
    throw error
  } finally {
    for (const { fd } of maps.values()) close(fd)
  }
  throw new assert.AssertionError({ message: 'the verifier takes it' })
}

/** A program's instructions, to be spoilt. */
class Instructions {
  readonly #original: Artefact
  readonly #bytes: Buffer

  constructor(artefact: Artefact) {
    this.#original = artefact
    this.#bytes = Buffer.from(artefact.instructions, 'base64')
  }

  get artefact(): Artefact {
    return { ...this.#original, instructions: this.#bytes.toString('base64') }
  }

  /** Where the instructions of a source line with that text begin, in bytes. */
  #of(text: string, isWanted: (opcode: number) => boolean): number[] {
    const { places, texts } = this.#original
    const found: number[] = []
    for (let at = 0; at < this.#bytes.length; at += SLOT_SIZE) {
      const place = places.findLast(([from]) => from * SLOT_SIZE <= at)
      if (place === undefined || !texts[place[4]]!.includes(text)) continue
      if (isWanted(this.#bytes[at]!)) found.push(at)
    }
    assert.ok(found.length > 0, `of ${text} there is no such instruction`)
    return found
  }

  /** Comparisons of registers are the other way round, those with numbers look at bits: neither bounds anything. */
  compareNothing(text: string): void {
    const isComparison = (opcode: number) => (opcode & 7) === CLASS.jump64 && opcode !== Opcode.jump
    for (const at of this.#of(text, isComparison)) {
      const registers = this.#bytes[at + 1]!
      if ((this.#bytes[at]! & FROM_REGISTER) === 0) this.#bytes[at] = Opcode.jumpIfBits
      else this.#bytes[at + 1] = (registers >>> 4) | ((registers & 15) << 4)
    }
  }

  /** What is added to the counter is nothing. */
  stopCounting(text: string): void {
    for (const at of this.#of(text, (opcode) => opcode === Opcode.addConstant)) {
      this.#bytes.writeInt32LE(0, at + 4)
    }
  }

  /** What is put on the stack is not. */
  keepNothing(): void {
    let kept = 0
    for (let at = 0; at < this.#bytes.length; at += SLOT_SIZE) {
      const isStore = (this.#bytes[at]! & 7) === CLASS.storeRegister
      if (!isStore || (this.#bytes[at + 1]! & 15) !== FRAME_POINTER) continue
      this.#bytes.fill(0, at, at + SLOT_SIZE)
      this.#bytes[at] = Opcode.jump
      kept++
    }
    assert.ok(kept > 0, 'nothing is put on the stack')
  }
}
