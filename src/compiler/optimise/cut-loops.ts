/**
 * Long loops, cut into pieces that the verifier looks at once.
 *
 * It walks through every round of a loop, and cannot see that one is like the other. So some rounds become a function
 * of their own, which it verifies by itself; what they hand on to the next ones stands in the area, whose contents
 * it does not follow:
 *
 *     loop:  …                            piece():  take over; ROUNDS times the loop; hand over; return 0
 *            goto loop                              where the loop is left: hand over; return which way
 *   becomes
 *     again: r = piece()
 *            if r = 1 goto …
 *            goto again
 *
 * In the function on every packet's way the first rounds stay where they are: mostly there is just one.
 */
import { CutPiece } from './cut-piece.ts'
import { fromBlocks, toBlocks, type Block } from '../ir/graph.ts'
import type { IrFunction, IrProgram, LocalStruct, Operation } from '../ir/ir.ts'
import { isLongLoop, loopsOf, type Loop } from '../ir/loops.ts'
import { needsContext, needsOf } from '../target/needs.ts'

export function cutLoops(program: IrProgram): IrProgram {
  const functions: IrFunction[] = []
  const locals: LocalStruct[] = [...program.locals]
  const framed = new Set(
    [...needsOf(program)].flatMap(([name, { context }]) => (context ? name : [])),
  )
  const looksAtFrame = (one: Operation): boolean =>
    needsContext(one) || (one.op === 'call' && framed.has(one.name))
  const rowBytes = new Map(program.tables.map(({ name, rowBytes: bytes }) => [name, bytes]))
  program.functions.forEach((body, i) => {
    const waiting = [{ body, isHot: i === 0 }]
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const piece = cutFirst(next.body, next.isHot, rowBytes, looksAtFrame)
      if (piece === undefined) {
        functions.push(next.body)
        continue
      }
      locals.push(piece.state)
      if (piece.piece.operations.some(looksAtFrame)) framed.add(piece.piece.name)
      // The piece may have loops of its own, and the function others.
      waiting.unshift({ body: piece.rest, isHot: next.isHot }, { body: piece.piece, isHot: false })
    }
  })
  return { ...program, functions, locals }
}

interface Cut {
  readonly rest: IrFunction
  readonly piece: IrFunction
  readonly state: LocalStruct
}

/** Cuts the first loop that is too long, inner ones first; undefined: there is none. */
function cutFirst(
  body: IrFunction,
  isHot: boolean,
  rowBytes: ReadonlyMap<string, number>,
  looksAtFrame: (operation: Operation) => boolean,
): Cut | undefined {
  const blocks = toBlocks(body)
  const loops = loopsOf(blocks)
  for (const loop of loops) {
    const times = timesOf(loop, loops, blocks)
    if (times === undefined) continue
    const cut = new CutPiece(body, blocks, loop, times, rowBytes, looksAtFrame).run(isHot)
    if (cut === undefined) continue
    const { piece, state, left } = cut
    const operations = fromBlocks(left)
    return { piece, state, rest: { ...body, operations, registerCount: cut.registerCount } }
  }
  return undefined
}

/** How often the loop goes round at most: what stands in it says it, but not in loops inside. */
function timesOf(loop: Loop, loops: readonly Loop[], blocks: readonly Block[]): number | undefined {
  const inner = loops.filter(
    (one) => one !== loop && one.blocks.size < loop.blocks.size && loop.blocks.has(one.header),
  )
  for (const { label, operations } of blocks) {
    if (!loop.blocks.has(label) || inner.some((one) => one.blocks.has(label))) continue
    const mark = operations.find(isLongLoop)
    if (mark?.op === 'loop') return mark.times
  }
  return undefined
}
