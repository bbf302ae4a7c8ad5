import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { notRoot } from '../../../tests/kernel/own-network.ts'
import { encode } from '../../bpf/encode.ts'
import { exit, load, mapValue, move32, r0, r1, u32 } from '../../bpf/instruction.ts'
import { describeTable } from '../../bpf/table-types.ts'
import { mapInfo } from './info.ts'
import {
  clearProgram,
  createMap,
  freezeMap,
  lookupElement,
  lookupPerCpu,
  mapMemory,
  possibleCpus,
  setProgram,
  updateElement,
  type MapShape,
} from './map.ts'
import { loadBtf, loadProgram } from './program.ts'
import { ProgramBench } from './run.ts'
import { close } from '../ffi.ts'

const FRAME = new Uint8Array(64)

function open(context: TestContext, shape: MapShape): number {
  const fd = createMap(shape)
  context.after(() => close(fd))
  return fd
}

describe('BPF maps', { skip: notRoot }, () => {
  it('are memory of this process, too', (context) => {
    const shape: MapShape = {
      type: 'array',
      name: 'small',
      valueSize: 20,
      entries: 3,
      isMappable: true,
    }
    const fd = open(context, shape)
    const mapping = mapMemory(fd, shape)
    assert.equal(mapping.buffer.byteLength, 3 * 24)
    const words = new Uint32Array(mapping.buffer)
    words[6] = 0xdeadbeef
    assert.deepEqual(
      [...new Uint32Array(lookupElement(fd, 1, 20).buffer)],
      [0xdeadbeef, 0, 0, 0, 0],
    )
    updateElement(fd, 2, new Uint8Array(20).fill(7))
    assert.equal(words[12], 0x07070707)
    assert.equal(Atomics.add(words, 6, 1), 0xdeadbeef)
    mapping.unmap()
    assert.equal(words[6], 0)
    assert.equal(new Uint32Array(lookupElement(fd, 1, 20).buffer)[0], 0xdeadbef0)
  })

  it('hold a table of 200 MiB in one value, which programs read', (context) => {
    const shape: MapShape = {
      type: 'array',
      name: 'large',
      valueSize: 200 << 20,
      entries: 1,
      isMappable: true,
    }
    const fd = open(context, shape)
    const mapping = mapMemory(fd, shape)
    new DataView(mapping.buffer).setUint32((200 << 20) - 4, 4711, true)
    const { bytes } = encode([
      mapValue(r1, 'index', 0, (200 << 20) - 4),
      load(r0, u32(r1, 0)),
      exit(),
    ])
    const program = loadProgram({ type: 'xdp', name: 'reader', instructions: bytes, maps: [fd] })
    context.after(() => close(program.fd))
    assert.equal(new ProgramBench(program.fd, 'xdp').run(FRAME).verdict, 4711)
    mapping.unmap()
  })

  it('are constants once they are frozen', (context) => {
    const shape: MapShape = {
      type: 'array',
      name: 'constants',
      valueSize: 8,
      entries: 1,
      isReadOnly: true,
    }
    const fd = open(context, shape)
    updateElement(fd, 0, Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0))
    freezeMap(fd)
    assert.throws(() => updateElement(fd, 0, new Uint8Array(8)), { code: 'EPERM' })
    assert.equal(lookupElement(fd, 0, 8)[0], 9)
  })

  it('have a value for each CPU', (context) => {
    const shape: MapShape = { type: 'perCpuArray', name: 'counters', valueSize: 12, entries: 2 }
    const fd = open(context, shape)
    const cpus = possibleCpus()
    const values = new Uint8Array(16 * cpus)
    for (let cpu = 0; cpu < cpus; cpu++) values[16 * cpu] = cpu + 1
    updateElement(fd, 1, values)
    const read = lookupPerCpu(fd, 1, 12)
    assert.deepEqual(
      read.map((value) => [value.length, value[0]]),
      Array.from({ length: cpus }, (_, cpu) => [12, cpu + 1]),
    )
    assert.throws(() => lookupPerCpu(fd, 2, 12), { code: 'ENOENT' })
  })

  it('hold programs', (context) => {
    const fd = open(context, { type: 'programArray', name: 'programs', valueSize: 4, entries: 2 })
    const program = loadProgram({
      type: 'xdp',
      name: 'two',
      instructions: encode([move32(r0, 2), exit()]).bytes,
    })
    context.after(() => close(program.fd))
    assert.equal(clearProgram(fd, 1), false)
    setProgram(fd, 1, program.fd)
    assert.notEqual(new Uint32Array(lookupElement(fd, 1, 4).buffer)[0], 0)
    assert.equal(clearProgram(fd, 1), true)
    assert.throws(() => setProgram(fd, 2, program.fd), { code: 'E2BIG' })
  })

  it('may say what is in them', (context) => {
    const fields = [
      { name: 'weight', offset: 0, size: 4 },
      { name: 'port', offset: 4, size: 2 },
    ] as const
    const table = { name: 'server', rows: 3, rowSize: 8, fields }
    const types = describeTable(table)
    const btf = { fd: loadBtf(types.btf), ...types }
    context.after(() => close(btf.fd))
    const shape = { type: 'array', name: 'servers', valueSize: 24, entries: 1, btf } as const
    const fd = open(context, { ...shape, isMappable: true })
    assert.equal(mapInfo(fd).valueSize, 24)
    assert.throws(() => createMap({ ...shape, valueSize: 16 }), { code: 'EINVAL' })
  })

  it('are refused in words', () => {
    const shape: MapShape = { type: 'array', name: 'none', valueSize: 8, entries: 0 }
    assert.throws(() => createMap(shape), {
      message: 'create BPF map none (array, 0 × 8 bytes): invalid argument (EINVAL)',
    })
  })
})
