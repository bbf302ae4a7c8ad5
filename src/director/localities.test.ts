import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkLocalities } from '../../tests/dataplane/locality-check.ts'
import { OneService } from '../../tests/dataplane/one-service.ts'
import { LOCALITY_PROBES_MAX } from '../dataplane/limits.ts'
import { LINE_BUSY } from '../dataplane/locality.ts'
import { localities, localityMembers, NONE, services, settings } from '../dataplane/tables.ts'
import { TimeoutRow } from '../dataplane/timeout.ts'
import { now, setNow, TICKS_PER_SECOND } from '../subset/clock.ts'
import { adoptTables } from './adopt.ts'
import { Director } from './director.ts'
import { setTimeoutS } from './timeouts.ts'

const DAY_S = 24 * 60 * 60
const MINUTE_S = 60

function addresses(count: number): string[] {
  return Array.from(
    { length: count },
    (_, i) => `10.${50 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`,
  )
}

function rowOf(service: OneService): number {
  return service.lab.director.find(service.key)!.row
}

function linesInUse(): number {
  return settings.row(0).localities
}

/** Time passes, and the control plane looks twice a minute. */
function sleep(service: OneService, seconds: number): void {
  for (let slept = 0; slept < seconds; slept += 30) service.lab.sleep(30)
  checkLocalities(() => '')
}

test('after a day without a connection a destination is forgotten, in the next thirtieth minute', () => {
  for (const scheduler of ['lblc', 'lblcr']) {
    const service = new OneService(scheduler, [1])
    service.choose('10.50.0.1')
    sleep(service, MINUTE_S)
    service.choose('10.50.0.2')
    sleep(service, DAY_S - MINUTE_S)
    // The day's 48th look came in time for the first alone.
    assert.equal(linesInUse(), 1, scheduler)
    sleep(service, 29 * MINUTE_S)
    assert.equal(linesInUse(), 1, scheduler)
    sleep(service, MINUTE_S)
    assert.equal(linesInUse(), 0, scheduler)
  }
})

test('a connection makes it young again; lblc_expiration and lblcr_expiration say how old it may be', () => {
  for (const [scheduler, own, other] of [
    ['lblc', TimeoutRow.lblc, TimeoutRow.lblcr],
    ['lblcr', TimeoutRow.lblcr, TimeoutRow.lblc],
  ] as const) {
    const service = new OneService(scheduler, [1])
    setTimeoutS(own, 20 * MINUTE_S)
    setTimeoutS(other, 1)
    service.choose('10.50.0.1')
    service.choose('10.50.0.2')
    sleep(service, 15 * MINUTE_S)
    service.choose('10.50.0.2')
    sleep(service, 15 * MINUTE_S)
    assert.equal(linesInUse(), 1, scheduler)
  }
})

test('of more than 16 384 destinations some go that were not asked for in six minutes', () => {
  const lines = 1 << 16
  const capacities = { localities: lines + LOCALITY_PROBES_MAX }
  const service = new OneService('lblc', [1], { laboratory: { capacities } })
  const all = addresses(16_384 + 300)
  for (const each of all) service.choose(each)
  assert.equal(linesInUse(), all.length)
  sleep(service, 5 * MINUTE_S)
  for (const each of all.slice(0, 1000)) service.choose(each)
  assert.equal(linesInUse(), all.length)
  sleep(service, MINUTE_S)
  // A third more than there are too many.
  assert.equal(linesInUse(), all.length - 400)
  sleep(service, 2 * MINUTE_S)
  assert.equal(linesInUse(), all.length - 400)
  const before = linesInUse()
  for (const each of all.slice(0, 1000)) service.choose(each)
  assert.equal(linesInUse(), before)
})

test('what is taken out is free only when two looks have passed', () => {
  const service = new OneService('lblcr', [1, 1])
  service.openNext(4)
  const line = localities.row(rowsInUse()[0]!)
  const members = Array.from({ length: localityMembers.memory.capacity }, (_, i) => i).filter(
    (i) => localityMembers.row(i).owner !== 0,
  )
  assert.equal(members.length, 2)
  const states = () => [line.owner, ...members.map((i) => localityMembers.row(i).owner)]
  service.editService('rr')
  service.lab.sleep(1)
  assert.deepEqual(states(), [LINE_BUSY, NONE, NONE])
  service.lab.sleep(1)
  assert.deepEqual(states(), [LINE_BUSY, NONE, NONE])
  service.lab.sleep(1)
  assert.deepEqual(states(), [0, 0, 0])
})

function rowsInUse(): number[] {
  const rows = Array.from({ length: localities.memory.capacity }, (_, i) => i)
  return rows.filter((i) => localities.row(i).owner > LINE_BUSY)
}

test('a service that is removed takes its destinations along, one in its row has none', () => {
  const service = new OneService('lblc', [1])
  service.choose('10.50.0.1')
  const row = rowOf(service)
  const { director } = service.lab
  director.deleteService(service.key)
  assert.equal(linesInUse(), 1)
  for (let i = 0; i < 2; i++) service.lab.sleep(1)
  service.lab.addService(service.key, 'lblc')
  assert.equal(rowOf(service), row)
  assert.equal(service.choose('10.50.0.1'), null)
  assert.equal(services.row(row).localities, 0)
  assert.equal(linesInUse(), 0)
  checkLocalities(() => '')
})

test('a director that adopts the tables keeps what is remembered, and takes no key twice', () => {
  const service = new OneService('lblc', [1, 1])
  assert.equal(service.choose('10.50.0.1'), 2)
  const row = rowOf(service)
  const key = services.row(row).localityKey
  const later = new Director(adoptTables())
  service.serverRow(2).active = 1
  assert.equal(service.choose('10.50.0.1'), 2)
  later.reclaim()
  assert.equal(linesInUse(), 1)
  assert.equal(later.addService({ ...service.key, port: 81 }, lblcr()), null)
  assert.equal(services.row(later.find({ ...service.key, port: 81 })!.row).localityKey, key + 1)
  for (let minute = 0; minute < 25 * 60; minute++) {
    setNow((now() + MINUTE_S * TICKS_PER_SECOND) >>> 0)
    later.reclaim()
  }
  assert.equal(linesInUse(), 0)
  checkLocalities(() => '')
})

function lblcr() {
  return {
    scheduler: 'lblcr',
    schedulerFlags: 0,
    persistenceTimeoutS: 0,
    netmask: 0xffffffff,
    onePacket: false,
    persistenceEngine: null,
  }
}

test('a daemon killed while it took a set out leaves nothing behind', () => {
  const service = new OneService('lblcr', [1, 1, 1])
  service.openNext(6)
  service.choose('10.50.0.1')
  const [line, other] = rowsInUse().map((i) => localities.row(i))
  const set = line!.members === 3 ? line! : other!
  // Locked and not to be found any more, one member of three let go, nothing counted.
  set.locked = 1
  set.owner = LINE_BUSY
  localityMembers.row(set.first - 1).owner = NONE
  const later = new Director(adoptTables())
  later.reclaim()
  checkLocalities(() => '')
  assert.equal(linesInUse(), 1)
  assert.equal(services.row(rowOf(service)).localities, 1)
  for (let i = 0; i < 3; i++) later.reclaim()
  assert.equal(set.owner, 0)
  const members = Array.from({ length: localityMembers.memory.capacity }, (_, i) => i).filter(
    (i) => localityMembers.row(i).owner !== 0,
  )
  assert.equal(members.length, 1)
})

test('a lock that a killed daemon left is opened', () => {
  const service = new OneService('lblcr', [1, 1])
  service.openNext(2)
  const line = localities.row(rowsInUse()[0]!)
  line.locked = 1
  new Director(adoptTables()).reclaim()
  assert.equal(line.locked, 0)
  assert.equal(service.openNext(2), '11')
  assert.equal(line.members, 2)
})

test('a clock that jumps a year is followed at once', () => {
  const service = new OneService('lblc', [1])
  service.choose('10.50.0.1')
  // 365 days would be further than ticks can tell apart.
  service.lab.sleep(100 * DAY_S)
  service.lab.sleep(100 * DAY_S)
  service.choose('10.50.0.1')
  sleep(service, 31 * MINUTE_S)
  assert.equal(linesInUse(), 1)
})
