/**
 * What ipvsadm needs around it: a director to call, names, the standard streams. The real ones are in ipvsadm.ts.
 */
import type { CallName, Calls } from '../../control/protocol.ts'
import { UnresolvedHost, type Names } from './address.ts'
import { parseCommand, type Command } from './command.ts'
import type { Naming } from './naming.ts'

/** The control socket, as far as ipvsadm needs it. */
export interface Caller {
  call<N extends CallName>(name: N, parameters: Calls[N]['with']): Promise<Calls[N]['result']>
  /** As ControlClient has it. */
  connectionRows(): Promise<readonly Buffer[]>
}

/** There is no daemon to ask; `message` says why. */
export class NoDaemon extends Error {}

export interface Surroundings {
  /** Throws NoDaemon. Asked for only when there is something to ask. */
  connect(): Promise<Caller>
  readonly names: Names & {
    resolve(host: string): Promise<void>
    namingOf(addresses: Iterable<string>): Promise<Naming>
  }
  /** Lines of the standard input. */
  readonly input: AsyncIterable<string>
  /** Rows of the terminal that `print` writes to; null: it is none. */
  terminalRows(): number | null
  /** Resolves after so many seconds; false: the user wants an end. */
  pause(seconds: number): Promise<boolean>
  print(text: string | Buffer): void
  complain(text: string): void
}

/** Parses, looking up hosts until all are known. */
export async function understand(
  words: readonly string[],
  names: Surroundings['names'],
): Promise<Command> {
  for (;;) {
    try {
      return parseCommand(words, names)
    } catch (error) {
      if (!(error instanceof UnresolvedHost)) throw error
      await names.resolve(error.host)
    }
  }
}
