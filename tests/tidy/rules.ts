/**
 * The rules of the house that are about one file at a time; rules-imports.ts has those about several.
 *
 * A rule takes a tree and returns complaints, `path:line: what is wrong`. tests/tidy.test.ts runs them all over
 * this repository, and each over small trees that it must refuse.
 */
import { dirname } from 'node:path'
import { TESTED_ELSEWHERE, TESTED_ROOMS } from './rooms.ts'
import type { Source } from './source.ts'
import type { Tree } from './tree.ts'

export type Rule = (tree: Tree) => string[]

export const FILE_LINES_MAX = 500
export const FILE_LINES_WARN = 400
export const FUNCTION_LINES_MAX = 70
/** Prettier breaks code at 100 columns; comments and strings it leaves alone. */
export const COLUMNS_MAX = 120
export const ROOM_README_LINES_MAX = 30

const BANNED_FILE_NAMES = /^(utils?|helpers?|common|types?|managers?|index|misc|shared)$/
const BANNED_VERBS = /^(process|handle|manage|do)([A-Z_]|$)/
// Taken apart, so that this file does not name them itself.
const MACHINE_PATHS = ['work', 'home', 'Users'].map(
  (folder) => new RegExp(`(^|[\\s'"\`(=:])/${folder}/`),
)
const REGISTRY_HOST = /https?:\/\/[\w.-]*(registry|artifact|nexus|mirror|proxy)[\w.-]*[.:]\w/i
const UNFINISHED = /\b(TODO|FIXME|XXX)\b(?!\(#\d+\))/

/** Lines of a text, without counting what follows the last newline. */
export function lineCount(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

/** Short name of a file: `udp` of src/wire/udp.root.test.ts. */
export function stemOf(path: string): string {
  return path.split('/').at(-1)!.split('.')[0]!
}

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts')
}

function eachSource(check: (source: Source) => string[]): Rule {
  return (tree) => [...tree.sources.values()].flatMap(check)
}

/** Complaints about each line of each text that matches. */
function eachLine(tree: Tree, wrong: (line: string, path: string) => string | undefined): string[] {
  return [...tree.texts].flatMap(([path, text]) =>
    text.split('\n').flatMap((line, index) => {
      const complaint = wrong(line, path)
      return complaint === undefined ? [] : [`${path}:${index + 1}: ${complaint}`]
    }),
  )
}

/** Files of at most 500 lines. */
export const fileSize: Rule = eachSource(({ path, text }) => {
  const lines = lineCount(text)
  if (lines <= FILE_LINES_MAX) return []
  return [`${path}:1: ${lines} lines, the wall is ${FILE_LINES_MAX}: what are the two files in it?`]
})

/** Functions that fit a screen; the callbacks of describe, it and test are not meant. */
export const functionSize: Rule = eachSource(({ path, functions }) =>
  functions
    .filter(({ isTestBody, lines }) => !isTestBody && lines > FUNCTION_LINES_MAX)
    .map(({ name, line, lines }) => {
      const what = name === '' ? 'a function' : name
      return `${path}:${line}: ${what} has ${lines} lines, the wall is ${FUNCTION_LINES_MAX}`
    }),
)

/** Comments and strings, too, fit a screen. */
export const lineLength: Rule = (tree) =>
  eachLine(tree, (line, path) =>
    /\.(ts|mjs)$/.test(path) && line.length > COLUMNS_MAX
      ? `${line.length} columns, the wall is ${COLUMNS_MAX}`
      : undefined,
  )

/** Files named after what they hold. */
export const fileNames: Rule = (tree) =>
  [...tree.texts.keys()].flatMap((path) => {
    if (!/\.(ts|mjs|js)$/.test(path)) return []
    const stem = stemOf(path)
    if (BANNED_FILE_NAMES.test(stem))
      return [`${path}:1: '${stem}' says nothing: name what it holds`]
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(stem)) return [`${path}:1: file names are kebab-case`]
    return []
  })

/** Functions named after what they do. */
export const functionNames: Rule = eachSource(({ path, functions }) =>
  functions
    .filter(({ name }) => BANNED_VERBS.test(name.replace(/^#/, '')))
    .map(({ name, line }) => `${path}:${line}: ${name} does not say what it does: find its verb`),
)

/** Each source file begins by saying what it is. */
export const headComments: Rule = eachSource(({ path, hasHeadComment }) =>
  isTest(path) || hasHeadComment ? [] : [`${path}:1: no head comment: what is this file?`],
)

/** A room's README is a door plate, not a book. */
export const roomReadmes: Rule = (tree) =>
  [...tree.texts].flatMap(([path, text]) => {
    const lines = lineCount(text)
    if (!/^src\/[^/]+\/README\.md$/.test(path) || lines <= ROOM_README_LINES_MAX) return []
    return [`${path}:1: ${lines} lines; a room's README has at most ${ROOM_README_LINES_MAX}`]
  })

/** Nothing names the machine it was written on, or where its packages came from. */
export const machineNames: Rule = (tree) =>
  eachLine(tree, (line, path) => {
    if (path === 'LICENSE') return undefined
    if (MACHINE_PATHS.some((pattern) => pattern.test(line))) return 'names a path of some machine'
    if (REGISTRY_HOST.test(line)) return 'names a package registry'
    return undefined
  })

/** What is unfinished has an issue: `TODO(#12)`. */
export const unfinished: Rule = (tree) =>
  eachLine(tree, (line, path) => {
    if (!/\.(ts|mjs|sh)$/.test(path) || path.startsWith('tests/tidy')) return undefined
    const word = UNFINISHED.exec(line)?.[1]
    return word === undefined ? undefined : `${word} without an issue: write ${word}(#12), or do it`
  })

/** Files of the rooms on the ground, the schedulers and kernel/ have their test beside them. */
export const testsBeside: Rule = (tree) =>
  [...tree.sources.keys()].flatMap((path) => {
    if (isTest(path) || !TESTED_ROOMS.some((room) => dirname(path) === `src/${room}`)) return []
    const stem = path.replace(/\.ts$/, '')
    const names = ['.test.ts', '.root.test.ts', '.fuzz.test.ts'].map((suffix) => stem + suffix)
    if (names.some((name) => tree.sources.has(name))) return []
    if (Object.hasOwn(TESTED_ELSEWHERE, path)) {
      const elsewhere = TESTED_ELSEWHERE[path]!
      return tree.sources.has(elsewhere) ? [] : [`${path}:1: its test ${elsewhere} does not exist`]
    }
    return [`${path}:1: no test beside it`]
  })

/** A test that asks whether it is root says so in its name, so that the runner gives it the machine. */
export const rootTests: Rule = eachSource(({ path, calls }) => {
  if (!isTest(path) || path.endsWith('.root.test.ts')) return []
  const asks = calls.find(({ callee }) => /^process\.gete?uid\b/.test(callee))
  return asks === undefined
    ? []
    : [`${path}:${asks.line}: a test that needs root is named x.root.test.ts (tools/run-tests.mjs)`]
})

/**
 * Cursors (src/subset/struct.ts): declared at the top level, pointed at exactly one place, and what they point
 * at is never returned. So a view in use is never moved by anybody else.
 */
export const cursors: Rule = eachSource(({ path, calls }) => {
  if (!path.startsWith('src/dataplane/') || isTest(path)) return []
  return calls
    .filter(({ callee }) => callee.endsWith('.cursor'))
    .flatMap(({ boundTo, line, isInFunction }) => {
      if (isInFunction) return [`${path}:${line}: a cursor belongs to the top level`]
      if (boundTo === undefined) return [`${path}:${line}: a cursor needs a name of its own`]
      const points = calls.filter(({ callee }) => callee === `${boundTo}.at`)
      const kept = points.filter(({ isReturned }) => isReturned)
      return [
        ...(points.length === 1
          ? []
          : [`${path}:${line}: ${boundTo} is pointed at ${points.length} places, not one`]),
        ...kept.map((point) => `${path}:${point.line}: returns a view; the next call moves it`),
      ]
    })
})
