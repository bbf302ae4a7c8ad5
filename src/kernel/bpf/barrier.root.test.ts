import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { notRoot, until } from '../../../tests/kernel/own-network.ts'
import { loaderArguments, moduleUrl } from '../../../tests/own-program.ts'
import { describeProgram } from '../../bpf/debug-lines.ts'
import { encode } from '../../bpf/encode.ts'
import * as i from '../../bpf/instruction.ts'
import { ProgramBarrier } from './barrier.ts'
import { programInfo } from './info.ts'
import { createMap, mapMemory, type MapShape } from './map.ts'
import { loadBtf, loadProgram } from './program.ts'
import { isKernelError } from '../errno.ts'
import { close } from '../ffi.ts'

const { r0, r1, r2, r3, r4, r6 } = i
const LOOP = 181
const ROUNDS = 200
const ROUNDS_IN_ROUND = 1 << 20

/** Writes 1, goes round for some hundred milliseconds, and writes 2. */
const SLOW_PROGRAM: readonly i.Instruction[] = [
  i.mapValue(r6, 'index', 0, 0),
  i.store(i.u32(r6, 0), 1),
  i.move32(r1, ROUNDS),
  i.functionPointer(r2, 'round'),
  i.move32(r3, 0),
  i.move32(r4, 0),
  i.call(LOOP),
  i.store(i.u32(r6, 0), 2),
  i.move32(r0, 0),
  i.exit(),
  i.label('round'),
  i.move32(r1, ROUNDS_IN_ROUND),
  i.functionPointer(r2, 'step'),
  i.move32(r3, 0),
  i.move32(r4, 0),
  i.call(LOOP),
  i.move32(r0, 0),
  i.exit(),
  i.label('step'),
  i.move32(r0, 0),
  i.exit(),
]

function loadSlowProgram(map: number): number {
  const { bytes, slots } = encode(SLOW_PROGRAM)
  const functions = SLOW_PROGRAM.flatMap((one, index) =>
    one.kind === 'label' ? [{ slot: slots[index]!, name: one.name }] : [],
  )
  const debug = describeProgram([{ slot: 0, name: 'slow' }, ...functions], [])
  const btf = loadBtf(debug.btf)
  const image = { type: 'xdp', name: 'slow', instructions: bytes, maps: [map] } as const
  try {
    return loadProgram({ ...image, debug: { ...debug, btf } }).fd
  } finally {
    close(btf)
  }
}

/** Runs a program, by its number, in a process of its own. */
function startRun(program: number) {
  const url = (name: string) => JSON.stringify(moduleUrl(name, import.meta.url))
  const script = `
    import { openById } from ${url('./info')}
    import { ProgramBench } from ${url('./run')}
    process.stdout.write('ready')
    new ProgramBench(openById('program', ${program}), 'xdp').run(new Uint8Array(64))`
  const options = [...loaderArguments, '--input-type=module', '-e', script]
  return spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] })
}

describe('the barrier', { skip: notRoot }, () => {
  it('waits for a program that runs', async (context) => {
    const shape: MapShape = {
      type: 'array',
      name: 'word',
      valueSize: 8,
      entries: 1,
      isMappable: true,
    }
    const map = createMap(shape)
    context.after(() => close(map))
    const memory = mapMemory(map, shape)
    context.after(() => memory.unmap())
    const word = new Int32Array(memory.buffer)
    let program: number
    try {
      program = loadSlowProgram(map)
    } catch (error) {
      if (!isKernelError(error, 'EINVAL')) throw error
      return context.skip('no program runs long enough before Linux 5.17')
    }
    context.after(() => close(program))
    const barrier = ProgramBarrier.open()
    context.after(() => barrier.close())
    barrier.wait()
    const run = startRun(programInfo(program).id)
    context.after(() => run.kill('SIGKILL'))
    const ended = once(run, 'exit')
    await once(run.stdout, 'data')
    await until('the program runs', () => Atomics.load(word, 0) !== 0)
    barrier.wait()
    assert.equal(Atomics.load(word, 0), 2)
    await ended
  })
})
