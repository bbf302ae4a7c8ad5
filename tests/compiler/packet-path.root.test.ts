/**
 * The packet path in the kernel against itself in V8: wild frames, two laboratories set up alike, one with its
 * tables in maps. Reason, frame and all tables must come out the same. FUZZ_KERNEL and FUZZ_SEED say how many
 * frames, and which.
 */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { Random } from '../../src/base/random.ts'
import type { SettledFields } from '../../src/compiler/lower.ts'
import { IPV4_ONLY } from '../../src/compiler/programs.ts'
import type { Attachment } from '../../src/compiler/target.ts'
import { WORD_MARK } from '../../src/compiler/target-xdp.ts'
import { flow, forward } from '../../src/dataplane/main.ts'
import { reasons, settings, TABLES } from '../../src/dataplane/tables.ts'
import { Reason, Verdict, verdictOf } from '../../src/dataplane/verdict.ts'
import { now, setSeed } from '../../src/subset/clock.ts'
import { Packet } from '../../src/subset/packet.ts'
import { INTERFACE, type Laboratory, type LaboratoryOptions } from '../goldens/laboratory.ts'
import { addVeth, enterOwnNetwork, notRoot } from '../kernel/own-network.ts'
import { FRAME_MAX, WildFrames } from '../packets/wild-frames.ts'
import { makeLaboratory, VIPS } from '../packets/wild-laboratory.ts'
import {
  addWildServices,
  mayBeLarge,
  WIDER_CAPACITIES,
  WIDER_WORLD,
} from '../packets/wild-services.ts'
import { compilePacketPath, KernelPacketPath, type KernelOutcome } from './packet-path.ts'

const FRAMES = Number(process.env['FUZZ_KERNEL'] ?? 1500)
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_251_125)
/** All tables are compared after so many frames: they are large. */
const COMPARE_EVERY = 500
const START = 256
/** The kernel allows a million. Twice what it takes now: somebody will notice before it is too late. */
const STEPS_MAX = 400_000
/** Bytes of IP packet; and a device that need not be there. */
const NARROW = 300
const CUTTER = 9
/** The kernel's test runs take no shorter frames; those for tc want a whole IP header where the type says IP. */
function shortest(bytes: Uint8Array, attachment: Attachment): number {
  const type = (bytes[12]! << 8) | bytes[13]!
  if (attachment === 'xdp' || (type !== 0x0800 && type !== 0x86dd)) return 14
  return type === 0x0800 ? 34 : 54
}

describe('the packet path in the kernel', { skip: notRoot }, () => {
  before(() => {
    enterOwnNetwork()
    const indices = addVeth('client', 'server').map(({ index }) => index)
    assert.deepEqual(new Set(indices), new Set(Object.values(INTERFACE)), 'the laboratory’s')
  })

  for (const attachment of ['xdp', 'tc'] as const) {
    it(`does under ${attachment} what it does in V8: ${FRAMES} frames, seed ${SEED}`, () => {
      compare(attachment, {}, VIPS)
    })

    it(`does so under ${attachment} made for IPv4 alone, where there is no other`, () => {
      compare(attachment, IPV4_ONLY, [VIPS[0]])
    })
  }
})

function makeWiderLaboratory(vips: readonly string[], options: LaboratoryOptions = {}): Laboratory {
  const lab = makeLaboratory({ capacities: WIDER_CAPACITIES, ...options }, vips)
  addWildServices(lab, vips)
  return lab
}

class InV8 {
  readonly lab: Laboratory
  readonly packet = new Packet()
  readonly #memory = new Uint8Array(START + FRAME_MAX + 256)

  constructor(vips: readonly string[]) {
    this.lab = makeWiderLaboratory(vips)
  }

  send(bytes: Uint8Array, ingress: number, seed: number, segmentSize: number): string {
    const { packet } = this
    this.#memory.fill(0)
    this.#memory.set(bytes, START)
    const view = new DataView(this.#memory.buffer)
    packet.point(view, START, bytes.length, START - 64, this.#memory.length)
    packet.ingress = ingress
    packet.segmentSize = segmentSize
    this.lab.use()
    setSeed(seed)
    return show(forward(packet), this.frame)
  }

  get frame(): Uint8Array {
    return this.#memory.slice(this.packet.start, this.packet.start + this.packet.length)
  }
}

function show(reason: number, frame: Uint8Array): string {
  return `${reason} ${Buffer.from(frame).toString('hex')}`
}

/** `settled`: for whom the program is made. */
function compare(attachment: Attachment, settled: SettledFields, vips: readonly string[]): void {
  const artefact = compilePacketPath(attachment, { settled })
  const program = new KernelPacketPath(artefact, WIDER_CAPACITIES)
  try {
    const steps = Number(/processed (\d+) insns/.exec(program.log)?.[1])
    console.log(`${attachment}: ${steps} verifier steps`)
    assert.ok(steps < STEPS_MAX, `the verifier takes ${steps} steps`)
    const inV8 = new InV8(vips)
    const inKernel = makeWiderLaboratory(vips, { tables: program.tables })
    const isGeneral = settled !== IPV4_ONLY
    const random = new Random(SEED)
    const wild = new WildFrames(random, WIDER_WORLD)
    for (let i = 0; i < FRAMES; i++) {
      if (i === FRAMES >>> 1) for (const lab of [inV8.lab, inKernel]) narrow(lab)
      const seconds = random.oneIn(20) ? random.below(40) / 4 : 0
      for (const lab of [inV8.lab, inKernel]) {
        lab.use()
        lab.sleep(seconds)
      }
      do wild.make()
      while (wild.length < shortest(wild.bytes, attachment))
      const bytes = wild.bytes.subarray(0, wild.length)
      const seed = random.next32() | 1
      const ingress = INTERFACE[wild.isReply ? 'server' : 'client']
      const segmentSize = attachment === 'tc' && random.oneIn(64) && mayBeLarge(bytes) ? 1448 : 0
      const want = inV8.send(bytes, ingress, seed >>> 0, segmentSize)
      inKernel.use()
      const got = program.run(bytes, ingress, { ticks: now(), seed, segmentSize })
      const where = `seed ${SEED}, frame ${i}: ${Buffer.from(bytes).toString('hex')}`
      if (isGeneral || !isIpv6(bytes)) assert.equal(show(got.reason, got.frame), want, where)
      else comparePassed(bytes, want, got, where)
      assert.equal(got.verdict, returned(attachment, got), where)
      if (got.word.length > 0) {
        const { egress, next0, next1, next2, next3 } = flow
        const next = isWaiting(got.reason) ? [next0, next1, next2, next3] : [0, 0, 0, 0]
        assert.deepEqual(got.word, [WORD_MARK, egress, ...next], where)
      }
      const isSent = verdictOf(got.reason) === Verdict.send
      if (isSent && !random.oneIn(3)) wild.note(inV8.frame)
      if (i % COMPARE_EVERY === COMPARE_EVERY - 1)
        compareTables(inV8.lab, inKernel, where, isGeneral)
    }
  } finally {
    program.close()
  }
}

/** From here on much is too long for its way to the servers, and there is a device where it can be cut. */
function narrow(lab: Laboratory): void {
  lab.use()
  lab.setMtu('server', NARROW)
  lab.hops.setTakesXdp(INTERFACE.server, true)
  settings.row(0).cutter = CUTTER
}

/** XDP_… and TCX_… (uapi/linux/bpf.h): what the kernel is told to do. */
const Returned = {
  xdp: { drop: 1, pass: 2, redirect: 4 },
  tc: { drop: 2, pass: 0xffffffff, redirect: 7 },
} as const

/** What the program gives back for the outcome; `flow` is what V8 made of the frame. */
function returned(attachment: Attachment, { reason, word }: KernelOutcome): number {
  const { drop, pass, redirect } = Returned[attachment]
  const verdict = verdictOf(reason)
  if (verdict === Verdict.pass) return pass
  if (verdict === Verdict.drop) return drop
  // Under XDP what has left word passes: under tc it goes on. So does what nobody keeps.
  const isLeft = reason === Reason.fragmentEarly && flow.egress !== CUTTER
  return word.length > 0 || isLeft ? pass : redirect
}

/** For its neighbour, in the kernel. */
function isWaiting(reason: number): boolean {
  return verdictOf(reason) === Verdict.hold && flow.egress !== CUTTER
}

function isIpv6(bytes: Uint8Array): boolean {
  return ((bytes[12]! << 8) | bytes[13]!) === 0x86dd
}

/** Of an IPv6 frame the program for IPv4 does not ask why it is none of ours: but it leaves it alone, as V8 does. */
function comparePassed(bytes: Uint8Array, want: string, got: KernelOutcome, where: string): void {
  const [reason, frame] = want.split(' ') as [string, string]
  const sent = Buffer.from(bytes).toString('hex')
  assert.equal(verdictOf(Number(reason)), Verdict.pass, where)
  assert.equal(frame, sent, where)
  assert.equal(verdictOf(got.reason), Verdict.pass, where)
  assert.equal(Buffer.from(got.frame).toString('hex'), sent, where)
}

/** `isGeneral`: so are the reasons' counters. */
function compareTables(
  one: Laboratory,
  other: Laboratory,
  where: string,
  isGeneral: boolean,
): void {
  const tablesOf = (lab: Laboratory) => {
    lab.use()
    return TABLES.map(({ name, struct, memory: { bytes, base, capacity } }) => {
      const length = capacity * struct.size
      return { name, bytes: Buffer.from(bytes.buffer, bytes.byteOffset + base, length) }
    })
  }
  const want = tablesOf(one)
  tablesOf(other).forEach(({ name, bytes }, i) => {
    if (!isGeneral && name === reasons.name) return
    const wanted = want[i]!.bytes
    const at = bytes.equals(wanted) ? -1 : bytes.findIndex((byte, k) => byte !== wanted[k])
    assert.equal(at, -1, `${where}: table ${name} differs at byte ${at}`)
  })
}
