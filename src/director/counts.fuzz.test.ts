/**
 * Random edits with packets in between: what the tables count is always what there is in them. And packets between any
 * two writes of an edit: who gets them was in the table before the edit, or is after it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomEdit } from '../../tests/director/random-edits.ts'
import { RecordedWrites } from '../../tests/director/recorded-writes.ts'
import { DIRECTOR_MAC, Laboratory, INTERFACE } from '../../tests/goldens/laboratory.ts'
import { packetOf } from '../../tests/packets/packet-of.ts'
import { Random } from '../base/random.ts'
import { BUSY } from '../dataplane/connection.ts'
import { BYPASS_SERVER } from '../dataplane/forward-bypass.ts'
import { flow, forward } from '../dataplane/main.ts'
import * as tables from '../dataplane/tables.ts'
import { templateOf } from '../dataplane/template.ts'
import { Verdict, verdictOf } from '../dataplane/verdict.ts'
import { setSeed } from '../subset/clock.ts'
import { sctpFrame, tcpFrame, udpFrame } from '../wire/flow.ts'
import { TcpFlag } from '../wire/tcp.ts'

const SEED = Number(process.env.FUZZ_SEED ?? 20_251_125)
const EDITS = Number(process.env.FUZZ_EDITS ?? 400)
/** Of one edit. */
const CUTS_MAX = 4

const { Forwarding, Status } = tables
const random = new Random(SEED)
const FLAGS = [
  TcpFlag.syn,
  TcpFlag.syn,
  TcpFlag.ack,
  TcpFlag.fin | TcpFlag.ack,
  TcpFlag.rst,
] as const
/** INIT, COOKIE ECHO, DATA, SHUTDOWN, ABORT. */
const CHUNKS = [1, 1, 10, 0, 7, 6]
const RECENT = 32
const recent: Uint8Array[] = []

/** From a client to the VIP. */
function randomRequest(): Uint8Array {
  const isV6 = random.oneIn(4)
  const client = isV6 ? '[2001:db8:a::10]' : `10.0.0.${random.pick([2, 10])}`
  const vip = isV6 ? '[2001:db8:a::100]' : '10.0.0.100'
  const [from, to] = [
    `${client}:${5000 + random.below(12)}`,
    `${vip}:${random.pick([80, 80, 81, 82, 85, 21])}`,
  ]
  const over = { destinationMac: DIRECTOR_MAC.client }
  const kind = random.below(6)
  if (kind === 0) return udpFrame(from, to, { over })
  if (kind === 1) {
    const chunk = { type: random.pick(CHUNKS), flags: 0, value: new Uint8Array(16) }
    return sctpFrame(from, to, { tag: 1, chunks: [chunk], over })
  }
  return tcpFrame(from, to, { flags: random.pick(FLAGS), over })
}

/** The server's answer to something it got; its sums are of no interest here. */
function answerTo(frame: Uint8Array): Uint8Array {
  const bytes = frame.slice()
  const [at, width] = bytes[12] === 0x08 ? [26, 4] : [22, 16]
  const swap = (first: number, length: number) => {
    bytes.set(frame.subarray(first, first + length), first + length)
    bytes.set(frame.subarray(first + length, first + 2 * length), first)
  }
  swap(0, 6)
  swap(at, width)
  swap(at + 2 * width, 2)
  return bytes
}

function sendSomething(lab: Laboratory): void {
  setSeed(random.next32() | 1)
  lab.use()
  const answered = recent.length > 0 && random.oneIn(3) ? random.pick(recent) : undefined
  const before = tables.settings.row(0).connections
  const request = randomRequest()
  const { verdict, departed } =
    answered === undefined ? lab.send('client', request) : lab.send('server', answerTo(answered))
  if (verdict !== Verdict.send) return
  const [first] = departed
  if (first?.at === 'server') recent[random.below(RECENT) % (recent.length + 1)] = first.bytes
  const isOpened = answered === undefined && tables.settings.row(0).connections > before
  if (!isOpened || flow.connection === tables.NONE || flow.server === BYPASS_SERVER) return
  const { flags } = tables.servers.row(flow.server)
  assert.ok((flags & tables.ServerFlag.available) !== 0, 'a removed server got a new connection')
}

interface Count {
  active: number
  inactive: number
  persistent: number
}

/** Everything that counts lines, against the lines. */
function checkCounts(context: string): void {
  const counts = new Map<number, Count>()
  const bindings = new Map<number, number>()
  const locals = new Map<number, number>()
  const more = (map: Map<number, number>, key: number) => map.set(key, (map.get(key) ?? 0) + 1)
  let lines = 0
  const { capacity } = tables.connections.memory
  for (let row = 0; row < capacity; row++) {
    const line = tables.connections.row(row)
    if (line.owner <= BUSY) continue
    const { status, server, binding } = line
    if ((status & Status.ended) === 0) lines++
    if ((status & Status.controlled) !== 0 && (status & Status.ended) === 0) {
      const template = templateOf(row, line)
      const isTemplate = (tables.connections.row(template).status & Status.template) !== 0
      assert.ok(isTemplate, `${context}: line ${row} is bound to ${template}, no template`)
      more(bindings, template)
    }
    if ((status & Status.ended) !== 0) continue
    const count = counts.get(server) ?? { active: 0, inactive: 0, persistent: 0 }
    counts.set(server, count)
    if ((status & Status.template) !== 0) count.persistent++
    else if ((status & Status.inactive) !== 0) count.inactive++
    else count.active++
    const isFullnat =
      (status & Status.forwardingMask) >>> Status.forwardingShift === Forwarding.fullnat
    if (isFullnat && (status & Status.template) === 0) more(locals, binding & 0xffff)
  }
  assert.equal(tables.settings.row(0).connections, lines, `${context}: connections in all`)
  for (let row = 0; row < tables.servers.memory.capacity; row++) {
    const { active, inactive, persistent } = tables.servers.row(row)
    const wanted = counts.get(row) ?? { active: 0, inactive: 0, persistent: 0 }
    assert.deepEqual({ active, inactive, persistent }, wanted, `${context}: server ${row}`)
  }
  for (let row = 0; row < tables.locals.memory.capacity; row++) {
    const { connections } = tables.locals.row(row)
    assert.equal(connections, locals.get(row) ?? 0, `${context}: local ${row}`)
  }
  for (let row = 0; row < capacity; row++) {
    const line = tables.connections.row(row)
    const isTemplate = (line.status & (Status.template | Status.ended)) === Status.template
    if (line.owner <= BUSY || !isTemplate) continue
    assert.equal(line.binding, bindings.get(row) ?? 0, `${context}: template ${row}`)
  }
}

/** Of all services. */
function serversOf(lab: Laboratory): string[] {
  lab.use()
  return [...lab.director.services.values()].flatMap(({ servers }) =>
    servers.map(({ row }) => String(row)),
  )
}

/** Rows in use whose connections are of that kind. */
function linesWith(isWanted: (line: tables.Connection) => boolean): number[] {
  const rows: number[] = []
  for (let row = 0; row < tables.connections.memory.capacity; row++) {
    const line = tables.connections.row(row)
    if (line.owner > BUSY && (line.status & Status.ended) === 0 && isWanted(line)) rows.push(row)
  }
  return rows
}

const isTemplate = ({ status }: tables.Connection) => (status & Status.template) !== 0
const isControlled = ({ status }: tables.Connection) => (status & Status.controlled) !== 0
const isFullnat = ({ status }: tables.Connection) =>
  !isTemplate({ status } as tables.Connection) &&
  (status & Status.forwardingMask) >>> Status.forwardingShift === Forwarding.fullnat

/** Contradictions made on purpose in tables that agree: `checkCounts` must find each. */
const CONTRADICTIONS: readonly {
  readonly what: string
  readonly noticed: RegExp
  /** Whose line, if it takes one of a kind. */
  readonly of?: (line: tables.Connection) => boolean
  readonly make: (row: number, line: tables.Connection) => void
}[] = [
  {
    what: 'a connection that ended without being taken off its server',
    noticed: /server \d+/,
    of: (line) => !isTemplate(line),
    make: (_, line) => tables.servers.row(line.server).addInactive(1),
  },
  {
    what: 'a template that its server does not know of',
    noticed: /server \d+/,
    of: isTemplate,
    make: (_, line) => tables.servers.row(line.server).addPersistent(tables.NONE),
  },
  {
    what: 'a line that nobody counted',
    noticed: /connections in all/,
    make: () => tables.settings.row(0).addConnections(tables.NONE),
  },
  {
    what: 'a line whose server was swapped',
    noticed: /server \d+/,
    of: (line) => !isTemplate(line),
    make: (_, line) => (line.server = line.server === 5 ? 6 : 5),
  },
  {
    what: 'a template that controls one more than there are',
    noticed: /template \d+/,
    of: isTemplate,
    make: (_, line) => line.addBinding(1),
  },
  {
    what: 'a connection bound to a line that is no template',
    noticed: /no template|template \d+/,
    of: (line) => isControlled(line) && !isFullnat(line),
    make: (row, line) => line.addBinding(row + 1 - line.binding),
  },
  {
    what: 'a local address with one connection too many',
    noticed: /local \d+/,
    of: isFullnat,
    make: (_, line) => tables.locals.row(line.binding & 0xffff).addConnections(1),
  },
]

test(`counts are true, ${EDITS} edits from seed ${SEED}`, () => {
  const fresh = new Laboratory({ capacities: { connections: 128 + 64 } })
  const recorded = new RecordedWrites(fresh.tables)
  const lab = new Laboratory({ adopted: { tables: recorded.tables, ticks: fresh.ticks } })
  for (const address of ['11', '12', '13', '14']) {
    for (const prefix of ['192.168.10.', '2001:db8:b::']) lab.hops.ensureServerHop(prefix + address)
  }
  let reached = 0
  for (let step = 0; step < EDITS; step++) {
    const edit = randomEdit(random)
    const context = `seed ${SEED}, edit ${step}: ${edit.text}`
    const known = new Set(serversOf(lab))
    const before = lab.tables.copy()
    recorded.forget()
    lab.use()
    edit.make(lab)
    for (const server of serversOf(lab)) known.add(server)
    for (let i = 0; i < Math.min(CUTS_MAX, recorded.count); i++) {
      const copy = before.copy()
      recorded.repeat(copy, random.below(recorded.count))
      copy.use()
      const held = tables.settings.row(0).connections
      const reason = forward(packetOf(randomRequest(), INTERFACE.client))
      const isOpened = tables.settings.row(0).connections > held
      if (verdictOf(reason) !== Verdict.send || !isOpened || flow.server === BYPASS_SERVER) continue
      reached++
      assert.ok(known.has(String(flow.server)), `${context}: server ${flow.server} got a packet`)
    }
    lab.use()
    checkCounts(context)
    for (let i = random.below(12); i > 0; i--) sendSomething(lab)
    lab.use()
    checkCounts(`${context}, and packets`)
    if (!random.oneIn(8)) continue
    tables.settings.row(0).switches = random.below(1 << 10)
    lab.sleep(random.pick([1, 20, 70, 400, 1000]))
    checkCounts(`${context}, and time`)
  }
  assert.ok(reached > EDITS / 8, `${reached} packets in the middle of an edit reached a server`)
})

test(`contradictions would be noticed (seed ${SEED})`, () => {
  const lab = new Laboratory({ capacities: { connections: 128 + 64 } })
  for (const address of ['11', '12', '13', '14']) {
    for (const prefix of ['192.168.10.', '2001:db8:b::']) lab.hops.ensureServerHop(prefix + address)
  }
  const open = new Set(CONTRADICTIONS)
  for (let step = 0; step < 20 * EDITS && open.size > 0; step++) {
    lab.use()
    randomEdit(random).make(lab)
    for (let i = 0; i < 8; i++) sendSomething(lab)
    for (const contradiction of open) {
      lab.tables.copy().use()
      const { what, noticed, of: isWanted, make } = contradiction
      const rows = linesWith(isWanted ?? (() => true))
      if (rows.length === 0) continue
      const row = random.pick(rows)
      checkCounts('as it is')
      make(row, tables.connections.row(row))
      assert.throws(() => checkCounts(what), { name: 'AssertionError', message: noticed }, what)
      open.delete(contradiction)
    }
  }
  assert.deepEqual(
    [...open].map(({ what }) => what),
    [],
    'never came about',
  )
})
