/**
 * ipvsadm's command line understood: words in, a Command out.
 *
 * Nothing is asked of anybody here. A Change is one call of the control socket, complete; so `-R` and offline tools
 * share this file with the command itself.
 */
import type { Calls } from '../../control/protocol.ts'
import type { ServerSettings, ServiceKey, ServiceSettings, SyncRole } from '../../director/model.ts'
import type { Names } from './address.ts'
import { applyOption, Draft, readTimeout, UnreadableOption, WrongUsage } from './draft.ts'
import {
  explainIllegalOption,
  explainIllegalTunnelOption,
  type CommandName,
  type OptionName,
} from './legality.ts'
import {
  isCommandWord,
  OptionReader,
  type CommandWord,
  type FoundOption,
  type WrongOption,
} from './options.ts'
import { parseSchedulerFlags } from './scheduler-flags.ts'

/** The calls that change something. */
export type ChangeName =
  | 'service.add'
  | 'service.edit'
  | 'service.delete'
  | 'service.flush'
  | 'service.zero'
  | 'server.add'
  | 'server.edit'
  | 'server.delete'
  | 'local.add'
  | 'local.delete'
  | 'timeouts.set'
  | 'mark.add'
  | 'mark.set'
  | 'sysctl.set'
  | 'sync.start'
  | 'sync.stop'

export type Change = {
  [N in ChangeName]: { readonly kind: 'change'; readonly call: N; readonly with: Calls[N]['with'] }
}[ChangeName]

/** How a listing looks. The first of stats, rate, thresholds and persistentConnections that is set decides. */
export interface ListFormat {
  readonly numeric: boolean
  readonly stats: boolean
  readonly rate: boolean
  readonly thresholds: boolean
  readonly persistentConnections: boolean
  readonly tunnelInfo: boolean
  readonly exact: boolean
  readonly sorted: boolean
}

/** Asked for beyond ipvsadm: as JSON; again after so many seconds. */
export interface ListExtras {
  readonly json?: true
  readonly watchS?: number
}

export type Listing = ListExtras &
  (
    | { readonly kind: 'list'; readonly service?: ServiceKey; readonly format: ListFormat }
    | { readonly kind: 'connections'; readonly format: ListFormat }
    | { readonly kind: 'timeouts' }
    | { readonly kind: 'locals'; readonly service?: ServiceKey }
    | { readonly kind: 'sync' }
  )

export type Command =
  | Change
  | Listing
  | { readonly kind: 'help' | 'version' }
  | { readonly kind: 'restore'; readonly atomic?: true }
  | { readonly kind: 'save'; readonly numeric: boolean; readonly extended?: true }

/** What `ipvsadm` alone does. */
export const LIST_ALL: Command = { kind: 'list', format: formatOf(new Set()) }

export const TRY_HELP = "Try `ipvsadm -h' or 'ipvsadm --help' for more information."

/** Commands by what begins the command line. */
export const COMMAND_NAMES: Readonly<
  Record<Exclude<CommandWord, 'help' | 'version'>, CommandName>
> = {
  'add-service': 'add-service',
  'edit-service': 'edit-service',
  'delete-service': 'delete-service',
  clear: 'flush',
  restore: 'restore',
  save: 'save',
  'add-server': 'add-server',
  'edit-server': 'edit-server',
  'delete-server': 'delete-server',
  list: 'list',
  zero: 'zero',
  set: 'set',
  'start-daemon': 'start-daemon',
  'stop-daemon': 'stop-daemon',
  'add-laddr': 'add-laddr',
  'del-laddr': 'del-laddr',
  'get-laddr': 'get-laddr',
}

/** `words` are without the program's name, and at least one. Throws WrongUsage, UnresolvedHost. */
export function parseCommand(words: readonly string[], names: Names): Command {
  const reader = new OptionReader(words)
  const first = reader.next()
  if (first === undefined || 'wrong' in first || !isCommandWord(first.long)) {
    throw new WrongUsage(255, TRY_HELP, 0)
  }
  if (first.long === 'help' || first.long === 'version') return { kind: first.long }
  const name = COMMAND_NAMES[first.long]
  const role = readSyncRole(name, first.argument)
  if (name === 'add-server' || name === 'edit-server') reader.allowFullnat()

  const draft = new Draft()
  for (let found = reader.next(); found !== undefined; found = reader.next()) {
    takeOption(draft, found, names, reader.wordIndex)
  }
  const timeouts = name === 'set' ? readTimeouts(reader.rest) : undefined
  if (reader.rest.length > 0) throw new WrongUsage(2, `unexpected argument ${reader.rest[0]}`)
  const flags = parseSchedulerFlags(draft.scheduler, draft.schedulerFlags)
  if (typeof flags === 'string') throw new WrongUsage(2, flags)
  complain(explainIllegalOption(name, draft.options))
  if (timeouts !== undefined) return change('timeouts.set', timeouts)
  if (role === null) return build(name, draft, flags)
  if (name === 'stop-daemon') return change('sync.stop', { role })
  return change('sync.start', { role, ...draft.sync })
}

function takeOption(
  draft: Draft,
  found: FoundOption | WrongOption,
  names: Names,
  wordIndex: number,
): void {
  if ('wrong' in found) {
    throw new UnreadableOption(255, `${found.word}: ${found.wrong}`, wordIndex)
  }
  if (isCommandWord(found.long)) {
    throw new WrongUsage(2, `invalid option \`${found.word}'`, wordIndex)
  }
  try {
    applyOption(draft, found.long, found.argument, names)
  } catch (error) {
    if (error instanceof WrongUsage) error.wordIndex = wordIndex
    throw error
  }
}

function complain(text: string | undefined): void {
  if (text !== undefined) throw new WrongUsage(2, text)
}

/** null: the command is not about a synchronisation daemon. */
function readSyncRole(name: CommandName, argument: string | null): SyncRole | null {
  if (argument === null || argument === 'master' || argument === 'backup') return argument
  throw new WrongUsage(
    2,
    name === 'start-daemon'
      ? 'illegal start-daemon parameter specified'
      : 'illegal start_daemon specified',
  )
}

/** Takes the three values off `rest`. */
function readTimeouts(rest: string[]): Calls['timeouts.set']['with'] {
  if (rest.length < 3) throw new WrongUsage(2, '--set option requires 3 timeout values')
  const [tcp, tcpFin, udp] = rest.splice(0, 3).map((text) => readTimeout(text, 0))
  return { tcp: tcp!, tcpFin: tcpFin!, udp: udp! }
}

function change<N extends ChangeName>(call: N, parameters: Calls[N]['with']): Change {
  return { kind: 'change', call, with: parameters } as Change
}

function build(name: CommandName, draft: Draft, flags: number): Command {
  switch (name) {
    case 'add-service':
    case 'edit-service':
      return change(name === 'add-service' ? 'service.add' : 'service.edit', {
        service: serviceOf(draft),
        settings: serviceSettingsOf(draft, flags),
      })
    case 'delete-service':
      return change('service.delete', { service: serviceOf(draft) })
    case 'flush':
      return change('service.flush', {})
    case 'zero':
      return change('service.zero', optionalServiceOf(draft))
    case 'add-server':
    case 'edit-server': {
      const settings = serverSettingsOf(draft)
      const parameters = { service: serviceOf(draft), server: serverOf(draft), settings }
      return change(name === 'add-server' ? 'server.add' : 'server.edit', parameters)
    }
    case 'delete-server':
      return change('server.delete', { service: serviceOf(draft), server: draft.server })
    case 'add-laddr':
    case 'del-laddr':
      return change(name === 'add-laddr' ? 'local.add' : 'local.delete', {
        service: serviceOf(draft),
        address: draft.local,
      })
    case 'get-laddr':
      return { kind: 'locals', ...optionalServiceOf(draft), ...extrasOf(draft) }
    case 'save': {
      const extended = draft.options.has('extended') ? ({ extended: true } as const) : {}
      return { kind: 'save', numeric: draft.options.has('numeric'), ...extended }
    }
    case 'restore':
      return { kind: 'restore', ...(draft.options.has('atomic') ? { atomic: true } : {}) }
    default:
      return buildList(draft)
  }
}

function buildList(draft: Draft): Command {
  const { options } = draft
  const hasAny = (...names: OptionName[]) => names.some((name) => options.has(name))
  const isConflict =
    (hasAny('connection', 'timeout', 'daemon') && hasAny('stats', 'rate', 'thresholds')) ||
    (hasAny('timeout', 'daemon') && hasAny('persistent-conn'))
  if (isConflict) throw new WrongUsage(2, 'options conflicts in the list command')
  const format = formatOf(options)
  const extras = extrasOf(draft)
  if (options.has('connection')) return { kind: 'connections', format, ...extras }
  if (options.has('timeout')) return { kind: 'timeouts', ...extras }
  if (options.has('daemon')) return { kind: 'sync', ...extras }
  return { kind: 'list', ...optionalServiceOf(draft), format, ...extras }
}

function extrasOf({ options, watchS }: Draft): ListExtras {
  const json = options.has('json') ? ({ json: true } as const) : {}
  return watchS === 0 ? json : { ...json, watchS }
}

function formatOf(options: ReadonlySet<OptionName>): ListFormat {
  return {
    numeric: options.has('numeric'),
    stats: options.has('stats'),
    rate: options.has('rate'),
    thresholds: options.has('thresholds'),
    persistentConnections: options.has('persistent-conn'),
    tunnelInfo: options.has('tun-info'),
    exact: options.has('exact'),
    sorted: !options.has('nosort'),
  }
}

function serviceOf(draft: Draft): ServiceKey {
  const { firewallMark, family, protocol, address, port, lastPort = port } = draft
  if (firewallMark > 0) return { firewallMark, family: family ?? 4 }
  return lastPort > port ? { protocol, address, port, lastPort } : { protocol, address, port }
}

function optionalServiceOf(draft: Draft): { service?: ServiceKey } {
  return draft.options.has('service-address') ? { service: serviceOf(draft) } : {}
}

function serviceSettingsOf(draft: Draft, schedulerFlags: number): ServiceSettings {
  const { firewallMark, persistenceTimeoutS, netmask, onePacket, engine } = draft
  if (firewallMark === 0 && draft.port === 0 && persistenceTimeoutS === 0) {
    throw new WrongUsage(2, 'Zero port specified for non-persistent service')
  }
  if (onePacket && firewallMark === 0 && draft.protocol !== 'udp') {
    throw new WrongUsage(2, 'One-Packet Scheduling is only for UDP virtual services')
  }
  return {
    scheduler: draft.scheduler === '' ? 'wlc' : draft.scheduler,
    schedulerFlags,
    persistenceTimeoutS,
    netmask,
    onePacket,
    persistenceEngine: engine === '' ? null : engine,
  }
}

/** Direct routing and tunnels do not change ports: the server's is that of the service, whatever was said. */
function serverOf({ server, forwarding, firewallMark, port }: Draft): Draft['server'] {
  const isPortKept = forwarding === 'direct' || forwarding === 'tunnel'
  return firewallMark === 0 && isPortKept ? { address: server.address, port } : server
}

const TUNNEL_OPTIONS = ['tun-type', 'tun-port', 'tun-nocsum', 'tun-csum', 'tun-remcsum'] as const

function serverSettingsOf(draft: Draft): ServerSettings {
  const { forwarding, weight, upperThreshold, lowerThreshold } = draft
  const isTunnel = forwarding === 'tunnel'
  const serverFamily = draft.server.address.includes(':') ? 6 : 4
  if (serverFamily !== draft.family && !isTunnel) {
    throw new WrongUsage(2, 'Different address family is allowed only for tunneling servers')
  }
  if (!isTunnel && TUNNEL_OPTIONS.some((name) => draft.options.has(name))) {
    throw new WrongUsage(2, 'Tunnel options conflict with forward method')
  }
  complain(explainIllegalTunnelOption(draft.tunnelType, draft.options))
  const tunnel = {
    type: draft.tunnelType,
    port: draft.tunnelPort,
    checksum: draft.tunnelChecksum,
  }
  return { forwarding, weight, upperThreshold, lowerThreshold, tunnel }
}
