/**
 * An engine that finds tables of another release: rows whose fields stand elsewhere, are fewer or more, tables that are
 * gone or new. With programs that only count frames.
 */
import assert from 'node:assert/strict'
import { unlinkSync } from 'node:fs'
import { after, afterEach, before, describe, it } from 'node:test'
import { counting, FEW_ROWS } from '../../tests/kernel/counting-engine.ts'
import { openSender } from '../../tests/kernel/counting-programs.ts'
import { notRoot, until } from '../../tests/kernel/own-network.ts'
import { createTwoHosts, type TwoHosts } from '../../tests/kernel/two-hosts.ts'
import { Random } from '../base/random.ts'
import { describeTables, LAYOUT, layoutOf } from '../dataplane/schema.ts'
import { connections, reasons, SCHEMA_VERSION, settings, TABLES } from '../dataplane/tables.ts'
import { initTables } from '../director/init.ts'
import { probeBpf } from '../kernel/bpf/features.ts'
import { inNamespace } from '../kernel/netns.ts'
import { row, type Fields } from '../subset/struct.ts'
import { table, type AnyTable, type Table } from '../subset/table.ts'
import { detachInstance } from './detach.ts'
import { Instance, layoutPathOf, listInstances } from './instance.ts'
import { instancesOf, ownNetwork } from './instances.ts'
import { Attachment } from './kernel-attachment.ts'
import { KernelEngine } from './kernel-engine.ts'
import { KernelPrograms, type ReadProgram } from './kernel-programs.ts'
import { KernelTables } from './kernel-tables.ts'
import { findTables, type TakeOver } from './take-over.ts'

const INSTANCE = `other-${process.pid}`
/** Of those tables the fields stand the other way round, as far as they may. */
const TURNED = ['connections', 'servers', 'hops']
/** Which the other release lacked, and had besides. */
const [LACKING, BESIDES] = ['refused', 'flavour']
const GONE_TABLE = 'kitchens'
const NEW_TABLE = 'sysctls'

const BYTES = { u8: 1, u16: 2, u32: 4, atomic: 4, u64: 8 } as const

const OTHERS: readonly Table<Fields>[] = [
  ...TABLES.filter(({ name }) => name !== NEW_TABLE).map(declareOther),
  table(GONE_TABLE, row('kitchen', { chairs: 'u32' }), 10),
]

const THEIR_LAYOUT = layoutOf(describeTables(OTHERS))
const DROP_RATE = 5

function declareOther({ name, struct, capacity, contents }: AnyTable): Table<Fields> {
  const fields = Object.entries(struct.fields).filter(([field]) => field !== LACKING)
  const isTurned = TURNED.includes(name)
  if (isTurned) fields.sort(([, a], [, b]) => BYTES[b] - BYTES[a])
  if (name === settings.name) fields.splice(5, 0, [BESIDES, 'u32'])
  const turned = isTurned ? turnEach(fields) : fields
  return table(name, row(`other_${name}`, Object.fromEntries(turned)), capacity, contents)
}

/** Those of one width stand the other way round. */
function turnEach(fields: readonly [string, Fields[string]][]): [string, Fields[string]][] {
  const widths = [...new Set(fields.map(([, kind]) => BYTES[kind]))]
  return widths.flatMap((width) => fields.filter(([, kind]) => BYTES[kind] === width).reverse())
}

describe('an engine that finds tables of another release', { skip: notRoot }, () => {
  let hosts: TwoHosts
  let sender: ReturnType<typeof openSender>
  let engine: KernelEngine | undefined
  let theirs: KernelTables | undefined
  const hasTcx = probeBpf().has.tcx

  before(async () => {
    hosts = await createTwoHosts()
    sender = openSender(hosts.b)
  })
  afterEach(() => {
    here(() => engine?.close('detach'))
    theirs?.close()
    engine = theirs = undefined
    if (listInstances().includes(INSTANCE)) here(() => detachInstance(INSTANCE))
  })
  after(() => {
    sender?.close()
    hosts?.remove()
  })

  const here = <T>(run: () => T): T => inNamespace(hosts.a.namespace, run)

  const otherSettings = () => OTHERS[0]!.row(0) as Record<string, number>
  /** Not held. */
  const instance = () => {
    const taken = Instance.take(INSTANCE)
    taken.release()
    return taken
  }
  const pinsOfOurs = () => instance().pins.filter((pin) => pin.includes(LAYOUT.toString(16)))
  const pinsOfTheirs = () =>
    instance().pins.filter((pin) => pin.includes(THEIR_LAYOUT.toString(16)))

  /** Of the other release's programs, whose tables are in use until an engine has opened its own. */
  const countedByTheirs = () => OTHERS.find(({ name }) => name === 'reasons')!.row(1)['packets']!
  const sendTo = async (counted: () => number) => {
    const before = counted()
    sender.send()
    await until('a frame is counted', () => counted() > before)
  }

  /** What the other release's daemon leaves, its tables still mapped; and what stands in the rows of each. */
  function leaveOther(place: 'tc' | 'xdp', change = () => {}): Written {
    return here(() => {
      const instance = Instance.take(INSTANCE)
      theirs = KernelTables.make(instance, FEW_ROWS, { declared: OTHERS })
      theirs.set.use()
      const written = writeRandom()
      const head = { schemaVersion: SCHEMA_VERSION, layout: THEIR_LAYOUT, dropRate: DROP_RATE }
      Object.assign(otherSettings(), head, { network: ownNetwork() })
      change()
      const { socket } = hosts.a
      const programs = new KernelPrograms(theirs, 250, counting(1))
      const parts = { instance, socket, hasTcx, programs }
      Attachment.make(hosts.a.eth0.index, place, parts).close()
      programs.close()
      instance.release()
      return written
    })
  }

  function open(readProgram: ReadProgram = counting(3)): KernelEngine {
    const options = { instance: INSTANCE, attach: 'auto', capacities: {}, readProgram } as const
    return here(() =>
      KernelEngine.open(options, { onProblem: assert.fail, onUnresolved: assert.fail }),
    )
  }

  for (const place of ['tc', 'xdp'] as const) {
    it(`takes over what has the same name, and the interfaces: ${place}`, async () => {
      const written = leaveOther(place)
      assert.deepEqual(instancesOf(here(ownNetwork)), [INSTANCE])
      await sendTo(countedByTheirs)
      engine = open()
      assert.deepEqual([engine.isAdopted, engine.isTakenOver], [true, true])
      engine.tables.use()
      compare(written)
      assert.equal(connections.memory.capacity, FEW_ROWS.connections)
      assert.equal(settings.row(0).dropRate, DROP_RATE)
      const indices = engine.attached.map(({ index }) => index)
      assert.deepEqual(indices, [hosts.a.eth0.index])
      await sendTo(() => reasons.row(3).packets)
      here(() => engine!.close('leave'))
      assert.deepEqual(pinsOfTheirs(), [])
      engine = open()
      engine.tables.use()
      compare(written)
    })
  }

  it('leaves everything as it was where it cannot begin', async () => {
    leaveOther('tc')
    const broken: ReadProgram = (name) => ({ ...counting(3)(name), instructions: '' })
    assert.throws(() => open(broken))
    assert.deepEqual(pinsOfOurs(), [])
    theirs!.set.use()
    assert.equal(otherSettings()['dropRate'], DROP_RATE)
    await sendTo(countedByTheirs)
    engine = open()
  })

  it('puts away what a take-over left that was killed', () => {
    engine = open()
    engine.tables.use()
    initTables({ hashSeed: 7 })
    here(() => engine!.close('leave'))
    KernelTables.make(instance(), FEW_ROWS, { declared: OTHERS, isBeside: true }).close()
    assert.ok(pinsOfTheirs().length > 0)
    engine = open()
    assert.equal(engine.isAdopted, true)
    here(() => engine!.close('leave'))
    assert.deepEqual(pinsOfTheirs(), [])
    engine = open()
  })

  /** A take-over that has begun: theirs hold back. */
  function begin(): { takeOver: TakeOver; close: () => void } {
    const taken = Instance.take(INSTANCE)
    const { tables, takeOver } = findTables(taken, {})
    const programs = new KernelPrograms(tables, 250, counting(3))
    takeOver!.begin(programs)
    theirs!.set.use()
    assert.equal(otherSettings()['dropRate'], 1)
    const close = () => {
      programs.close()
      tables.close()
      taken.release()
    }
    return { takeOver: takeOver!, close }
  }

  it('has the other release open connections again if it cannot go on', async () => {
    leaveOther('tc')
    here(() => {
      const { takeOver, close } = begin()
      takeOver.abandon()
      close()
    })
    assert.deepEqual(pinsOfOurs(), [])
    theirs!.set.use()
    assert.equal(otherSettings()['dropRate'], DROP_RATE)
    await sendTo(countedByTheirs)
  })

  it('goes on where one was killed that had ours in charge already', async () => {
    leaveOther('tc')
    here(() => {
      const { takeOver, close } = begin()
      takeOver.takeCharge()
      close()
    })
    engine = open()
    assert.deepEqual([engine.isAdopted, engine.isTakenOver], [true, false])
    engine.tables.use()
    await sendTo(() => reasons.row(3).packets)
    here(() => engine!.close('leave'))
    assert.deepEqual(pinsOfTheirs(), [])
    engine = open()
  })

  const refused: [string, () => void, RegExp][] = [
    [
      'whose meaning is another',
      () => (otherSettings()['schemaVersion'] = SCHEMA_VERSION + 1),
      /another release .* go on forwarding.*`sluice detach`/s,
    ],
    [
      'that nobody described',
      () => unlinkSync(layoutPathOf(INSTANCE, THEIR_LAYOUT)),
      /another release .* go on forwarding/s,
    ],
    [
      'of another network namespace',
      () => (otherSettings()['network'] = 1),
      /another network namespace/,
    ],
  ]
  for (const [what, change, sentence] of refused) {
    it(`refuses tables ${what}, which forward on`, async () => {
      leaveOther('tc', change)
      assert.throws(() => open(), sentence)
      assert.deepEqual(pinsOfOurs(), [])
      theirs!.set.use()
      assert.equal(otherSettings()['dropRate'], DROP_RATE)
      await sendTo(countedByTheirs)
    })
  }
})

type Written = ReadonlyMap<string, readonly Record<string, number>[]>

/** Anything in some rows of each table. */
function writeRandom(): Written {
  const random = new Random(7)
  const written = new Map<string, Record<string, number>[]>()
  for (const each of OTHERS) {
    if (each.contents !== undefined || each.name === settings.name) continue
    const rows = Array.from({ length: 5 }, (_, index) => {
      const view = each.row(index) as Record<string, number>
      const wanted: Record<string, number> = {}
      for (const [field, kind] of Object.entries(each.struct.fields)) {
        wanted[field] = view[field] = random.next32() >>> (32 - 8 * Math.min(4, BYTES[kind]))
      }
      return wanted
    })
    written.set(each.name, rows)
  }
  return written
}

/** What counts frames apart. */
function compare(written: Written): void {
  let compared = 0
  for (const each of TABLES as readonly Table<Fields>[]) {
    const rows = each.name === reasons.name ? [] : (written.get(each.name) ?? [])
    for (const [index, wanted] of rows.entries()) {
      const view = each.row(index) as Record<string, number>
      for (const field of Object.keys(each.struct.fields)) {
        const want = field === LACKING ? 0 : wanted[field]
        assert.equal(view[field], want, `${each.name}[${index}].${field}`)
        compared++
      }
    }
  }
  assert.ok(compared > 500, String(compared))
}
