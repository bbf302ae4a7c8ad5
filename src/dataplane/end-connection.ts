/**
 * The end of a connection, wherever it is noticed: by a packet that opens another in its place, or by the sweep.
 */
import { u32 } from '../subset/integers.ts'
import { forwardingOf, unbindLine } from './connection.ts'
import { releaseLocalPort } from './local-port.ts'
import { Forwarding, NONE, Status, type Connection, type Server } from './tables.ts'
import { releaseTemplate } from './template.ts'

/**
 * Ends the connection on line `connection`: its local port and its template are free of it, nothing counts it. The
 * line itself stays taken until `freeLine`. False: somebody else ended it.
 *
 * @apart
 */
export function endConnection(connection: u32, line: Connection, server: Server): boolean {
  if (!unbindLine(line, server)) return false
  let template: u32 = NONE
  if (forwardingOf(line) === Forwarding.fullnat) {
    template = releaseLocalPort(connection, line, server)
  } else if ((line.status & Status.controlled) !== 0) template = u32(line.binding - 1)
  if (template !== NONE) releaseTemplate(template)
  return true
}
