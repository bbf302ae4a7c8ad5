/**
 * `ipvsadm -R`: each line of the standard input is a command line.
 *
 * Changes are sent one behind the other without waiting for answers, so that a table of a hundred thousand servers is
 * restored in seconds; a refused one is told, and the next line is read. A line that is no command ends it all, and so
 * does a listing that fails.
 */
import { ControlError } from '../../control/control-error.ts'
import type { Change, Command } from './command.ts'
import { UnreadableOption, WrongUsage } from './draft.ts'
import { explainRefusal } from './errors.ts'
import { isSluiceLine, parseSluiceLine } from '../sluice/lines.ts'
import { NoDaemon, understand, type Caller, type Surroundings } from './surroundings.ts'

/** Calls that wait for their answer. */
const UNANSWERED_MAX = 1024

type Run = (command: Command) => Promise<number>

/** Ends with the status of the last line. `run` is for commands that change nothing. */
export async function restoreRules(surroundings: Surroundings, run: Run): Promise<number> {
  const restoration = new Restoration(surroundings, run)
  for await (const line of surroundings.input) {
    const words = line.split(/\s+/).filter((word) => word !== '')
    if (words[0] === 'ipvsadm') words.shift()
    if (words.length === 0) continue
    if (await restoration.take(words)) break
  }
  await restoration.settle()
  return restoration.status
}

/** null: done. */
type Answer = { readonly change: Change; readonly error: unknown } | null

class Restoration {
  status = 0
  readonly #surroundings: Surroundings
  #caller: Caller | undefined
  readonly #run: Run
  #unanswered: Promise<Answer>[] = []

  constructor(surroundings: Surroundings, run: Run) {
    this.#surroundings = surroundings
    this.#run = run
  }

  /** Runs a line; true: it is the last one, whatever follows. */
  async take(words: readonly string[]): Promise<boolean> {
    try {
      const command = isSluiceLine(words)
        ? parseSluiceLine(words)
        : await understand(words, this.#surroundings.names)
      if (command.kind === 'change') {
        await this.#send(command)
        return false
      }
      await this.settle()
      this.status = await this.#run(command)
      return command.kind === 'help' || command.kind === 'version' || this.status !== 0
    } catch (error) {
      if (!(error instanceof WrongUsage)) throw error
      await this.settle()
      this.#surroundings.complain(`${error.message}\n`)
      this.status = error.status
      return !(error instanceof UnreadableOption)
    }
  }

  async #send(change: Change): Promise<void> {
    this.#caller ??= await this.#surroundings.connect()
    if (this.#unanswered.length >= UNANSWERED_MAX) await this.settle(UNANSWERED_MAX / 2)
    const answer = this.#caller.call(change.call, change.with)
    this.#unanswered.push(
      answer.then(
        () => null,
        (error: unknown) => ({ change, error }),
      ),
    )
  }

  /** Waits until at most `left` calls have no answer, and tells the refusals in the order of their lines. */
  async settle(left = 0): Promise<void> {
    const settled = this.#unanswered.splice(0, this.#unanswered.length - left)
    for (const answer of await Promise.all(settled)) {
      if (answer !== null) this.#surroundings.complain(`${refusalText(answer)}\n`)
      this.status = answer === null ? 0 : 255
    }
  }
}

/** Throws what is no refusal. */
function refusalText({ change: { call }, error }: NonNullable<Answer>): string {
  if (!(error instanceof ControlError)) throw error
  // The same for every call that waits: once is enough.
  if (error.errno === 'EPIPE') throw new NoDaemon(error.message)
  return explainRefusal(call, error.errno, error.message)
}
