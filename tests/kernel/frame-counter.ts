/**
 * Counts frames where they come into an interface, by a program of a test's own under tc, before any other's.
 */
import type { TestContext } from 'node:test'
import { encode } from '../../src/bpf/encode.ts'
import * as i from '../../src/bpf/instruction.ts'
import { attachTcx } from '../../src/kernel/bpf/link.ts'
import { createMap, mapMemory, type MapShape } from '../../src/kernel/bpf/map.ts'
import { loadProgram } from '../../src/kernel/bpf/program.ts'
import { close } from '../../src/kernel/ffi.ts'
import type { Host } from '../../src/lab/host.ts'

const TC_NEXT = -1
const SHAPE: MapShape = {
  type: 'array',
  name: 'counted',
  valueSize: 8,
  entries: 1,
  isMappable: true,
}

/** A word that the program adds to: `mapValue(…, 'index', 0, 0)` is where the two of them lie. */
export type ReadCount = (word: 0 | 1) => number

/**
 * Runs `program` for each frame that comes in there, until the test ends; it jumps to the label `out`, or runs into it,
 * and the frame goes on as it is.
 */
export function countFrames(
  t: TestContext,
  host: Host,
  interfaceName: string,
  program: readonly i.Instruction[],
): ReadCount {
  const map = createMap(SHAPE)
  const memory = mapMemory(map, SHAPE)
  const { bytes: instructions } = encode([
    ...program,
    i.label('out'),
    i.move32(i.r0, TC_NEXT),
    i.exit(),
  ])
  const { fd } = loadProgram({ type: 'tc', name: 'counted', instructions, maps: [map] })
  const link = host.run(() => attachTcx(fd, host.indexOf(interfaceName)))
  t.after(() => {
    memory.unmap()
    for (const one of [link, fd, map]) close(one)
  })
  const words = new Uint32Array(memory.buffer)
  return (word) => Atomics.load(words, word)
}
