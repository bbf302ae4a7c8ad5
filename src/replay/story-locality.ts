/**
 * What lblc and lblcr remember of a destination, for an explanation. The tables in use must be those from before the
 * trial.
 */
import { ipToWords } from '../base/ip.ts'
import type { ExplainedStep } from '../control/protocol.ts'
import { clearFlow, Flow } from '../dataplane/flow.ts'
import { findLocality } from '../dataplane/locality.ts'
import { localities, localityMembers, NONE, services } from '../dataplane/tables.ts'
import { now, TICKS_PER_SECOND } from '../subset/clock.ts'
import { nameServer } from './name.ts'

/** Nothing, for a service that remembers no destinations. `row` is the service's. */
export function tellLocality(row: number, address: string, port: number): ExplainedStep[] {
  const service = services.row(row)
  if (service.localityKey === 0) return []
  const flow = Flow.local()
  clearFlow(flow)
  const words = ipToWords(address)
  ;[flow.destination0, flow.destination1, flow.destination2, flow.destination3] = words
  const index = findLocality(service, flow)
  const step = 'locality'
  if (index === NONE) return [{ step, text: `no server has had ${address} yet` }]
  const { server, used } = localities.row(index)
  const age = Math.floor(((now() - used) >>> 0) / TICKS_PER_SECOND)
  const names = (server === NONE ? membersOf(index) : [server]).map((each) =>
    nameServer(each, port),
  )
  const who = names.length === 0 ? 'no server any more' : names.join(', ')
  return [{ step, text: `${address} is with ${who}; it was asked for ${age} s ago` }]
}

/** Rows of the servers in a set, the one that joined last first. */
function membersOf(index: number): number[] {
  const rows: number[] = []
  for (let next = localities.row(index).first; next !== 0;) {
    const member = localityMembers.row(next - 1)
    if (member.server !== NONE) rows.push(member.server)
    next = member.next
  }
  return rows
}
