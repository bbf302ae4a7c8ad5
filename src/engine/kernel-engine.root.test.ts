/**
 * What outlives a kernel engine, and how the next one goes on with it: with programs that only count frames, each in a
 * row of `reasons` of its own.
 */
import assert from 'node:assert/strict'
import { unlinkSync } from 'node:fs'
import { after, afterEach, before, describe, it } from 'node:test'
import { counting, FEW_ROWS } from '../../tests/kernel/counting-engine.ts'
import { openSender } from '../../tests/kernel/counting-programs.ts'
import { notRoot, until } from '../../tests/kernel/own-network.ts'
import { createTwoHosts, type Host, type TwoHosts } from '../../tests/kernel/two-hosts.ts'
import { LAYOUT } from '../dataplane/schema.ts'
import { hops, reasons, services, settings } from '../dataplane/tables.ts'
import { initTables } from '../director/init.ts'
import { probeBpf } from '../kernel/bpf/features.ts'
import { listTcx } from '../kernel/bpf/link.ts'
import { getLink } from '../kernel/netlink/link.ts'
import { inNamespace } from '../kernel/netns.ts'
import { addClsact, listFilters, removeClsact } from '../kernel/netlink/tc-filter.ts'
import { now } from '../subset/clock.ts'
import { detachInstance } from './detach.ts'
import { EngineProblem, type EngineLink } from './engine.ts'
import { listInstances, tablePathOf } from './instance.ts'
import { KernelEngine, type KernelEngineOptions } from './kernel-engine.ts'

const INSTANCE = `test-${process.pid}`

describe('a kernel engine', { skip: notRoot }, () => {
  let hosts: TwoHosts
  let host: Host
  let link: EngineLink
  let sender: ReturnType<typeof openSender>
  const open = new Set<KernelEngine>()

  before(async () => {
    hosts = await createTwoHosts()
    host = hosts.a
    const { index, name, mac } = host.eth0
    link = { index, name, mac: mac!, kind: 'veth' }
    sender = openSender(hosts.b)
  })
  afterEach(() => {
    for (const engine of open) engine.close('detach')
    open.clear()
    if (listInstances().includes(INSTANCE)) here(() => detachInstance(INSTANCE))
  })
  after(() => {
    sender?.close()
    hosts?.remove()
  })

  const here = <T>(run: () => T): T => inNamespace(host.namespace, run)
  /** As a daemon begins. */
  const begin = (row: number, options: Partial<KernelEngineOptions> = {}): KernelEngine => {
    const wanted = {
      instance: INSTANCE,
      attach: 'auto',
      capacities: FEW_ROWS,
      readProgram: counting(row),
      ...options,
    } as const
    const problems: string[] = []
    const engine = here(() =>
      KernelEngine.open(wanted, {
        onProblem: (text) => problems.push(text),
        onUnresolved: assert.fail,
      }),
    )
    assert.deepEqual(problems, [])
    open.add(engine)
    engine.tables.use()
    if (!engine.isAdopted) initTables({ hashSeed: 7 })
    return engine
  }
  const end = (engine: KernelEngine, ending: 'leave' | 'detach') => {
    here(() => engine.close(ending))
    open.delete(engine)
  }
  const counted = (row: number) => reasons.row(row).packets
  const send = async (row: number) => {
    const before = counted(row)
    sender.send()
    await until('a frame is counted', () => counted(row) > before)
  }
  const hasTcx = probeBpf().has.tcx
  const tcx = () => (hasTcx ? here(() => listTcx(host.eth0.index, 'ingress')) : [])
  const filters = () => here(() => listFilters(host.socket, host.eth0.index, 'ingress'))

  for (const [how, options] of [
    ['tcx', {}],
    ['clsact', { hasTcx: false }],
    ['xdp', { attach: 'xdp' }],
  ] as const) {
    const skip = how === 'tcx' && !hasTcx && 'this kernel has no tcx'
    it(`forwards on when its daemon ends, and is adopted: ${how}`, { skip }, async () => {
      const first = begin(1, options)
      assert.equal(first.isAdopted, false)
      here(() => first.attach(link))
      assert.deepEqual(first.attached, [{ index: link.index, name: 'eth0', mac: link.mac, how }])
      await send(1)
      services.row(3).order = 77
      const before = counted(1)
      end(first, 'leave')
      sender.send()

      const second = begin(5, options)
      assert.equal(second.isAdopted, true)
      assert.equal(second.attached[0]!.how, how)
      assert.equal(services.row(3).order, 77)
      assert.equal(counted(1), before + 1)
      await send(5)
      assert.equal(counted(1), before + 1)
      assert.equal(
        here(() => second.attach(link)),
        '',
      )
      assert.equal(second.attached[0]!.name, 'eth0')
      await send(5)
      // The companion sees what XDP lets go on.
      assert.equal(counted(6) > 0, how === 'xdp')
      end(second, 'detach')
      assert.deepEqual([listInstances().includes(INSTANCE), tcx(), filters()], [false, [], []])
      assert.equal(host.ipJson('link show dev eth0')[0]!['xdp'], undefined)
    })
  }

  it('is ended by sluice detach, and everything with it', async () => {
    for (const options of [{}, { hasTcx: false }, { attach: 'xdp' }] as const) {
      const engine = begin(1, options)
      here(() => engine.attach(link))
      await send(1)
      assert.throws(() => here(() => detachInstance(INSTANCE)), /another process runs/)
      end(engine, 'leave')
      const { interfaces } = here(() => detachInstance(INSTANCE))
      assert.deepEqual(
        interfaces.map(({ index }) => index),
        [link.index],
      )
      assert.deepEqual([listInstances().includes(INSTANCE), tcx(), filters()], [false, [], []])
      assert.equal(
        here(() => removeClsact(host.socket, host.eth0.index)),
        false,
      )
    }
    assert.throws(() => detachInstance(INSTANCE), /there is no instance/)
  })

  it('leaves a clsact that was there where it is, with the filters of others', async () => {
    here(() => addClsact(host.socket, host.eth0.index))
    const engine = begin(1, { hasTcx: false })
    here(() => engine.attach(link))
    await send(1)
    here(() => engine.detach(link.index))
    assert.deepEqual(engine.attached, [])
    assert.deepEqual(filters(), [])
    assert.equal(
      here(() => removeClsact(host.socket, host.eth0.index)),
      true,
    )
  })

  it('is one process’s at a time, and one network namespace’s', () => {
    const engine = begin(1)
    assert.throws(
      () => begin(2),
      (error) => {
        return (
          error instanceof EngineProblem &&
          !error.isLacking &&
          /another process/.test(error.message)
        )
      },
    )
    end(engine, 'leave')
    const wanted = {
      instance: INSTANCE,
      attach: 'auto',
      capacities: {},
      readProgram: counting(3),
    } as const
    const elsewhere = () =>
      inNamespace(hosts.b.namespace, () =>
        KernelEngine.open(wanted, { onProblem: assert.fail, onUnresolved: assert.fail }),
      )
    assert.throws(elsewhere, /another network namespace/)
    end(begin(2), 'detach')
  })

  it('refuses tables of another release, and goes on with what another left unfinished', () => {
    const engine = begin(1)
    here(() => engine.attach(link))
    settings.row(0).layout += 1
    end(engine, 'leave')
    assert.throws(() => begin(2), /another release .* go on forwarding/s)
    assert.equal((hasTcx ? tcx() : filters()).length, 1)
    here(() => detachInstance(INSTANCE))
    const unfinished = begin(1)
    settings.row(0).schemaVersion = 0
    end(unfinished, 'leave')
    const next = begin(2)
    assert.equal(next.isAdopted, false)
    assert.equal(settings.row(0).schemaVersion > 0, true)
  })

  it('says which table somebody removed', () => {
    const engine = begin(1)
    end(engine, 'leave')
    const again = () => begin(1)
    unlinkSync(tablePathOf(INSTANCE, hops.name, LAYOUT))
    assert.throws(again, /has no table hops/)
  })

  it('forgets interfaces that went while no daemon was there', () => {
    host.ip('link add one type veth peer name two')
    const find = (name: string) => getLink(host.socket, name)!
    const engine = begin(1)
    for (const name of ['one', 'two']) {
      const { index, mac } = find(name)
      here(() => engine.attach({ index, name, mac: mac!, kind: 'veth' }))
    }
    here(() => engine.attach(link))
    end(engine, 'leave')
    host.ip('link del one')
    const next = begin(2)
    assert.deepEqual(
      next.attached.map(({ index }) => index),
      [link.index],
    )
  })

  it('has the packet path’s time', async () => {
    const engine = begin(1)
    engine.tick()
    const first = now()
    await new Promise((resolve) => setTimeout(resolve, 40))
    engine.tick()
    assert.ok((now() - first) >>> 0 >= 4, `${first} ${now()}`)
  })
})
