import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { release } from 'node:os'
import { describe, it } from 'node:test'
import { openSender } from '../../../tests/kernel/counting-programs.ts'
import { notRoot, until } from '../../../tests/kernel/own-network.ts'
import { createTwoHosts } from '../../../tests/kernel/two-hosts.ts'
import { encode } from '../../bpf/encode.ts'
import * as i from '../../bpf/instruction.ts'
import { explainRefusal, probeBpf, type Fact } from './features.ts'
import { createMap, mapMemory, type MapShape } from './map.ts'
import { loadProgram } from './program.ts'
import { KernelError } from '../errno.ts'
import { close } from '../ffi.ts'
import { changeOffloads } from '../packet/offload.ts'
import { addClsact, addFilter } from '../netlink/tc-filter.ts'

const { r0, r1 } = i
const CHECKSUM_NONE = 0
const CHECKSUM_PARTIAL = 3

/** The first version of Linux that has it. */
const SINCE: Readonly<Partial<Record<Fact, [number, number]>>> = {
  mappableMaps: [5, 5],
  jiffies: [5, 6],
  xdpLinks: [5, 9],
  fetchingAtomics: [5, 12],
  callbackLoops: [5, 17],
  largeValues: [6, 0],
  tcx: [6, 6],
  longJumps: [6, 6],
  mayGoto: [6, 9],
}

describe('features of BPF', { skip: notRoot }, () => {
  const features = probeBpf()

  it('are at least those that the kernel’s version promises; distributions bring some back', () => {
    const [major, minor] = release().split('.').map(Number) as [number, number]
    for (const [fact, [since, sinceMinor]] of Object.entries(SINCE)) {
      const isPromised = major > since || (major === since && minor >= sinceMinor)
      assert.ok(features.has[fact as Fact] || !isPromised, fact)
    }
    assert.ok(features.has.canLoad && features.has.debugLines && features.has.tcFilters)
  })

  it('have a sentence where they lack', () => {
    for (const [fact, has] of Object.entries(features.has)) {
      assert.equal(features.lacks.has(fact as Fact), !has, fact)
    }
    for (const sentence of features.lacks.values()) assert.match(sentence, /^this kernel/)
  })

  it('say who is refused, and by what', () => {
    const [EPERM, EACCES, EINVAL, ENOSYS] = [1, 13, 22, 38]
    const sentences = [EPERM, EACCES, ENOSYS, EINVAL].map((errno) =>
      explainRefusal(new KernelError('load BPF program x', errno)),
    )
    const [permitted, access, built, other] = sentences
    assert.match(permitted!, /^this process is not permitted to use BPF: .*CAP_BPF.*seccomp/)
    assert.equal(access, permitted)
    assert.match(built!, /^this kernel was built without BPF/)
    assert.match(other!, /^this kernel refuses BPF: load BPF program x: .*EINVAL/)
  })

  it('leave nothing behind', () => {
    const open = () => readdirSync('/proc/self/fd').length
    const before = open()
    probeBpf()
    assert.equal(open(), before)
  })

  it('show tc programs whether a checksum is partial', async (context) => {
    if (features.skBuff === undefined) return context.skip(features.lacks.get('skBuff'))
    const { castFunction, ipSummed } = features.skBuff
    const hosts = await createTwoHosts()
    const shape: MapShape = {
      type: 'array',
      name: 'seen',
      valueSize: 8,
      entries: 1,
      isMappable: true,
    }
    const map = createMap(shape)
    const memory = mapMemory(map, shape)
    const seen = new Int32Array(memory.buffer)
    const { bytes } = encode([
      i.callKernel(castFunction),
      i.load(r0, i.u8(r0, ipSummed.offset)),
      i.shr32(r0, ipSummed.shift),
      i.and32(r0, (1 << ipSummed.bits) - 1),
      i.mapValue(r1, 'index', 0, 0),
      i.store(i.u32(r1, 0), r0),
      i.store(i.u32(r1, 4), 1),
      i.move32(r0, -1),
      i.exit(),
    ])
    const image = { type: 'tc', name: 'summed', instructions: bytes, maps: [map] } as const
    const { fd } = loadProgram({ ...image, licence: 'GPL' })
    const { send, close: closeSender } = openSender(hosts.b)
    const { socket, eth0 } = hosts.a
    const place = {
      interfaceIndex: eth0.index,
      direction: 'ingress',
      priority: 1,
      handle: 1,
    } as const
    addClsact(socket, eth0.index)
    addFilter(socket, place, 'summed', fd)
    for (const [txChecksum, state] of [
      [true, CHECKSUM_PARTIAL],
      [false, CHECKSUM_NONE],
    ] as const) {
      changeOffloads(hosts.b.socket, 'eth0', { txChecksum })
      seen[1] = 0
      send()
      await until('the frame was seen', () => Atomics.load(seen, 1) === 1)
      assert.equal(seen[0], state)
    }
    closeSender()
    for (const open of [fd, map]) close(open)
    memory.unmap()
    hosts.remove()
  })
})
