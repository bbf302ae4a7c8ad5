/**
 * What only a pass behind the check finds out: the program keeps to the language, and yet the kernel has no room for
 * it, or the target not the means.
 */
import { diagnose, type Diagnostic } from '../language/diagnostics.ts'
import type { Origin } from '../ir/ir.ts'

export class Unfit extends Error {
  override readonly name = 'Unfit'
  readonly origin: Origin
  /** What to write instead. */
  readonly instead: string

  constructor(origin: Origin | undefined, message: string, instead: string) {
    super(message)
    this.origin = origin ?? NOWHERE
    this.instead = instead
  }
}

/** Of code that no line of the source stands for. */
const NOWHERE: Origin = { file: '', start: 0, end: 0 }

export function diagnoseUnfit(unfit: Unfit, textOf: (path: string) => string): Diagnostic {
  const { origin, message, instead } = unfit
  return diagnose(origin.file, textOf(origin.file), origin, message, instead)
}
