import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { openCounters, openSender, type Counters } from '../../../tests/kernel/counting-programs.ts'
import { notRoot, until } from '../../../tests/kernel/own-network.ts'
import { createTwoHosts, type Host, type TwoHosts } from '../../../tests/kernel/two-hosts.ts'
import { programInfo } from '../bpf/info.ts'
import * as tc from './tc-filter.ts'

describe('tc filters', { skip: notRoot }, () => {
  let hosts: TwoHosts
  let host: Host
  let counters: Counters
  let sender: ReturnType<typeof openSender>
  let place: tc.FilterPlace
  before(async () => {
    hosts = await createTwoHosts()
    host = hosts.a
    sender = openSender(hosts.b)
    place = { interfaceIndex: host.eth0.index, direction: 'ingress', priority: 7, handle: 1 }
  })
  beforeEach(() => (counters = openCounters()))
  afterEach(() => {
    tc.removeClsact(host.socket, host.eth0.index)
    counters.close()
  })
  after(() => {
    sender?.close()
    hosts?.remove()
  })

  const list = (direction: tc.Direction = 'ingress') =>
    tc.listFilters(host.socket, host.eth0.index, direction)

  it('stand on clsact', () => {
    const index = host.eth0.index
    assert.throws(() => tc.addFilter(host.socket, place, 'sluice', counters.load('tc', 0)), {
      call: `set tc filter sluice on interface ${index} (ingress)`,
      code: /^(EINVAL|ENOENT)$/,
    })
    assert.equal(tc.removeClsact(host.socket, index), false)
    assert.equal(tc.addClsact(host.socket, index), true)
    assert.equal(tc.addClsact(host.socket, index), false)
    assert.equal(tc.removeClsact(host.socket, index), true)
    assert.throws(() => tc.addClsact(host.socket, 9999), { code: 'ENODEV' })
  })

  it('run programs by priority, on the side they are made for', async () => {
    tc.addClsact(host.socket, host.eth0.index)
    const programs = [0, 1, 2].map((word) => counters.load('tc', word))
    tc.addFilter(host.socket, place, 'late', programs[0]!)
    tc.addFilter(host.socket, { ...place, priority: 3, handle: 5 }, 'early', programs[1]!)
    tc.addFilter(host.socket, { ...place, direction: 'egress' }, 'out', programs[2]!)
    assert.deepEqual(list(), [
      { ...place, priority: 3, handle: 5, name: 'early', program: programInfo(programs[1]!).id },
      { ...place, name: 'late', program: programInfo(programs[0]!).id },
    ])
    assert.deepEqual(
      list('egress').map(({ name }) => name),
      ['out'],
    )
    sender.send()
    await until('both saw the frame', () => counters.count(0) === 1 && counters.count(1) === 1)
  })

  it('are replaced without missing a frame', async () => {
    tc.addClsact(host.socket, host.eth0.index)
    const programs = [0, 1, 2].map((word) => counters.load('tc', word))
    tc.replaceFilter(host.socket, place, 'sluice', programs[0]!)
    const FRAMES = 300
    for (let i = 1; i <= FRAMES; i++) {
      sender.send()
      if (i % 10 === 0) tc.replaceFilter(host.socket, place, 'sluice', programs[(i / 10) % 3]!)
    }
    const counted = () => [0, 1, 2].map((word) => counters.count(word))
    await until('all are counted', () => counted().reduce((a, b) => a + b) === FRAMES)
    assert.ok(
      counted().every((count) => count > 0),
      String(counted()),
    )
    assert.equal(list().length, 1)
  })

  it('are removed one by one', () => {
    const program = counters.load('tc', 0)
    assert.equal(tc.removeFilter(host.socket, place), false)
    tc.addClsact(host.socket, host.eth0.index)
    assert.equal(tc.removeFilter(host.socket, place), false)
    tc.addFilter(host.socket, place, 'sluice', program)
    assert.throws(() => tc.addFilter(host.socket, place, 'sluice', program), { code: 'EEXIST' })
    tc.addFilter(host.socket, { ...place, handle: 2 }, 'other', program)
    assert.equal(tc.removeFilter(host.socket, place), true)
    assert.deepEqual(
      list().map(({ name }) => name),
      ['other'],
    )
  })
})

describe('a filter’s message', () => {
  it('that is cut is none', () => {
    for (const length of [0, 19, 20])
      assert.equal(tc.parseFilter(new Uint8Array(length)), undefined)
  })
})
