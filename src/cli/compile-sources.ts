/**
 * Sources for `sluice compile`: the packet path as it is installed, or files of somebody's own, with what they import.
 *
 * Each file goes by its path from the repository's root. One that lies elsewhere is read as if it, and what stands
 * beside it, lay in src/dataplane/: so a copy of a file there compiles wherever it is.
 */
import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join, posix, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FileTree } from '../compiler/language/tree.ts'
import { readText } from './input-file.ts'
import { Exit, Failure } from './sluice/exit.ts'

export const PACKET_PATH = 'src/dataplane'

export interface Sources {
  /** By path from the repository's root. */
  readonly texts: ReadonlyMap<string, string>
  /** In which a program may begin, in the order asked for. */
  readonly roots: readonly string[]
  /** The path as whoever asked knows it. */
  nameOf(path: string): string
}

/** What a file imports, as the compiler's parser has it. */
export type Parse = (path: string, text: string) => FileTree

/** `files`: as given; none: all of the packet path. Throws Failure. */
export function readSources(files: readonly string[], parse: Parse): Sources {
  const root = findRoot()
  const texts = new Map<string, string>()
  const names = new Map<string, string>()
  const waiting: { path: string; place: string; by: string }[] = []
  const want = (path: string, place: string, by: string) => {
    if (texts.has(path) || waiting.some((one) => one.path === path)) return
    waiting.push({ path, place, by })
  }
  const roots = files.length === 0 ? packetPath(root) : files.map((file) => pathOf(root, file))
  roots.forEach((path, i) => {
    const file = files[i] ?? join(root, path)
    if (names.has(path)) {
      throw new Failure(Exit.usage, `${names.get(path)!} and ${file} go by one name: one at a time`)
    }
    if (files.length > 0) names.set(path, file)
    want(path, resolve(file), '')
  })
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { path, place, by } = next
    if (!existsSync(place) && by !== '') {
      throw new Failure(Exit.usage, `${by} imports ${place}, and there is no such file`)
    }
    const text = readText(place)
    texts.set(path, text)
    for (const { from } of parse(path, text).imports) {
      if (!from.startsWith('.')) continue
      const target = posix.join(posix.dirname(path), from)
      const beside = resolve(dirname(place), from)
      want(target, existsSync(beside) ? beside : join(root, target), names.get(path) ?? path)
      if (!isInside(root, beside) && existsSync(beside)) names.set(target, beside)
    }
  }
  return { texts, roots, nameOf: (path) => names.get(path) ?? path }
}

/** Above this file, compiled or not. Throws Failure where Sluice is installed without its sources. */
function findRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, PACKET_PATH, 'act.ts'))) return folder
    if (folder !== dirname(folder)) continue
    throw new Failure(Exit.lacking, `the packet path's sources (${PACKET_PATH}/) are not installed`)
  }
}

function packetPath(root: string): string[] {
  return readdirSync(join(root, PACKET_PATH), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => `${PACKET_PATH}/${name}`)
    .sort()
}

function isInside(root: string, place: string): boolean {
  return !relative(root, place).startsWith('..')
}

function pathOf(root: string, file: string): string {
  const place = resolve(file)
  return isInside(root, place) ? relative(root, place) : posix.join(PACKET_PATH, basename(place))
}
