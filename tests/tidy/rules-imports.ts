/**
 * The rules about who imports whom: rooms, cycles, packages, purity.
 */
import { posix } from 'node:path'
import {
  edgesOf,
  IMPURE_CALLS,
  PACKAGES,
  PURE_MODULES,
  PURE_NAMES,
  PURE_ROOMS,
  ROOMS,
} from './rooms.ts'
import { isTest, type Rule } from './rules.ts'
import type { Import, Source } from './source.ts'
import type { Tree } from './tree.ts'

/** 'wire' of src/wire/udp.ts; undefined outside src/. */
export function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1]
}

/** Sources that live in the house: src/ without tests. */
function inhabitants(tree: Tree): Source[] {
  return [...tree.sources.values()].filter(({ path }) => path.startsWith('src/') && !isTest(path))
}

function isRelative(from: string): boolean {
  return from.startsWith('./') || from.startsWith('../')
}

function targetOf(path: string, { from }: Import): string {
  return posix.normalize(posix.join(posix.dirname(path), from))
}

/** Imports follow the table. */
export const rooms: Rule = (tree) =>
  inhabitants(tree).flatMap((source) => {
    const room = roomOf(source.path)
    if (room === undefined) return [`${source.path}:1: stands in no room`]
    const edges = edgesOf(ROOMS, room)
    if (edges === undefined) return [`${source.path}:1: room ${room} is not in tests/tidy/rooms.ts`]
    return source.imports
      .filter(({ from }) => isRelative(from))
      .flatMap((one) => {
        const where = `${source.path}:${one.line}`
        const other = roomOf(targetOf(source.path, one))
        if (other === undefined) return [`${where}: imports ${one.from}, which is outside src/`]
        if (isTest(targetOf(source.path, one))) return [`${where}: imports a test`]
        if (other === room) return []
        const edge = edges.find((candidate) => candidate.room === other)
        if (edge === undefined) return [`${where}: ${room} may not import from ${other}`]
        if (edge.how === 'any' || one.how === 'type') return []
        if (edge.how === 'types') return [`${where}: ${room} may import only types from ${other}`]
        if (one.how === 'lazy') return []
        return [`${where}: ${room} may import ${other} only lazily, with import()`]
      })
  })

/** The table itself has no way back: a room that is allowed to be imported never leads to its importer. */
export function cyclesInTable(table: Readonly<Record<string, string>>): string[] {
  const next = (room: string) => (edgesOf(table, room) ?? []).map((edge) => edge.room)
  return findCycles(Object.keys(table), next).map((cycle) => `tests/tidy/rooms.ts:1: ${cycle}`)
}

/** Files do not import each other in a ring. Types are gone at run time and may. */
export const cycles: Rule = (tree) => {
  const next = (path: string) =>
    (tree.sources.get(path)?.imports ?? [])
      .filter(({ from, how }) => isRelative(from) && how !== 'type')
      .map((one) => targetOf(path, one))
      .filter((target) => tree.sources.has(target))
  return findCycles([...tree.sources.keys()], next).map(
    (cycle) => `${cycle.split(' ')[0]}:1: ${cycle}`,
  )
}

/** Each ring once, as 'a → b → a', begun at its first name in order. */
function findCycles(names: readonly string[], next: (name: string) => string[]): string[] {
  const found = new Set<string>()
  const finished = new Set<string>()
  const visit = (name: string, trail: readonly string[]) => {
    const start = trail.indexOf(name)
    if (start >= 0) {
      const ring = trail.slice(start)
      const first = ring.indexOf([...ring].sort()[0]!)
      const turned = [...ring.slice(first), ...ring.slice(0, first)]
      found.add([...turned, turned[0]].join(' → '))
      return
    }
    if (finished.has(name)) return
    for (const other of next(name)) visit(other, [...trail, name])
    finished.add(name)
  }
  for (const name of names) visit(name, [])
  return [...found]
}

/** npm packages stay in the file that is there for them; Node's own modules are written with node:. */
export const packages: Rule = (tree) =>
  inhabitants(tree).flatMap((source) =>
    source.imports
      .filter(({ from }) => !isRelative(from) && !from.startsWith('node:'))
      .flatMap(({ from, line }) => {
        const name = from
          .split('/')
          .slice(0, from.startsWith('@') ? 2 : 1)
          .join('/')
        const place = Object.hasOwn(PACKAGES, name) ? PACKAGES[name]! : undefined
        const where = `${source.path}:${line}`
        if (place === undefined) return [`${where}: package ${name} is not in tests/tidy/rooms.ts`]
        const isThere = place.endsWith('/') ? source.path.startsWith(place) : source.path === place
        return isThere ? [] : [`${where}: ${name} may be imported only in ${place}`]
      }),
  )

/** Below the fourth floor nothing reads a clock, draws randomness, opens a file or a socket. */
export const purity: Rule = (tree) =>
  inhabitants(tree).flatMap((source) => {
    if (!PURE_ROOMS.includes(roomOf(source.path) ?? '')) return []
    const modules = source.imports
      .filter(({ from, how }) => from.startsWith('node:') && how !== 'type')
      .filter(({ from, names }) => {
        const isHarmless = names.length > 0 && names.every((name) => PURE_NAMES.includes(name))
        return !PURE_MODULES.includes(from) && !isHarmless
      })
      .map(({ from, line }) => `${source.path}:${line}: a pure room imports ${from}`)
    const calls = source.calls
      .filter(({ callee }) => IMPURE_CALLS.includes(callee))
      .map(({ callee, line }) => `${source.path}:${line}: a pure room calls ${callee}`)
    return [...modules, ...calls]
  })
