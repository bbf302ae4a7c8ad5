/**
 * Edits while packets run in the kernel, on another CPU: whoever gets one was in the table before the edits it met, or
 * was after them; and if somebody could take it all the time, somebody did. The same for V8, where packets come in
 * between any two words that are written, is src/director/edit-under-load.test.ts.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Random } from '../../src/base/random.ts'
import type { Artefact } from '../../src/bpf/artefact.ts'
import { PROBES_MAX } from '../../src/dataplane/limits.ts'
import { compilePacketPath, KernelPacketPath } from '../compiler/packet-path.ts'
import { OneService } from '../dataplane/one-service.ts'
import { CAPACITIES, DIRECTOR_MAC, INTERFACE } from '../goldens/laboratory.ts'
import { addVeth, enterOwnNetwork, notRoot } from '../kernel/own-network.ts'
import { moduleUrl } from '../own-program.ts'
import { NOTE_WORDS, ONE_IN_OLD, type PacketRun } from './packet-notes.ts'

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_251_125)
const SERVERS = 6
const EDITS = 400
const PACKETS_MAX = 60_000
/** So many edits are made in one go; then what they retired is freed, when no packet can be at it any more. */
const IN_ONE_GO = 50
const PACKETS_AN_EDIT = 3
const SPIN_MS = 2
/** There are more edits until so many packets have met one. */
const MET_MIN = 30
const EDITS_MAX = 10 * EDITS
const REST_MS = 10
const capacities = { ...CAPACITIES, connections: (1 << 17) + PROBES_MAX, pool: 1 << 20 }

/** What TC programs return: TC_ACT_OK, TC_ACT_SHOT, TC_ACT_REDIRECT. */
const Returned = { pass: 0, drop: 2, redirect: 7 } as const

describe('edits under load, in the kernel', { skip: notRoot }, () => {
  let artefact: Artefact
  before(() => {
    enterOwnNetwork()
    addVeth('client', 'server')
    artefact = compilePacketPath('tc')
  })

  for (const scheduler of ['rr', 'wrr', 'wlc', 'lblc']) {
    it(`${scheduler}: no packet goes to a server of no table (seed ${SEED})`, async () => {
      const program = new KernelPacketPath(artefact, capacities)
      try {
        await check(scheduler, program)
      } finally {
        program.close()
      }
    })
  }
})

/** Of each server that is in the table, its weight. */
type Table = ReadonlyMap<number, number>

async function check(scheduler: string, program: KernelPacketPath): Promise<void> {
  const options = { tables: program.tables, connectionsMax: 1 << 16 }
  const service = new OneService(scheduler, [1, 2, 3, 0], { laboratory: options })
  program.setSurroundings({ ticks: service.lab.ticks, seed: SEED })
  const counters = new SharedArrayBuffer(16)
  const worker = startPackets(program, counters)
  const arrived = once(worker, 'message') as Promise<[Int32Array]>
  const tables = await edit(service, new Int32Array(counters))
  const [notes] = await arrived
  judge(notes, tables)
}

function startPackets(program: KernelPacketPath, counters: SharedArrayBuffer): Worker {
  const workerData: PacketRun = {
    program: program.descriptor,
    interfaceIndex: INTERFACE.client,
    destinationMac: DIRECTOR_MAC.client,
    virtual: '10.0.0.100:80',
    counters,
    packetsMax: PACKETS_MAX,
  }
  return new Worker(new URL(moduleUrl('./running-packets', import.meta.url)), { workerData })
}

/** Waits until so many more packets have run. */
async function packetsRun(counters: Int32Array, more: number): Promise<void> {
  const end = Atomics.load(counters, 2) + more
  const untilMs = performance.now() + SPIN_MS
  for (;;) {
    const now = Atomics.load(counters, 2)
    if (now >= end) return
    // The thread cannot start as long as this one sleeps.
    if (now === 0) await sleep(1)
    // Two that wait for each other would share a CPU and never meet: it is asked again and again for a while.
    else if (performance.now() > untilMs) Atomics.wait(counters, 2, now, REST_MS)
  }
}

/** Edits at random; the tables before the first edit, after it, after the second … */
async function edit(service: OneService, counters: Int32Array): Promise<Table[]> {
  const random = new Random(SEED)
  let table: Table = new Map([1, 2, 3, 0].map((weight, i) => [i + 1, weight]))
  const tables = [table]
  const isEnough = (edits: number) => edits >= EDITS && Atomics.load(counters, 3) >= MET_MIN
  for (let i = 0; i < EDITS_MAX && !isEnough(i); i++) {
    await packetsRun(counters, PACKETS_AN_EDIT)
    const n = 1 + random.below(SERVERS)
    const weight = random.below(4)
    const isThere = table.has(n)
    const isRemoval = isThere && random.oneIn(3)
    const next = new Map(table)
    if (isRemoval) next.delete(n)
    else next.set(n, weight)
    service.lab.use()
    Atomics.add(counters, 0, 1)
    if (isRemoval) service.remove(n)
    else if (isThere) service.edit(n, { weight })
    else service.add(n, { weight })
    Atomics.add(counters, 0, 1)
    tables.push((table = next))
    if (i % IN_ONE_GO < IN_ONE_GO - 1) continue
    await sleep(REST_MS)
    service.lab.use()
    service.lab.director.reclaim()
  }
  Atomics.store(counters, 1, 1)
  return tables
}

function judge(notes: Int32Array, tables: readonly Table[]): void {
  let met = 0
  for (let at = 0; at < notes.length; at += NOTE_WORDS) {
    const [before, after, verdict, server] = notes.subarray(at, at + NOTE_WORDS) as unknown as [
      number,
      number,
      number,
      number,
    ]
    const seen = tables.slice(Math.floor(before / 2), Math.ceil(after / 2) + 1)
    if (seen.length > 1) met++
    const isOld = (at / NOTE_WORDS) % ONE_IN_OLD === ONE_IN_OLD - 1
    const what = `packet ${at / NOTE_WORDS}, edits ${before / 2} to ${after / 2}: ${verdict}, ${server}`
    if (server > 0) {
      assert.equal(verdict, Returned.redirect, what)
      const mayHave = (table: Table) => (isOld ? table.has(server) : (table.get(server) ?? 0) > 0)
      assert.ok(seen.some(mayHave), what)
    } else if (!isOld) {
      const isAlways = [...seen[0]!.keys()].some((n) =>
        seen.every((table) => (table.get(n) ?? 0) > 0),
      )
      assert.ok(!isAlways, `${what}: refused`)
    }
  }
  const packets = notes.length / NOTE_WORDS
  console.log(`${packets} packets, ${met} of them met an edit`)
  assert.ok(packets >= EDITS && met > 0, `${packets} packets, ${met} met an edit`)
}
