/**
 * A compiled program given to the kernel with an area of its own (src/bpf/artefact.ts); here, or in a thread that only
 * does that, so that nobody waits while the kernel verifies it.
 */
import { randomBytes } from 'node:crypto'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { AREA_SEED_OFFSET, type Artefact } from '../bpf/artefact.ts'
import {
  AREA,
  CompiledProgramRefusal,
  loadArtefact,
  type ProgramMap,
} from '../kernel/bpf/artefact.ts'
import { createMap, possibleCpus, updateElement } from '../kernel/bpf/map.ts'
import { close } from '../kernel/ffi.ts'
import { EngineProblem } from './engine.ts'

/** What a thread is told: descriptors are the process's. */
export interface LoadTask {
  readonly artefact: Artefact
  readonly maps: readonly (readonly [name: string, map: { fd: number; rows: number }])[]
  readonly hertz: number
}

export interface LoadAnswer {
  readonly fd?: number
  readonly refusal?: string
}

/** Letters that the kernel takes for a program's name. */
const NAME_MAX = 15

/** A descriptor. Throws EngineProblem, KernelError. */
export function loadProgramHere({ artefact, maps: given, hertz }: LoadTask): number {
  const known = new Map(given)
  const area = artefact.maps.find(({ name }) => name === AREA)
  const own = area === undefined ? undefined : makeArea(area.rowBytes, possibleCpus())
  const maps = new Map<string, ProgramMap>()
  for (const { name, rowBytes } of artefact.maps) {
    const map = name === AREA ? own : known.get(name)
    if (map === undefined) throw new RangeError(`the program ${artefact.name} wants a map ${name}`)
    maps.set(name, { ...map, rowBytes })
  }
  try {
    const named = { ...artefact, name: artefact.name.slice(0, NAME_MAX) }
    return loadArtefact(named, maps, hertz).fd
  } catch (error) {
    if (!(error instanceof CompiledProgramRefusal)) throw error
    throw new EngineProblem(`this kernel refuses the packet path: ${error.message}`, true)
  } finally {
    // The program has it from here on.
    if (own !== undefined) close(own.fd)
  }
}

/** The same, in a thread of its own, which does not keep the process alive. Rejects with EngineProblem. */
export async function loadProgramAside(task: LoadTask): Promise<number> {
  const file = `./program-worker${extname(fileURLToPath(import.meta.url))}`
  const worker = new Worker(new URL(file, import.meta.url), { workerData: task })
  worker.unref()
  const answer = await new Promise<LoadAnswer>((resolve) => {
    worker.once('message', resolve)
    worker.once('error', (error: Error) => resolve({ refusal: error.message }))
    worker.once('exit', () => resolve({ refusal: 'the thread ended' }))
  })
  if (answer.fd !== undefined) return answer.fd
  throw new EngineProblem(answer.refusal ?? 'no program', true)
}

/** One piece for each CPU, with a seed of its own. */
function makeArea(rowBytes: number, rows: number): ProgramMap {
  const valueSize = rowBytes * rows
  const fd = createMap({ type: 'array', name: AREA, valueSize, entries: 1 })
  const area = new Uint8Array(valueSize)
  for (let row = 0; row < rows; row++) {
    const seed = randomBytes(4)
    seed[0]! |= 1 // never 0
    area.set(seed, row * rowBytes + AREA_SEED_OFFSET)
  }
  updateElement(fd, 0, area)
  return { fd, rows, rowBytes }
}
