import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { notRoot } from '../../tests/kernel/own-network.ts'
import { encode } from '../bpf/encode.ts'
import * as i from '../bpf/instruction.ts'
import { createMap, mapMemory, type MapShape } from './bpf/map.ts'
import { loadProgram } from './bpf/program.ts'
import { ProgramBench } from './bpf/run.ts'
import { close } from './ffi.ts'
import { ticksPerSecond } from './tick.ts'

const { r0, r6 } = i
const JIFFIES = 118
const NANOSECONDS = 5

describe('the tick', () => {
  it('is as long as one of the usual', () => {
    assert.ok([100, 250, 300, 1000].includes(ticksPerSecond()), String(ticksPerSecond()))
  })

  it('is the one that jiffies count', { skip: notRoot }, async () => {
    const shape: MapShape = {
      type: 'array',
      name: 'clocks',
      valueSize: 16,
      entries: 1,
      isMappable: true,
    }
    const map = createMap(shape)
    const memory = mapMemory(map, shape)
    const clocks = new BigUint64Array(memory.buffer)
    const { bytes } = encode([
      i.mapValue(r6, 'index', 0, 0),
      i.call(JIFFIES),
      i.store(i.u64(r6, 0), r0),
      i.call(NANOSECONDS),
      i.store(i.u64(r6, 8), r0),
      i.move32(r0, 0),
      i.exit(),
    ])
    const { fd } = loadProgram({ type: 'xdp', name: 'clocks', instructions: bytes, maps: [map] })
    const bench = new ProgramBench(fd, 'xdp')
    const read = () => {
      bench.run(new Uint8Array(64))
      return [Number(clocks[0]), Number(clocks[1])] as const
    }
    read() // once, so that all is in memory
    const [jiffies, ns] = read()
    await sleep(300)
    const [laterJiffies, laterNs] = read()
    const measured = ((laterJiffies - jiffies) * 1e9) / (laterNs - ns)
    assert.ok(Math.abs(measured / ticksPerSecond() - 1) < 0.15, `${measured} a second`)
    for (const open of [fd, map]) close(open)
    memory.unmap()
  })
})
