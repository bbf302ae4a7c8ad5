/**
 * Where a program is attached: what its context looks like, what it returns, and how it does what the language leaves
 * to the engine.
 */
import type { Writer } from './expand.ts'
import type { Operand } from '../ir/ir.ts'
import { expandForTc } from './tc.ts'
import { expandForXdp } from './xdp.ts'
import { enterTc } from './tc.ts'

export type Attachment = 'xdp' | 'tc'

export interface TargetOptions {
  readonly attachment: Attachment
  /** 'set': `now` is what stands in the area, for tests. */
  readonly clock: 'jiffies' | 'set'
}

export interface Target extends TargetOptions {
  /** What a program returns that leaves the frame to the host. */
  readonly pass: number
  /** Offsets of fields in the context. */
  readonly data: number
  readonly dataEnd: number
  /** What is to be done before the program begins. */
  enter?(writer: Writer): void
  /** The result of an intrinsic. */
  expand(writer: Writer, name: string, values: readonly Operand[]): Operand
}

export function targetOf(options: TargetOptions): Target {
  return options.attachment === 'xdp'
    ? { ...options, pass: 2, data: 0, dataEnd: 4, expand: expandForXdp }
    : { ...options, pass: -1, data: 76, dataEnd: 80, expand: expandForTc, enter: enterTc }
}
