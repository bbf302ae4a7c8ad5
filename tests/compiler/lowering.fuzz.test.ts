/**
 * The whole packet path, lowered and interpreted, against itself in V8: wild frames, two laboratories set up alike.
 * Reason, frame, offloads and all tables must come out the same (FUZZ_LOWERED and FUZZ_SEED say how many, and which).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../src/base/random.ts'
import { checkProgram } from '../../src/compiler/language/check.ts'
import { cutLoops } from '../../src/compiler/optimise/cut-loops.ts'
import { inlineCalls } from '../../src/compiler/optimise/inline.ts'
import type { IrProgram } from '../../src/compiler/ir/ir.ts'
import { lowerProgram } from '../../src/compiler/lower/lower.ts'
import { optimise } from '../../src/compiler/optimise/optimise.ts'
import { forward } from '../../src/dataplane/main.ts'
import { TABLES } from '../../src/dataplane/tables.ts'
import { Verdict, verdictOf } from '../../src/dataplane/verdict.ts'
import { setSeed } from '../../src/subset/clock.ts'
import { Packet } from '../../src/subset/packet.ts'
import type { Laboratory } from '../goldens/laboratory.ts'
import { INTERFACE } from '../goldens/laboratory.ts'
import { FRAME_MAX, WildFrames } from '../packets/wild-frames.ts'
import { makeLaboratory, WORLD } from '../packets/wild-laboratory.ts'
import { settleParameters } from '../../src/compiler/optimise/settle-parameters.ts'
import { readRepository } from '../tidy/tree.ts'
import { Interpreter } from './interpreter.ts'

const FRAMES = Number(process.env.FUZZ_LOWERED ?? 1000)
const SEED = Number(process.env.FUZZ_SEED ?? 20_250_102)
/** All tables are compared after so many frames: they are large. */
const COMPARE_EVERY = 200
const START = 256

const sources = new Map(
  [...readRepository().texts].filter(
    ([path]) => /^src\/.*\.ts$/.test(path) && !path.endsWith('.test.ts'),
  ),
)

class Side {
  readonly lab: Laboratory = makeLaboratory()
  readonly packet = new Packet()
  readonly #memory = new Uint8Array(START + FRAME_MAX + 256)
  readonly #run: (packet: Packet) => number

  constructor(run: (packet: Packet) => number) {
    this.#run = run
  }

  /** Everything an engine sees of what became of the frame. */
  send({ bytes, length }: WildFrames, isReply: boolean, chance: number): string {
    const { packet } = this
    this.#memory.fill(0)
    this.#memory.set(bytes.subarray(0, length), START)
    const view = new DataView(this.#memory.buffer)
    packet.point(view, START, length, START - 64, this.#memory.length)
    packet.ingress = INTERFACE[isReply ? 'server' : 'client']
    packet.hasPartialChecksum = chance % 16 === 0
    packet.segmentSize = chance % 64 === 0 ? 1448 : 0
    this.lab.use()
    setSeed(chance)
    const reason = this.#run(packet)
    const frame = Buffer.from(this.#memory.buffer, packet.start, packet.length).toString('hex')
    return `${reason} ${packet.hasPartialChecksum} ${packet.segmentSize} ${frame}`
  }

  /** Frames that leave, for the other side to answer. */
  get frame(): Uint8Array {
    return this.#memory.slice(this.packet.start, this.packet.start + this.packet.length)
  }

  tables(): Map<string, Buffer> {
    this.lab.use()
    return new Map(
      TABLES.map(({ name, struct, memory: { bytes, base, capacity } }) => [
        name,
        Buffer.from(bytes.buffer, bytes.byteOffset + base, capacity * struct.size),
      ]),
    )
  }
}

const checked = checkProgram(sources, (path) => path.startsWith('src/dataplane/'))
const lowered = lowerProgram(checked, 'src/dataplane/main.ts', 'forward')
const STAGES: Readonly<Record<string, IrProgram>> = {
  lowered,
  optimised: optimise(lowered),
  'inlined and optimised': optimise(inlineCalls(settleParameters(lowered))),
  cut: optimise(cutLoops(optimise(inlineCalls(settleParameters(lowered))))),
}

for (const [stage, program] of Object.entries(STAGES)) {
  test(`${stage}: ${FRAMES} frames, seed ${SEED}`, () => compare(program))
}

function compare(program: IrProgram): void {
  const interpreter = new Interpreter(program, TABLES)
  const inV8 = new Side(forward)
  const compiled = new Side((packet) => interpreter.run(packet))
  const random = new Random(SEED)
  const wild = new WildFrames(random, WORLD)
  for (let i = 0; i < FRAMES; i++) {
    const seconds = random.oneIn(20) ? random.below(40) / 4 : 0
    for (const { lab } of [inV8, compiled]) {
      lab.use()
      lab.sleep(seconds)
    }
    wild.make()
    const chance = random.next32() | 1
    const want = inV8.send(wild, wild.isReply, chance)
    assert.equal(compiled.send(wild, wild.isReply, chance), want, `seed ${SEED}, frame ${i}`)
    const isSent = verdictOf(parseInt(want)) === Verdict.send
    if (isSent && !random.oneIn(3)) wild.note(inV8.frame)
    if (i % COMPARE_EVERY !== COMPARE_EVERY - 1) continue
    const tables = compiled.tables()
    for (const [name, bytes] of inV8.tables()) {
      const other = tables.get(name)!
      const at = bytes.equals(other) ? -1 : bytes.findIndex((byte, k) => byte !== other[k])
      assert.equal(at, -1, `seed ${SEED}, frame ${i}: table ${name} differs at byte ${at}`)
    }
  }
}
