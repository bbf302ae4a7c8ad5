/**
 * A smaller program that still fails: statements are left out, and blocks take the place of what they stand in, as long
 * as it does.
 */
import type { Piece, RandomProgram } from './random-program.ts'

/** `fails`: whatever is no program any more does not. */
export function shrink(
  program: RandomProgram,
  fails: (smaller: RandomProgram) => boolean,
): RandomProgram {
  let smallest = program
  for (let isChanging = true; isChanging;) {
    isChanging = false
    for (const functions of smaller(smallest.functions)) {
      const candidate = { ...smallest, functions }
      if (!fails(candidate)) continue
      smallest = candidate
      isChanging = true
      break
    }
  }
  return smallest
}

/** Every list with one piece less, or simpler. */
function* smaller(pieces: readonly Piece[]): Generator<Piece[]> {
  for (const [i, piece] of pieces.entries()) {
    const around = (...instead: Piece[]) => [
      ...pieces.slice(0, i),
      ...instead,
      ...pieces.slice(i + 1),
    ]
    // What a function gives back in the end has to be there.
    if (i < pieces.length - 1 || !piece.text.startsWith('return')) yield around()
    if (piece.body === undefined) continue
    if (!piece.text.includes('function ')) yield around(...piece.body)
    if (piece.otherwise !== undefined) {
      yield around({ text: piece.text, body: piece.body })
      for (const otherwise of smaller(piece.otherwise)) yield around({ ...piece, otherwise })
    }
    for (const body of smaller(piece.body)) yield around({ ...piece, body })
  }
}
