/**
 * Persistence in an explanation: the template that keeps the client, or its network, with a real server.
 *
 * The tables in use must be those from before the trial.
 */
import type { ExplainedStep } from '../control/protocol.ts'
import { BUSY } from '../dataplane/connection.ts'
import { connections, NONE, ServiceFlag, Status, type Service } from '../dataplane/tables.ts'
import { serverText } from '../director/check.ts'
import { listConnection } from '../director/listing.ts'
import { TICKS_PER_SECOND } from '../subset/clock.ts'
import type { Trial } from './probe.ts'

/** Was the template that the packet's connection got there before? Then nobody chooses. */
export function hadTemplate({ template }: Trial): boolean {
  if (template === NONE) return false
  const { owner, status } = connections.row(template)
  return owner > BUSY && (status & (Status.template | Status.ended)) === Status.template
}

export function tellTemplate(trial: Trial, service: Service): ExplainedStep[] {
  if ((service.flags & ServiceFlag.persistent) === 0) return []
  const step = 'persistence'
  if (hadTemplate(trial)) {
    const { client, server, expiresS } = listConnection(connections.row(trial.template))
    const stays = `stays with ${serverText(server)} for another ${Math.ceil(expiresS)} s`
    return [{ step, text: `${client.address} ${stays}: no server needs to be chosen` }]
  }
  const seconds = service.persistence / TICKS_PER_SECOND
  const whom = (service.flags & ServiceFlag.sip) === 0 ? 'the client' : 'a call that begins'
  const text = `nothing binds ${whom} yet: it will stay for ${seconds} s with whom it gets`
  return [{ step, text }]
}
