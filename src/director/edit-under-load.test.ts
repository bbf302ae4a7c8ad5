/**
 * Edits under load: between any two words that the director writes, packets come in. Whoever gets one was in the table
 * before the edit or is in it after, with a weight; and if somebody could take it before and after, somebody does.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../tests/dataplane/one-service.ts'
import { Random } from '../base/random.ts'
import { clearFlow, Flow } from '../dataplane/flow.ts'
import { pickServer, SchedulerId } from '../dataplane/schedule.ts'
import { NONE, pool, servers, services, type Service } from '../dataplane/tables.ts'
import type { AnyTable, TableSet } from '../subset/table.ts'

const SEED = Number(process.env.FUZZ_SEED ?? 20_250_108)
const FEW = 6
const MANY = 1000

/** These may refuse though there are usable servers: by their hash, or when all are full. */
const REFUSING = ['sh', 'mh', 'dh', 'ovf']

/** Bytes that say when they were written to. */
class WatchedView extends DataView<ArrayBuffer> {
  onWrite: () => void = () => undefined

  override setUint8(offset: number, value: number): void {
    super.setUint8(offset, value)
    this.onWrite()
  }
  override setUint16(offset: number, value: number, isLittle?: boolean): void {
    super.setUint16(offset, value, isLittle)
    this.onWrite()
  }
  override setUint32(offset: number, value: number, isLittle?: boolean): void {
    super.setUint32(offset, value, isLittle)
    this.onWrite()
  }
}

/** Calls `onWrite` after each write to these tables but its own. */
function watch(set: TableSet, watched: readonly AnyTable[], onWrite: () => void): void {
  let isInside = false
  for (const table of watched) {
    const memory = set.memoryOf(table) as { bytes: DataView }
    const view = new WatchedView(memory.bytes.buffer as ArrayBuffer)
    view.onWrite = () => {
      if (isInside) return
      isInside = true
      onWrite()
      isInside = false
    }
    memory.bytes = view
  }
}

class Load {
  readonly #service: OneService
  readonly #row: Service
  readonly #scheduler: string
  readonly #flow = Flow.local()
  #client = 0
  /** Rows and whether they were usable, before the edit under way. */
  #before = new Map<number, boolean>()
  /** Who got something during the edit. */
  #chosen = new Set<number>()
  choices = 0

  constructor(scheduler: string, service: OneService) {
    this.#service = service
    this.#scheduler = scheduler
    const entry = service.lab.director.find(service.key)!
    this.#row = services.row(entry.row)
    clearFlow(this.#flow)
    this.#flow.family = 4
    this.#flow.service = entry.row
    watch(service.lab.tables, [services, servers, pool], () => this.#pick())
  }

  #usable(): Map<number, boolean> {
    const { servers: list } = this.#service.lab.director.find(this.#service.key)!
    return new Map(list.map(({ row }) => [row, servers.row(row).weight > 0]))
  }

  #pick(): void {
    this.#flow.source3 = 0x0a400000 + this.#client++
    this.#flow.destination3 = 0x0a320000 + (this.#client & 7)
    this.#chosen.add(pickServer(this.#row, this.#flow))
    this.choices++
  }

  /** Edits while packets come in. */
  during(what: string, edit: () => void): void {
    this.#before = this.#usable()
    this.#chosen = new Set()
    edit()
    const after = this.#usable()
    const isAlways = [...this.#before].some(([row, is]) => is && after.get(row) === true)
    for (const row of this.#chosen) {
      if (row === NONE) {
        assert.ok(!isAlways || REFUSING.includes(this.#scheduler), `${what}: refused`)
      } else
        assert.ok(this.#before.get(row) === true || after.get(row) === true, `${what}: row ${row}`)
    }
  }
}

for (const scheduler of Object.keys(SchedulerId).filter((name) => name !== 'none')) {
  test(`${scheduler}: no packet meets half an edit (seed ${SEED})`, () => {
    const random = new Random(SEED)
    const laboratory = { capacities: { pool: 1 << 20 } }
    const service = new OneService(scheduler, [1, 0, 3, 2], { flags: 3, laboratory })
    const load = new Load(scheduler, service)
    const present = new Set([1, 2, 3, 4])
    for (let step = 0; step < 80; step++) {
      const n = 1 + random.below(FEW)
      const weight = random.below(4)
      const what = `step ${step}, server ${n}, weight ${weight}`
      if (!present.has(n)) load.during(`${what}: add`, () => service.add(n, { weight }))
      else if (random.oneIn(3)) load.during(`${what}: remove`, () => service.remove(n))
      else {
        load.during(`${what}: edit`, () => service.edit(n, { weight }))
        continue
      }
      if (!present.delete(n)) present.add(n)
      if (random.oneIn(8)) service.lab.sleep(130)
    }
    assert.ok(load.choices > 1000, `${load.choices} choices`)
  })
}

test('a service may change its scheduler at any moment', () => {
  const names = Object.keys(SchedulerId).filter(
    (name) => !REFUSING.includes(name) && name !== 'none',
  )
  const service = new OneService('rr', [1, 2, 3, 0])
  const load = new Load('rr', service)
  for (const from of names) {
    for (const to of names) {
      load.during(`to ${from}`, () => service.editService(from))
      load.during(`${from} to ${to}`, () => service.editService(to))
    }
  }
})

for (const scheduler of ['wrr', 'wlc', 'mh']) {
  test(`${scheduler} with ${MANY} servers: no packet meets half an edit`, () => {
    const random = new Random(SEED)
    const capacities = { servers: 2 * MANY, serverOrigins: 2 * MANY, pool: 1 << 23 }
    const service = new OneService(scheduler, [], { laboratory: { capacities } })
    const { director } = service.lab
    const keyOf = (i: number) => ({ address: `10.9.${i >> 8}.${i & 255}`, port: 80 })
    const settingsOf = (weight: number) =>
      ({
        forwarding: 'direct',
        weight,
        upperThreshold: 0,
        lowerThreshold: 0,
        tunnel: { type: 'ipip', port: 0, checksum: 'none' },
      }) as const
    for (let i = 0; i < MANY; i++)
      director.addServer(service.key, keyOf(i), settingsOf(1 + (i % 5)))
    const load = new Load(scheduler, service)
    for (let step = 0; step < 4; step++) {
      const key = keyOf(random.below(MANY))
      const weight = random.below(5)
      const accept = (outcome: unknown) => assert.equal(outcome, null)
      load.during('edit', () => accept(director.editServer(service.key, key, settingsOf(weight))))
      load.during('remove', () => accept(director.deleteServer(service.key, key)))
      load.during('add', () => accept(director.addServer(service.key, key, settingsOf(weight))))
    }
    assert.ok(load.choices > 10_000, `${load.choices} choices`)
  })
}
