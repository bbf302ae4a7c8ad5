/**
 * What the daemon answers to each call on the control socket, out of the director and its tables.
 *
 * A change is answered once the engine takes, and leaves, frames accordingly; calls made in one turn of the loop share
 * that step, so that a client which sends many at once is not slowed down by it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { CallTable } from '../control/call-table.ts'
import { ControlError } from '../control/control-error.ts'
import type { Director } from '../director/director.ts'
import { serviceText } from '../director/check.ts'
import { ConnectionRows } from '../director/connection-rows.ts'
import { listService, listServices } from '../director/listing.ts'
import type { Outcome, Refusal, ServiceKey } from '../director/model.ts'
import { RECLAIMS } from '../director/grace.ts'
import { listSysctls, setSysctl } from '../director/sysctls.ts'
import { readTimeouts, writeTimeouts } from '../director/timeouts.ts'
import type { Synchronisation } from './synchronisation.ts'
import { tableCalls } from './table-calls.ts'
import { REST_MS, Turns } from './turns.ts'

const VERSION = '1.2.1'
/** IPVS's default of 2^12 buckets, which ipvsadm prints; scripts look for it. */
const CONNECTION_TABLE_SIZE = 4096

export interface CallSurroundings {
  readonly director: Director
  /** Makes the director's tables the ones in use. */
  use(): void
  /** Tells the engine what changed; resolves when it did. */
  applied(): Promise<void>
  /** A real server was added: its next hop should be resolved. */
  onServerAdded(address: string): void
  /** Pages of memory that the host has left. */
  freePages(): number
  readonly synchronisation: Pick<Synchronisation, 'start' | 'stop' | 'keepBackupOnly'>
}

/** The calls about virtual services. */
export function directorCalls(surroundings: CallSurroundings) {
  const { director, use, applied } = surroundings
  const turns = new Turns()
  const change = async (make: () => Outcome): Promise<null> => {
    while (turns.isBusy) await turns.free()
    use()
    let refusal = make()
    if (refusal?.errno === 'ENOSPC')
      refusal = await turns.hold(() => makeWithRoom(make, director, use))
    if (refusal !== null) throw refused(refusal)
    await applied()
    return null
  }
  const entryOf = (key: ServiceKey) => {
    use()
    const entry = director.find(key)
    if (entry === undefined) {
      throw refused({ errno: 'ESRCH', message: `there is no service ${serviceText(key)}` })
    }
    return entry
  }
  return {
    'ipvs.version': () => ({ version: VERSION, connectionTableSize: CONNECTION_TABLE_SIZE }),
    'service.list': ({ service }) => {
      use()
      if (service !== undefined) return [listService(entryOf(service))]
      return listServices(director.services.values(), use)
    },
    'service.add': ({ service, settings }) => change(() => director.addService(service, settings)),
    'service.edit': ({ service, settings }) =>
      change(() => director.editService(service, settings)),
    'service.delete': ({ service }) => change(() => director.deleteService(service)),
    'server.add': async ({ service, server, settings }) => {
      await change(() => director.addServer(service, server, settings))
      surroundings.onServerAdded(server.address)
      return null
    },
    'server.edit': ({ service, server, settings }) =>
      change(() => director.editServer(service, server, settings)),
    'server.delete': ({ service, server }) => change(() => director.deleteServer(service, server)),
    'local.add': ({ service, address }) =>
      change(() => director.locals.add(entryOf(service), address)),
    'local.delete': ({ service, address }) =>
      change(() => director.locals.remove(entryOf(service), address)),
    'local.list': ({ service }) => {
      use()
      const entries = service === undefined ? [...director.services.values()] : [entryOf(service)]
      return entries
        .filter(({ locals }) => service !== undefined || locals.length > 0)
        .map((entry) => ({ service: entry.key, locals: director.locals.list(entry) }))
    },
    'connection.list': () => new ConnectionRows(use),
    ...tableCalls({ ...surroundings, turns }),
    ...ruleCalls(surroundings, change),
    ...settingCalls(surroundings, change),
  } satisfies Partial<CallTable>
}

/** The calls about firewall marks and IPVS's switches. */
function ruleCalls(
  { director, use, freePages, synchronisation }: CallSurroundings,
  change: (make: () => Outcome) => Promise<null>,
) {
  return {
    'mark.list': () => [...director.marks.rules],
    'mark.set': ({ rules }) => change(() => director.marks.set(rules)),
    'mark.add': ({ rules, at }) => change(() => director.marks.add(rules, at)),
    'mark.delete': ({ rule }) => change(() => director.marks.remove(rule)),
    'sysctl.list': () => {
      use()
      return listSysctls()
    },
    'sysctl.set': ({ name, value }) =>
      change(() => {
        const refusal = setSysctl(name, value)
        if (refusal !== null) return refusal
        director.defence.adjust(freePages())
        director.keepNatServers()
        synchronisation.keepBackupOnly()
        return refusal
      }),
  } satisfies Partial<CallTable>
}

/** The calls about what is no service's own. */
function settingCalls(
  { director, use, synchronisation }: CallSurroundings,
  change: (make: () => Outcome) => Promise<null>,
) {
  return {
    'timeouts.get': () => {
      use()
      return readTimeouts()
    },
    'timeouts.set': (timeouts) => {
      use()
      writeTimeouts(timeouts)
      return null
    },
    'sync.list': () => director.sync.list(),
    'sync.start': (request) => change(() => synchronisation.start(request)),
    'sync.stop': ({ role }) => change(() => synchronisation.stop(role)),
  } satisfies Partial<CallTable>
}

/** Once more, when what was replaced lately is free: many changes at once use up the pool before it is swept. */
async function makeWithRoom(
  make: () => Outcome,
  director: Director,
  use: () => void,
): Promise<Outcome> {
  for (let i = 0; i < RECLAIMS; i++) {
    await sleep(REST_MS)
    use()
    director.reclaim()
  }
  return make()
}

function refused({ errno, message }: Refusal): ControlError {
  return new ControlError(errno, message)
}
