import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openCounters } from '../../../tests/kernel/counting-programs.ts'
import { notRoot } from '../../../tests/kernel/own-network.ts'
import { countRuns, linkInfo, mapInfo, objectKind, openById, programInfo } from './info.ts'
import { createMap } from './map.ts'
import { ProgramBench } from './run.ts'
import { close } from '../ffi.ts'

describe('what the kernel says of its BPF objects', { skip: notRoot }, () => {
  it('tells programs apart by what they do', () => {
    const counters = openCounters()
    const programs = [5, 5, 6].map((word) => counters.load('tc', word))
    const [one, same, other] = programs.map(programInfo) as [Info, Info, Info]
    assert.equal(one.name, 'count_5')
    assert.match(one.tag, /^[0-9a-f]{16}$/)
    assert.equal(one.tag, same.tag)
    assert.notEqual(one.tag, other.tag)
    assert.notEqual(one.id, same.id)
    assert.ok(one.slots >= 13 && one.verifierSteps >= 13, JSON.stringify(one))
    assert.deepEqual([one.maps.length, one.maps], [1, same.maps])
    const byId = openById('program', one.id)!
    assert.equal(programInfo(byId).id, one.id)
    close(byId)
    counters.close()
    assert.equal(openById('program', 0x7fffffff), undefined)
  })

  it('counts runs while it is asked to', () => {
    const counters = openCounters()
    const program = counters.load('xdp', 1)
    const bench = new ProgramBench(program, 'xdp')
    const counting = countRuns()
    bench.run(new Uint8Array(64), {}, 100)
    close(counting)
    const { runs, runTimeNs } = programInfo(program)
    assert.ok(runs >= 100 && runTimeNs > 0, `${runs} runs, ${runTimeNs} ns`)
    counters.close()
  })

  it('says what a map is', () => {
    const map = createMap({ type: 'perCpuArray', name: 'a.map', valueSize: 40, entries: 3 })
    const { id, ...rest } = mapInfo(map)
    assert.deepEqual(rest, {
      type: 6,
      name: 'a.map',
      keySize: 4,
      valueSize: 40,
      entries: 3,
      flags: 0,
    })
    const byId = openById('map', id)!
    assert.equal(mapInfo(byId).id, id)
    close(byId)
    assert.throws(() => programInfo(map), { message: `descriptor ${map} is no BPF program` })
    assert.throws(() => linkInfo(map), { message: `descriptor ${map} is no BPF link` })
    assert.equal(objectKind(map), 'map')
    close(map)
    assert.equal(objectKind(0), undefined)
  })
})

type Info = ReturnType<typeof programInfo>
