/**
 * What ipvsadm does: a command line in, calls to the director, texts and an exit status out.
 *
 * Statuses are ipvsadm's: 0; 1 for a listing that failed; 2 for wrong usage and where there is no daemon; 255 for a
 * refused change and for what popt cannot read.
 */
import type { CallName } from '../../control/protocol.ts'
import { connectionOf } from '../../control/connection-row.ts'
import { ControlError } from '../../control/control-error.ts'
import type { ConnectionListing, ServiceKey, ServiceListing } from '../../director/model.ts'
import { LIST_ALL, TRY_HELP, type Command, type Listing } from './command.ts'
import { formatRows } from './connection-rows.ts'
import { formatConnections, formatLocals, formatSyncDaemons } from './connections.ts'
import { WrongUsage } from './draft.ts'
import { explainRefusal } from './errors.ts'
import { servicesToJson, toJson } from './json.ts'
import { formatServices, formatVersionLine } from './listing.ts'
import { NUMERIC, type Naming } from './naming.ts'
import { restoreRules } from './restore.ts'
import { restoreTable } from './restore-table.ts'
import { formatRules, formatSurroundings } from './save.ts'
import { NoDaemon, understand, type Caller, type Surroundings } from './surroundings.ts'
import { USAGE_TEXT, VERSION_TEXT } from './usage.ts'
import { watch } from './watch.ts'

/** Ends with the exit status. `words` are without the program's name. */
export async function runIpvsadm(
  words: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  try {
    const command = words.length === 0 ? LIST_ALL : await understand(words, surroundings.names)
    return await runCommand(command, surroundings)
  } catch (error) {
    if (error instanceof NoDaemon) {
      surroundings.complain(`${error.message}\n`)
      return 2
    }
    if (!(error instanceof WrongUsage)) throw error
    surroundings.complain(`${error.message}\n`)
    return error.status
  }
}

/** `isRestoring`: the command is a line of `-R`, which cannot hold another `-R`. */
async function runCommand(
  command: Command,
  surroundings: Surroundings,
  isRestoring = false,
): Promise<number> {
  const { print } = surroundings
  switch (command.kind) {
    case 'help':
      print(USAGE_TEXT)
      return 0
    case 'version':
      print(VERSION_TEXT)
      return 0
    case 'restore':
      if (isRestoring) throw new WrongUsage(255, TRY_HELP)
      if (command.atomic === true) return restoreTable(surroundings)
      return restoreRules(surroundings, (each) => runCommand(each, surroundings, true))
    case 'change':
      return attempt(surroundings, command.call, 255, async (caller) => {
        await caller.call(command.call, command.with)
        return ''
      })
    case 'save':
      return attempt(surroundings, 'service.list', 1, (caller) =>
        save(command, caller, surroundings),
      )
    default: {
      const show = (each: Surroundings) => showListing(command, each)
      const { watchS } = command
      return watchS === undefined ? show(surroundings) : watch(watchS, surroundings, show)
    }
  }
}

/** Once. */
function showListing(command: Listing, surroundings: Surroundings): Promise<number> {
  const isJson = command.json === true
  switch (command.kind) {
    case 'list':
      return attempt(surroundings, 'service.list', 1, (caller) =>
        list(command, caller, surroundings),
      )
    case 'connections':
      return attempt(surroundings, 'connection.list', 1, async (caller) => {
        const { numeric, persistentConnections } = command.format
        if (numeric && !persistentConnections && !isJson) {
          return formatRows(await caller.connectionRows())
        }
        const connections = (await caller.call('connection.list', {})).map(connectionOf)
        if (isJson) return toJson({ connections })
        const naming = await namingFor(numeric, surroundings, () => hostsOf(connections))
        return formatConnections(connections, persistentConnections, naming)
      })
    case 'timeouts':
      return attempt(surroundings, 'timeouts.get', 1, async (caller) => {
        const timeouts = await caller.call('timeouts.get', {})
        if (isJson) return toJson({ timeouts })
        const { tcp, tcpFin, udp } = timeouts
        return `Timeout (tcp tcpfin udp): ${tcp} ${tcpFin} ${udp}\n`
      })
    case 'locals':
      return attempt(surroundings, 'local.list', 1, async (caller) => {
        const services = await caller.call('local.list', optional(command.service))
        return isJson ? toJson({ services }) : formatLocals(services)
      })
    case 'sync':
      return attempt(surroundings, 'sync.list', 1, async (caller) => {
        const daemons = await caller.call('sync.list', {})
        return isJson ? toJson({ daemons }) : formatSyncDaemons(daemons)
      })
  }
}

/** Makes calls and prints what they give, or says why they were refused. */
async function attempt(
  { connect, print, complain }: Surroundings,
  call: CallName,
  statusIfRefused: number,
  make: (caller: Caller) => Promise<string | readonly Buffer[]>,
): Promise<number> {
  const caller = await connect()
  try {
    const made = await make(caller)
    if (typeof made === 'string') print(made)
    else for (const piece of made) print(piece)
    return 0
  } catch (error) {
    if (!(error instanceof ControlError)) throw error
    complain(`${explainRefusal(call, error.errno, error.message)}\n`)
    return statusIfRefused
  }
}

async function list(
  { service, format, json }: Extract<Listing, { kind: 'list' }>,
  caller: Caller,
  surroundings: Surroundings,
): Promise<string> {
  const isAll = service === undefined
  const [services, version] = await Promise.all([
    caller.call('service.list', optional(service)),
    isAll ? caller.call('ipvs.version', {}) : null,
  ])
  if (json === true) return servicesToJson(services, version, format.sorted)
  const naming = await namingFor(format.numeric, surroundings, () => hostsOfServices(services))
  const first =
    version === null ? '' : formatVersionLine(version.version, version.connectionTableSize)
  return first + formatServices(services, format, naming)
}

async function save(
  { numeric, extended }: Extract<Command, { kind: 'save' }>,
  caller: Caller,
  surroundings: Surroundings,
): Promise<string> {
  const [services, locals] = await Promise.all([
    caller.call('service.list', {}),
    caller.call('local.list', {}),
  ])
  const localsOf = new Map(locals.map((each) => [JSON.stringify(each.service), each.locals]))
  const naming = await namingFor(numeric, surroundings, () => hostsOfServices(services))
  const isExtended = extended === true
  const around = isExtended ? await formatSurroundings(caller) : ''
  const find = (key: ServiceKey) => localsOf.get(JSON.stringify(key)) ?? []
  return around + formatRules(services, find, naming, isExtended)
}

function optional(service: ServiceKey | undefined): { service?: ServiceKey } {
  return service === undefined ? {} : { service }
}

function namingFor(
  isNumeric: boolean,
  { names }: Surroundings,
  hosts: () => Iterable<string>,
): Naming | Promise<Naming> {
  return isNumeric ? NUMERIC : names.namingOf(hosts())
}

function* hostsOfServices(services: readonly ServiceListing[]): Generator<string> {
  for (const { key, servers } of services) {
    if ('address' in key) yield key.address
    for (const { address } of servers) yield address
  }
}

function* hostsOf(connections: readonly ConnectionListing[]): Generator<string> {
  for (const { client, virtual, server } of connections) {
    yield client.address
    yield virtual.address
    yield server.address
  }
}
