/**
 * The packet path twice: each frame of a laboratory goes through V8 and, on a copy of its tables, through the program
 * in this kernel. Both must give the same reason, the same frame and the same tables; the kernel's is the answer.
 *
 * So a test of the packet path becomes a test of the program, without knowing.
 */
import assert from 'node:assert/strict'
import type { Artefact } from '../../src/bpf/artefact.ts'
import type { Attachment } from '../../src/compiler/target/target.ts'
import { TABLES } from '../../src/dataplane/tables.ts'
import { now, seed } from '../../src/subset/clock.ts'
import type { Memory } from '../../src/subset/struct.ts'
import { compilePacketPath, KernelPacketPath } from '../compiler/packet-path.ts'
import { inV8, type Arrival, type Treated } from '../goldens/laboratory.ts'

/** The kernel takes no longer frames for test runs: a page less what it needs itself. */
const FRAME_MAX = 3500
/** Tables of more bytes are compared, and copied, for one frame in so many. */
const LARGE_BYTES = 1 << 22
const ONE_IN = 64

/** A program with its maps, and views over them in the order of `TABLES`. */
interface Loaded {
  readonly program: KernelPacketPath
  readonly maps: readonly Uint8Array[]
}

export class Twin {
  /** Frames that went through both, and those that test runs cannot carry. */
  compared = 0
  left = 0
  #large = 0
  readonly #attachment: Attachment
  readonly #artefact: Artefact
  /** By the tables' numbers of rows, which the program knows. */
  readonly #loaded = new Map<string, Loaded>()

  constructor(attachment: Attachment) {
    this.#attachment = attachment
    this.#artefact = compilePacketPath(attachment)
  }

  /** As `inV8`, on the tables in use. */
  run(bytes: Uint8Array, ingress: number, arrival: Arrival): Treated {
    if (!this.#isPossible(bytes, arrival)) {
      this.left++
      return inV8(bytes, ingress, arrival)
    }
    if (this.#isLeftOut()) return inV8(bytes, ingress, arrival)
    this.compared++
    const { program, maps } = this.#programFor()
    const tables = TABLES.map(({ struct, memory }) => viewOf(memory, struct.size))
    tables.forEach((table, i) => copy(table, maps[i]!))
    const { segmentSize = 0 } = arrival
    const began = seed()
    const want = inV8(bytes, ingress, arrival)
    const got = program.run(bytes, ingress, { ticks: now(), seed: began, segmentSize })
    const frame = got.frame.slice()
    const where = `under ${this.#attachment}: ${Buffer.from(bytes).toString('hex')}`
    assert.equal(show(got.reason, frame), show(want.reason, want.frame), where)
    tables.forEach((table, i) => {
      const isSame = Buffer.compare(table, maps[i]!) === 0
      assert.ok(isSame, `table ${TABLES[i]!.name} differs ${where}`)
    })
    return { reason: got.reason, frame }
  }

  #isPossible(bytes: Uint8Array, { hasPartialChecksum, segmentSize = 0 }: Arrival): boolean {
    if (hasPartialChecksum === true || bytes.length < 14 || bytes.length > FRAME_MAX) return false
    if (this.#attachment === 'xdp') return segmentSize === 0
    const type = (bytes[12]! << 8) | bytes[13]!
    const shortest = type === 0x0800 ? 34 : 54
    return (type !== 0x0800 && type !== 0x86dd) || bytes.length >= shortest
  }

  #isLeftOut(): boolean {
    const size = TABLES.reduce((sum, { struct, memory }) => sum + memory.capacity * struct.size, 0)
    return size > LARGE_BYTES && this.#large++ % ONE_IN > 0
  }

  #programFor(): Loaded {
    const rows = Object.fromEntries(TABLES.map(({ name, memory }) => [name, memory.capacity]))
    const key = JSON.stringify(rows)
    const found = this.#loaded.get(key)
    if (found !== undefined) return found
    const program = new KernelPacketPath(this.#artefact, rows)
    const maps = TABLES.map((table) => viewOf(program.tables.memoryOf(table), table.struct.size))
    const loaded = { program, maps }
    this.#loaded.set(key, loaded)
    return loaded
  }

  close(): void {
    for (const { program } of this.#loaded.values()) program.close()
  }
}

function viewOf({ bytes, base, capacity }: Memory, size: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + base, capacity * size)
}

function copy(from: Uint8Array, to: Uint8Array): void {
  if (Buffer.compare(from, to) !== 0) to.set(from)
}

function show(reason: number, frame: Uint8Array): string {
  return `${reason} ${Buffer.from(frame).toString('hex')}`
}
