/**
 * The repository as the rules see it: paths and texts. A test hands them a small tree of its own.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readSource, type Source } from './source.ts'

export interface Tree {
  /** Text by path from the repository's root; without files that are not text. */
  readonly texts: ReadonlyMap<string, string>
  /** The TypeScript files among them, by path. */
  readonly sources: ReadonlyMap<string, Source>
}

/** A tree from texts by path. */
export function treeOf(texts: Readonly<Record<string, string>>): Tree {
  const paths = Object.keys(texts).sort()
  return {
    texts: new Map(paths.map((path) => [path, texts[path]!])),
    sources: new Map(
      paths.filter(isTypeScript).map((path) => [path, readSource(path, texts[path]!)]),
    ),
  }
}

const isTypeScript = (path: string) => path.endsWith('.ts') && !path.endsWith('.d.ts')

/** This repository: what git tracks or would track, or every file if there is no git. */
export function readRepository(): Tree {
  const root = findRoot(dirname(fileURLToPath(import.meta.url)))
  const texts: Record<string, string> = {}
  for (const path of listFiles(root)) {
    const bytes = readFileSync(join(root, path))
    if (!bytes.includes(0)) texts[path] = bytes.toString('utf8')
  }
  return treeOf(texts)
}

/** The nearest folder upward with a package.json: this file runs from dist/, too. */
function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder
  const parent = dirname(folder)
  if (parent === folder) throw new Error('no package.json above this file')
  return findRoot(parent)
}

function listFiles(root: string): string[] {
  const isFile = (path: string) =>
    existsSync(join(root, path)) && statSync(join(root, path)).isFile()
  try {
    const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
    const listed = execFileSync('git', args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
    return String(listed)
      .split('\0')
      .filter((path) => path !== '' && isFile(path))
  } catch {
    return walk(root).map((path) => relative(root, path))
  }
}

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (['node_modules', 'dist', '.git'].includes(entry.name)) return []
    const path = join(folder, entry.name)
    return entry.isDirectory() ? walk(path) : entry.isFile() ? [path] : []
  })
}
