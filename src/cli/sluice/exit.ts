/**
 * How a `sluice` command ends when it cannot do what it was asked: one sentence on stderr, and a status.
 */
import { ControlError } from '../../control/control-error.ts'

export const Exit = { done: 0, no: 1, usage: 2, lacking: 77 } as const

/** Says the sentence and has the process end with `status` once it is through. */
export class Failure extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'Failure'
    this.status = status
  }
}

/** What the operator is told of an error, and the exit status that goes with it. */
export function sayFailure(error: unknown): void {
  process.exitCode = error instanceof Failure ? error.status : Exit.no
  const isExpected = error instanceof Failure || error instanceof ControlError
  const text = isExpected || !(error instanceof Error) ? messageOf(error) : error.stack
  process.stderr.write(`sluice: ${text}\n`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
