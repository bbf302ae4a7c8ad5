/**
 * Two laboratories set up alike, one for the packet path in V8, one with its tables in the maps of the compiled one in
 * the kernel: every frame goes to both, and the same must come of it.
 *
 *     step ─┬─► edit, time, frame ─► forward() in V8 ─┬─► each frame: reason, bytes, what is given back to the kernel
 *           └─► edit, time, frame ─► test run ────────┴─► every few: tables that frames change; seldomer: all tables
 *
 * Frames are compared in place, since there are millions of them. What a program has for itself is overwritten now
 * and then: nothing that lasts is in it.
 */
import type { Artefact } from '../../../src/bpf/artefact.ts'
import { IPV4_ONLY } from '../../../src/compiler/programs.ts'
import type { SettledFields } from '../../../src/compiler/lower/lower.ts'
import type { Attachment } from '../../../src/compiler/target/target.ts'
import { forward } from '../../../src/dataplane/main.ts'
import * as tables from '../../../src/dataplane/tables.ts'
import { verdictOf, Verdict } from '../../../src/dataplane/verdict.ts'
import { setSeed } from '../../../src/subset/clock.ts'
import { Packet } from '../../../src/subset/packet.ts'
import { allocateTables, type AnyTable, type TableSet } from '../../../src/subset/table.ts'
import type { Laboratory } from '../../goldens/laboratory.ts'
import { FRAME_MAX } from '../../packets/wild-frames.ts'
import { WIDER_CAPACITIES } from '../../packets/wild-services.ts'
import { compilePacketPath, KernelPacketPath, type KernelOutcome } from '../packet-path.ts'
import { expectedAnswer, expectedWord, type Answer } from './answer.ts'

/** What somebody does to the tables, in words and to one laboratory; what came of it, for comparison. */
export interface Edit {
  readonly says: string
  apply(lab: Laboratory): string
}

/** One frame, and what happens before it comes. */
export interface Step {
  readonly edit: Edit | undefined
  /** How long nothing happens. */
  readonly seconds: number
  readonly bytes: Uint8Array
  readonly ingress: number
  /** Where chance goes on from. */
  readonly chance: number
  /** tc: of a frame that is to be cut yet. */
  readonly segmentSize: number
  /** What the program has for itself is overwritten with this byte; undefined: stays. */
  readonly leftover: number | undefined
}

/** How both begin. */
export interface Beginning {
  /** Makes a laboratory in these tables, which are all zero. */
  make(tables: TableSet): Laboratory
}

/** For tests of the comparison itself: what goes wrong in the kernel, before a frame comes there. */
export type Meddle = (step: Step, inKernel: Laboratory) => void

export interface TwinOptions {
  readonly meddle?: Meddle
  /** Instead of the program that the compiler makes. */
  readonly artefact?: Artefact
}

/** They do not do the same. */
export class Difference extends Error {
  override readonly name = 'Difference'
}

const START = 256
const ROOM = START + FRAME_MAX + 256
/** Frames; powers of two. */
const COMPARE_CHANGING_EVERY = 16
export const COMPARE_ALL_EVERY = 256
/** What a frame changes, if it does not open ways that nobody looks at. */
const CHANGING: readonly AnyTable[] = [
  tables.settings,
  tables.services,
  tables.servers,
  tables.connections,
  tables.localPorts,
  tables.localities,
  tables.localityMembers,
  tables.fragments,
  tables.reasons,
]

/** The same table twice. */
interface Pair {
  readonly table: AnyTable
  readonly want: Buffer
  readonly got: Buffer
}

export class Twins {
  readonly attachment: Attachment
  readonly isGeneral: boolean
  /** What the verifier said. */
  readonly log: string
  readonly #meddle: Meddle | undefined
  readonly #program: KernelPacketPath
  readonly #memory = Buffer.alloc(ROOM)
  readonly #view = new DataView(this.#memory.buffer, this.#memory.byteOffset, ROOM)
  readonly #packet = new Packet()
  readonly #tables = allocateTables(tables.TABLES, WIDER_CAPACITIES)
  readonly #pairs: readonly Pair[]
  readonly #changing: readonly Pair[]
  #inV8: Laboratory | undefined
  #inKernel: Laboratory | undefined
  #count = 0

  /** `settled`: for whom the program is made. Close it. */
  constructor(attachment: Attachment, settled: SettledFields, options: TwinOptions = {}) {
    this.attachment = attachment
    this.#meddle = options.meddle
    this.isGeneral = settled !== IPV4_ONLY
    const artefact = options.artefact ?? compiled(attachment, settled)
    this.#program = new KernelPacketPath(artefact, WIDER_CAPACITIES)
    this.log = this.#program.log
    this.#pairs = tables.TABLES.map((table) => ({
      table,
      want: bytesOf(this.#tables, table),
      got: bytesOf(this.#program.tables, table),
      // The program for IPv4 alone does not ask why IPv6 is none of ours.
    })).filter(({ table }) => this.isGeneral || table !== tables.reasons)
    this.#changing = this.#pairs.filter(({ table }) => CHANGING.includes(table))
  }

  close(): void {
    this.#program.close()
  }

  /** Everything anew. */
  begin({ make }: Beginning): void {
    for (const set of [this.#tables, this.#program.tables]) {
      for (const table of tables.TABLES) {
        const bytes = bytesOf(set, table)
        bytes.fill(0)
        if (table.contents !== undefined) bytes.set(table.contents)
      }
    }
    this.#inV8 = make(this.#tables)
    this.#inKernel = make(this.#program.tables)
    this.#count = 0
    this.compareTables()
  }

  /** The frame as it left V8, valid until the next step. */
  get frame(): Buffer {
    const { start, length } = this.#packet
    return this.#memory.subarray(start, start + length)
  }

  /** What V8 gave as reason, and what the kernel was told. Throws Difference. */
  take(step: Step): { readonly reason: number; readonly answer: Answer } {
    const [inV8, inKernel] = [this.#inV8!, this.#inKernel!]
    if (step.edit !== undefined) this.#edit(step.edit)
    if (step.seconds > 0) {
      for (const lab of [inKernel, inV8]) {
        lab.use()
        lab.sleep(step.seconds)
      }
    }
    inV8.use()
    const reason = this.#runInV8(step)
    if (step.leftover !== undefined) this.#program.leaveBehind(step.leftover)
    this.#meddle?.(step, inKernel)
    inV8.use()
    const { ingress, segmentSize, chance: seed } = step
    const got = this.#program.run(step.bytes, ingress, { ticks: inV8.ticks, seed, segmentSize })
    const answer = expectedAnswer(this.attachment, reason, ingress)
    this.#compare(step, reason, got, answer)
    this.#count++
    if (this.#count % COMPARE_ALL_EVERY === 0) this.compareTables()
    else if (this.#count % COMPARE_CHANGING_EVERY === 0) comparePairs(this.#changing)
    return { reason, answer }
  }

  #edit({ says, apply }: Edit): void {
    const [want, got] = [this.#inV8!, this.#inKernel!].map((lab) => {
      lab.use()
      return apply(lab)
    })
    if (want !== got) throw new Difference(`${says}: V8 ${want}, kernel ${got}`)
  }

  #runInV8({ bytes, ingress, chance, segmentSize }: Step): number {
    const packet = this.#packet
    this.#memory.fill(0)
    this.#memory.set(bytes, START)
    packet.point(this.#view, START, bytes.length, START - 64, ROOM)
    packet.ingress = ingress
    packet.segmentSize = segmentSize
    setSeed(chance)
    return forward(packet)
  }

  #compare(step: Step, reason: number, got: KernelOutcome, answer: Answer): void {
    if (!this.isGeneral && isIpv6(step.bytes)) return this.#comparePassed(step, reason, got)
    if (got.reason !== reason) throw new Difference(`reason ${got.reason}, in V8 ${reason}`)
    if (got.verdict !== answer.verdict) {
      throw new Difference(`reason ${reason}: gives back ${got.verdict}, not ${answer.verdict}`)
    }
    this.#compareFrames(got.frame)
    if (got.word.length === 0 && !answer.leavesWord) return
    const want = answer.leavesWord ? expectedWord(reason).join() : 'none'
    const word = got.word.join()
    if (word !== want) throw new Difference(`reason ${reason}: leaves word ${word}, not ${want}`)
  }

  #compareFrames(got: Uint8Array): void {
    const { start, length } = this.#packet
    const isSame =
      got.length === length && this.#memory.compare(got, 0, length, start, start + length) === 0
    if (isSame) return
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
    throw new Difference(`sends ${hex(got)}, in V8 ${hex(this.frame)}`)
  }

  /** Of an IPv6 frame the program for IPv4 does not ask why it is none of ours: but it leaves it alone, as V8 does. */
  #comparePassed(step: Step, reason: number, got: KernelOutcome): void {
    const verdicts = [reason, got.reason].map(verdictOf)
    if (verdicts.some((verdict) => verdict !== Verdict.pass)) {
      throw new Difference(`an IPv6 frame: reason ${got.reason}, in V8 ${reason}`)
    }
    this.#compareFrames(got.frame)
    this.#compareFrames(step.bytes)
  }

  /** Throws Difference. */
  compareTables(): void {
    comparePairs(this.#pairs)
  }
}

const artefacts = new Map<string, Artefact>()

/** Compiled once: that takes seconds. */
function compiled(attachment: Attachment, settled: SettledFields): Artefact {
  const key = `${attachment} ${JSON.stringify(settled)}`
  const artefact = artefacts.get(key) ?? compilePacketPath(attachment, { settled })
  artefacts.set(key, artefact)
  return artefact
}

function comparePairs(pairs: readonly Pair[]): void {
  for (const { table, want, got } of pairs) {
    if (want.equals(got)) continue
    const at = want.findIndex((byte, i) => byte !== got[i])
    throw new Difference(describe(table, at, want, got))
  }
}

function describe(table: AnyTable, at: number, want: Buffer, got: Buffer): string {
  const { size, fields } = table.struct
  const row = Math.floor(at / size)
  const offsets = (table.struct as { offsets?: Readonly<Record<string, number>> }).offsets ?? {}
  const names = Object.keys(fields).filter((name) => (offsets[name] ?? 0) <= at - row * size)
  const [one, other] = [got, want].map((bytes) =>
    bytes.subarray(row * size, (row + 1) * size).toString('hex'),
  )
  return `table ${table.name}, row ${row}, ${names.at(-1)}: ${one}, in V8 ${other}`
}

function isIpv6(bytes: Uint8Array): boolean {
  return bytes[12] === 0x86 && bytes[13] === 0xdd
}

function bytesOf(set: TableSet, table: AnyTable): Buffer {
  const { bytes, base, capacity } = set.memoryOf(table)
  return Buffer.from(bytes.buffer, bytes.byteOffset + base, capacity * table.struct.size)
}
