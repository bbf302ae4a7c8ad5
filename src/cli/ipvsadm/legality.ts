/**
 * Which option goes with which command, and what ipvsadm says where one does not (ipvsadm(8)).
 *
 * Options are judged in one fixed order, that of OPTION_NAMES: the first that is missing, illegal or in conflict is
 * the one complained of.
 */
import type { TunnelType } from '../../director/model.ts'

/** Commands as messages call them. The last three are Taobao's, for FULLNAT. */
export type CommandName =
  | 'add-service'
  | 'edit-service'
  | 'delete-service'
  | 'flush'
  | 'list'
  | 'add-server'
  | 'delete-server'
  | 'edit-server'
  | 'set'
  | 'start-daemon'
  | 'stop-daemon'
  | 'restore'
  | 'save'
  | 'zero'
  | 'add-laddr'
  | 'del-laddr'
  | 'get-laddr'

/** Options as messages call them. */
export const OPTION_NAMES = [
  'numeric',
  'connection',
  'service-address',
  'scheduler',
  'persistent',
  'netmask',
  'real-server',
  'forwarding-method',
  'weight',
  'u-threshold',
  'l-threshold',
  'mcast-interface',
  'timeout',
  'daemon',
  'stats',
  'rate',
  'thresholds',
  'persistent-conn',
  'nosort',
  'syncid',
  'exact',
  'ops',
  'pe',
  'sched-flags',
  'mcast-group',
  'mcast-port',
  'mcast-ttl',
  'sync-maxlen',
  'tun-info',
  'tun-type',
  'tun-port',
  'tun-nocsum',
  'tun-csum',
  'tun-remcsum',
  'local-address',
  'json',
  'watch',
  'atomic',
  'extended',
] as const
export type OptionName = (typeof OPTION_NAMES)[number]

interface Legality {
  readonly needed?: readonly OptionName[]
  readonly allowed?: readonly OptionName[]
  /** At most one of these. */
  readonly oneOf?: readonly OptionName[]
}

const ABOUT_SERVICE: Legality = {
  needed: ['service-address'],
  allowed: ['scheduler', 'persistent', 'netmask', 'ops', 'pe', 'sched-flags'],
}
const TUNNEL_FLAGS = ['tun-port', 'tun-nocsum', 'tun-csum', 'tun-remcsum'] as const
const ABOUT_SERVER: Legality = {
  needed: ['service-address', 'real-server'],
  allowed: [
    'forwarding-method',
    'weight',
    'u-threshold',
    'l-threshold',
    'tun-type',
    ...TUNNEL_FLAGS,
  ],
}

const LEGALITY: Readonly<Record<CommandName, Legality>> = {
  'add-service': ABOUT_SERVICE,
  'edit-service': ABOUT_SERVICE,
  'delete-service': { needed: ['service-address'] },
  flush: {},
  list: {
    allowed: [
      'numeric',
      'stats',
      'rate',
      'thresholds',
      'persistent-conn',
      'nosort',
      'syncid',
      'exact',
      'tun-info',
      'json',
      'watch',
    ],
    oneOf: ['connection', 'service-address', 'timeout', 'daemon'],
  },
  'add-server': ABOUT_SERVER,
  'delete-server': { needed: ['service-address', 'real-server'] },
  'edit-server': ABOUT_SERVER,
  set: {},
  'start-daemon': {
    allowed: ['mcast-interface', 'syncid', 'mcast-group', 'mcast-port', 'mcast-ttl', 'sync-maxlen'],
  },
  'stop-daemon': { allowed: ['syncid'] },
  restore: { allowed: ['atomic'] },
  save: { allowed: ['numeric', 'extended'] },
  zero: { allowed: ['service-address'] },
  'add-laddr': { needed: ['service-address', 'local-address'] },
  'del-laddr': { needed: ['service-address', 'local-address'] },
  'get-laddr': { allowed: ['service-address', 'numeric', 'json', 'watch'] },
}

const TUNNEL_LEGALITY: Readonly<Record<TunnelType, Legality>> = {
  ipip: {},
  gue: { needed: ['tun-port'], oneOf: ['tun-nocsum', 'tun-csum', 'tun-remcsum'] },
  gre: { oneOf: ['tun-nocsum', 'tun-csum'] },
}

/** undefined: all is well. */
export function explainIllegalOption(
  command: CommandName,
  options: ReadonlySet<OptionName>,
): string | undefined {
  return explain(LEGALITY[command], OPTION_NAMES, options, `the '${command}' command`)
}

/** May the option be given, to this command, beside these? */
export function isAllowed(
  command: CommandName,
  name: OptionName,
  given: ReadonlySet<OptionName>,
): boolean {
  const { needed, allowed, oneOf } = LEGALITY[command]
  if (given.has(name)) return false
  if (needed?.includes(name) === true || allowed?.includes(name) === true) return true
  return oneOf?.includes(name) === true && !oneOf.some((other) => given.has(other))
}

export function explainIllegalTunnelOption(
  type: TunnelType,
  options: ReadonlySet<OptionName>,
): string | undefined {
  return explain(TUNNEL_LEGALITY[type], TUNNEL_FLAGS, options, `the '${type}' tunnel type`)
}

function explain(
  { needed, allowed, oneOf }: Legality,
  names: readonly OptionName[],
  options: ReadonlySet<OptionName>,
  where: string,
): string | undefined {
  let chosen: OptionName | undefined
  for (const name of names) {
    if (!options.has(name)) {
      if (needed?.includes(name)) return `You need to supply the '${name}' option for ${where}`
    } else if (oneOf?.includes(name)) {
      if (chosen !== undefined) {
        return `The option '${name}' conflicts with the '${chosen}' option in ${where}`
      }
      chosen = name
    } else if (!needed?.includes(name) && !allowed?.includes(name)) {
      return `Illegal '${name}' option with ${where}`
    }
  }
  return undefined
}
