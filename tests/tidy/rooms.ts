/**
 * The architecture: which room may import from which. Imports only go down.
 *
 * A room is a folder of src/. Each names the rooms it may import from; `types of X` allows only
 * `import type`, `X lazily` only `import()` where a command needs it (and types). Whatever a row does not name
 * is refused, and so is a room without a row: add the row, and say in docs/decisions/ why the house needs it.
 *
 * Tests stand outside the house: a `.test.ts` may import what it likes, and so may tests/, bench/ and tools/.
 */
export const ROOMS: Readonly<Record<string, string>> = {
  // Ground: no knowledge of load balancing.
  base: '',
  subset: 'base',
  wire: 'base, subset',

  // First floor: the packet path, written once, in the subset.
  dataplane: 'subset, wire',

  // Second floor: what runs it.
  bpf: 'base',
  compiler: 'base, bpf',
  kernel: 'base, bpf, subset, wire',
  engine: 'base, bpf, subset, wire, dataplane, kernel',

  // Third floor: the control plane, pure state machines that do not know each other.
  director: 'base, subset, wire, dataplane',

  // Fourth floor: where it is wired together.
  control: 'base, types of director',
  lab: 'base, kernel',
  replay: 'base, subset, wire, dataplane, types of control, director',
  realserver: 'base, wire, subset, dataplane, bpf, kernel, engine',
  daemon: 'base, subset, wire, dataplane, kernel, engine, director, control, replay',

  // Roof: faces.
  cli:
    'base, wire, control, types of director, ' +
    'compiler lazily, engine lazily, daemon lazily, lab lazily, replay lazily, realserver lazily',
}

/** The only files in src/ that may import each npm package. A trailing `/` means everything below. */
export const PACKAGES: Readonly<Record<string, string>> = {
  koffi: 'src/kernel/ffi.ts',
  typescript: 'src/compiler/language/parse.ts',
  commander: 'src/cli/',
}

/**
 * Rooms that are pure: no clock, no socket, no chance, no file. (`isIP`, `posix` are only words of
 * node:net and node:path.) Time and chance are handed to them.
 */
export const PURE_ROOMS = [
  'base',
  'subset',
  'wire',
  'dataplane',
  'director',
  'bpf',
  'compiler',
  'replay',
]
export const PURE_MODULES = ['node:assert', 'node:assert/strict', 'node:util']
export const PURE_NAMES = ['isIP', 'isIPv4', 'isIPv6', 'BlockList', 'SocketAddress', 'posix']
export const IMPURE_CALLS = [
  'Date.now',
  'Math.random',
  'performance.now',
  'process.hrtime',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'fetch',
]

/** Rooms in which each file has a test beside it. */
export const TESTED_ROOMS = ['base', 'subset', 'wire', 'dataplane/schedulers', 'kernel']

/** Files of these rooms without a test of their own, and where they are tested. */
export const TESTED_ELSEWHERE: Readonly<Record<string, string>> = {}

export interface Edge {
  readonly room: string
  readonly how: 'any' | 'types' | 'lazily'
}

/** The row of one room, read. Undefined if the table has none. */
export function edgesOf(table: Readonly<Record<string, string>>, room: string): Edge[] | undefined {
  const row = Object.hasOwn(table, room) ? table[room] : undefined
  if (row === undefined) return undefined
  return row
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
    .map((word) => {
      if (word.startsWith('types of '))
        return { room: word.slice('types of '.length), how: 'types' }
      if (word.endsWith(' lazily')) return { room: word.slice(0, -' lazily'.length), how: 'lazily' }
      return { room: word, how: 'any' }
    })
}
