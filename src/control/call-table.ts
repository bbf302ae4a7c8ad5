/**
 * What answers the calls of the control socket: a function for each.
 */
import type { JsonRows } from '../base/json-rows.ts'
import type { CallName, Calls } from './protocol.ts'

/** Parameters in, result out; a refusal is thrown as ControlError. Long results come as they are made. */
export type CallTable = {
  readonly [N in CallName]: (
    parameters: Calls[N]['with'],
  ) => Calls[N]['result'] | Promise<Calls[N]['result']> | Iterable<unknown> | JsonRows
}
