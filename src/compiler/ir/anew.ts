/**
 * What is reached only through a place where all begins anew (`startAnew` in src/subset/integers.ts).
 */
import { dominanceOf } from './dominators.ts'
import type { Block } from './graph.ts'
import type { Label } from './ir.ts'

export function behindAnew(blocks: readonly Block[]): ReadonlySet<Label> {
  const found = new Set<Label>()
  const waiting = blocks.filter(({ operations }) => operations.some(({ op }) => op === 'anew'))
  if (waiting.length === 0) return found
  const { children } = dominanceOf(blocks)
  for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
    found.add(block.label)
    waiting.push(...(children.get(block.label) ?? []))
  }
  return found
}

/** What is behind it stands behind all else, and begins with it. */
export function putLast(blocks: readonly Block[]): Block[] {
  const behind = behindAnew(blocks)
  const isFirst = ({ operations }: Block) => operations.some(({ op }) => op === 'anew')
  const last = blocks.filter(({ label }) => behind.has(label))
  return [
    ...blocks.filter(({ label }) => !behind.has(label)),
    ...last.filter(isFirst),
    ...last.filter((block) => !isFirst(block)),
  ]
}
