/**
 * What ipvsadm's options say, gathered one after the other: each checks its own value the moment it is met.
 *
 * The order of options matters, as it does to ipvsadm: a netmask means what the service before it makes of it, `-r`
 * without a port takes that of the service so far, `-6` needs `-f` before it.
 */
import { parseIp } from '../../base/ip.ts'
import type {
  ForwardingMethod,
  IpFamily,
  ServiceProtocol,
  SyncRequest,
  TunnelChecksum,
  TunnelType,
} from '../../director/model.ts'
import {
  addressToWord,
  parseEndpoint,
  parseHost,
  parseServiceAddress,
  type Names,
} from './address.ts'
import type { OptionName } from './legality.ts'
import { parseLeadingNumber, parseNumber } from './number.ts'
import type { OptionWord } from './options.ts'

const INT_MAX = 0x7fffffff
const TIMEOUT_MAX_S = 31 * 24 * 3600
const PERSISTENCE_DEFAULT_S = 360
const SYNC_INTERFACE_DEFAULT = 'eth0'
/** As often as rates are reckoned; and what a terminal can show. */
const WATCH_DEFAULT_S = 2
const WATCH_MIN_S = 0.1
/** Room for names in the kernel's structures, less their NUL. */
const SCHEDULER_NAME_MAX = 15
const INTERFACE_NAME_MAX = 15
const ENGINE_NAME_MAX = 16

/** The command line is wrong: `message` goes to stderr, and the program ends with `status`. */
export class WrongUsage extends Error {
  readonly status: number
  /** Which word of the command line is wrong, where it is one word. */
  wordIndex: number | undefined

  constructor(status: number, message: string, wordIndex?: number) {
    super(message)
    this.name = 'WrongUsage'
    this.wordIndex = wordIndex
    this.status = status
  }
}

/** An option that popt cannot read. In `-R` it spoils its line only; anything else wrong ends the program. */
export class UnreadableOption extends WrongUsage {}

export class Draft {
  readonly options = new Set<OptionName>()
  protocol: ServiceProtocol = 'tcp'
  /** undefined: no `-t` and the like, or no `-f`, so far. */
  family: IpFamily | undefined
  address = ''
  port = 0
  /** Of a range. */
  lastPort: number | undefined
  firewallMark = 0
  scheduler = ''
  schedulerFlags = ''
  persistenceTimeoutS = 0
  netmask = 0xffffffff
  onePacket = false
  engine = ''
  server = { address: '', port: 0 }
  local = ''
  forwarding: ForwardingMethod = 'direct'
  weight = 1
  upperThreshold = 0
  lowerThreshold = 0
  /** 0: list once. */
  watchS = 0
  tunnelType: TunnelType = 'ipip'
  tunnelPort = 0
  tunnelChecksum: TunnelChecksum = 'none'
  /** Of the synchronisation daemon. */
  sync: Omit<SyncRequest, 'role'> = {
    interface: SYNC_INTERFACE_DEFAULT,
    syncId: 0,
    maxLength: 0,
    group: null,
    port: 0,
    ttl: 0,
  }

  /** Notes that an option of this name was given; only once. */
  mark(name: OptionName): void {
    if (this.options.has(name)) throw new WrongUsage(2, `multiple '${name}' options specified`)
    this.options.add(name)
  }
}

type Apply = (draft: Draft, argument: string, names: Names) => void

/** Takes an option in. `argument` is null where an optional one is absent. Throws WrongUsage, UnresolvedHost. */
export function applyOption(
  draft: Draft,
  option: OptionWord,
  argument: string | null,
  names: Names,
): void {
  if (option === 'persistent') setPersistence(draft, argument)
  else if (option === 'watch') setWatch(draft, argument)
  else if (option === 'sched-flags' && argument === null) setForwarding(draft, 'fullnat')
  else APPLY[option](draft, argument ?? '', names)
}

/** Seconds, as `-p` and `--set` take them. */
export function readTimeout(text: string, minS: number): number {
  const seconds = parseNumber(text, minS, TIMEOUT_MAX_S)
  if (seconds === undefined) {
    throw new WrongUsage(2, `invalid timeout value \`${text}' specified`)
  }
  return seconds
}

function setPersistence(draft: Draft, argument: string | null): void {
  draft.mark('persistent')
  draft.persistenceTimeoutS = argument === null ? PERSISTENCE_DEFAULT_S : readTimeout(argument, 1)
}

/** Seconds, which need not be whole. */
function setWatch(draft: Draft, argument: string | null): void {
  draft.mark('watch')
  const seconds = argument === null ? WATCH_DEFAULT_S : Number(argument)
  if (!(seconds >= WATCH_MIN_S && seconds <= TIMEOUT_MAX_S)) {
    throw new WrongUsage(2, `invalid watch interval \`${argument}' specified`)
  }
  draft.watchS = seconds
}

function setForwarding(draft: Draft, forwarding: ForwardingMethod): void {
  draft.mark('forwarding-method')
  draft.forwarding = forwarding
}

function setService(protocol: ServiceProtocol): Apply {
  return (draft, argument, names) => {
    draft.mark('service-address')
    draft.protocol = protocol
    const endpoint = parseServiceAddress(argument, protocol, names)
    if (endpoint === undefined) {
      throw new WrongUsage(2, 'illegal virtual server address[:port] specified')
    }
    draft.address = endpoint.address
    draft.port = endpoint.port ?? 0
    draft.lastPort = endpoint.lastPort
    draft.family = endpoint.address.includes(':') ? 6 : 4
    if (draft.family === 6) draft.netmask = 128
  }
}

function setFirewallMark(draft: Draft, argument: string): void {
  draft.mark('service-address')
  const mark = parseNumber(argument, 1, 0xffffffff)
  if (mark === undefined) throw new WrongUsage(2, `invalid fwmark value \`${argument}' specified`)
  draft.firewallMark = mark
  draft.family = 4
}

function setIpv6(draft: Draft): void {
  if (draft.firewallMark === 0) throw new WrongUsage(2, '-6 used before -f\n')
  draft.family = 6
  draft.netmask = 128
}

/** An IPv4 mask may be a host's name, as anything that is an address. */
function setNetmask(draft: Draft, argument: string, names: Names): void {
  draft.mark('netmask')
  if (draft.family === 6) {
    draft.netmask = parseLeadingNumber(argument)
    if (draft.netmask < 1 || draft.netmask > 128) {
      throw new WrongUsage(2, 'illegal ipv6 netmask specified')
    }
    return
  }
  const mask = parseHost(argument, names)
  if (mask === undefined) {
    throw new WrongUsage(2, 'illegal virtual server persistent mask specified')
  }
  draft.netmask = addressToWord(mask)
}

function setServer(draft: Draft, argument: string, names: Names): void {
  draft.mark('real-server')
  const endpoint = parseEndpoint(argument, draft.protocol, names)
  if (endpoint === undefined)
    throw new WrongUsage(2, 'illegal real server address[:port] specified')
  draft.server = { address: endpoint.address, port: endpoint.port ?? draft.port }
}

function setLocal(draft: Draft, argument: string, names: Names): void {
  draft.mark('local-address')
  const endpoint = parseEndpoint(argument, draft.protocol, names)
  if (endpoint === undefined) throw new WrongUsage(2, 'illegal local address')
  draft.local = endpoint.address
}

const TUNNEL_TYPES: readonly string[] = ['ipip', 'gue', 'gre'] satisfies TunnelType[]

function setTunnelType(draft: Draft, argument: string): void {
  draft.mark('tun-type')
  if (!TUNNEL_TYPES.includes(argument)) throw new WrongUsage(2, 'illegal tunnel type specified')
  draft.tunnelType = argument as TunnelType
}

function setTunnelChecksum(name: OptionName, checksum: TunnelChecksum): Apply {
  return (draft) => {
    draft.mark(name)
    draft.tunnelChecksum = checksum
  }
}

function setMulticastGroup(draft: Draft, argument: string): void {
  draft.mark('mcast-group')
  const group = parseIp(argument)
  const family = argument.includes(':') ? 6 : 4
  const isMulticast =
    family === 6 ? group?.startsWith('ff') : Number(group?.split('.')[0]) >>> 4 === 0xe
  if (isMulticast !== true) {
    throw new WrongUsage(2, `invalid IPv${family} mcast-group \`${argument}'`)
  }
  draft.sync = { ...draft.sync, group: group! }
}

/** None at all is the default one. */
function setMulticastInterface(draft: Draft, argument: string): void {
  draft.mark('mcast-interface')
  const name = argument === '' ? SYNC_INTERFACE_DEFAULT : argument
  draft.sync = { ...draft.sync, interface: name.slice(0, INTERFACE_NAME_MAX) }
}

function setSyncNumber(
  name: 'mcast-port' | 'mcast-ttl' | 'syncid' | 'sync-maxlen',
  range: readonly [number, number],
  field: 'port' | 'ttl' | 'syncId' | 'maxLength',
): Apply {
  return setNumber(name, range, name, (draft, value) => {
    draft.sync = { ...draft.sync, [field]: value }
  })
}

/** A number in a range, kept by `keep`. */
function setNumber(
  name: OptionName,
  [min, max]: readonly [number, number],
  what: string,
  keep: (draft: Draft, value: number) => void,
): Apply {
  return (draft, argument) => {
    draft.mark(name)
    const value = parseNumber(argument, min, max)
    if (value === undefined) throw new WrongUsage(2, `illegal ${what} specified`)
    keep(draft, value)
  }
}

function mark(name: OptionName): Apply {
  return (draft) => draft.mark(name)
}

const APPLY: Readonly<Record<Exclude<OptionWord, 'persistent' | 'watch'>, Apply>> = {
  'tcp-service': setService('tcp'),
  'udp-service': setService('udp'),
  'sctp-service': setService('sctp'),
  'fwmark-service': setFirewallMark,
  ipv6: setIpv6,
  scheduler: (draft, argument) => {
    draft.mark('scheduler')
    draft.scheduler = argument.slice(0, SCHEDULER_NAME_MAX)
  },
  'sched-flags': (draft, argument) => {
    draft.mark('sched-flags')
    draft.schedulerFlags = argument
  },
  netmask: setNetmask,
  pe: (draft, argument) => {
    draft.mark('pe')
    draft.engine = argument.slice(0, ENGINE_NAME_MAX)
  },
  ops: (draft) => {
    draft.mark('ops')
    draft.onePacket = true
  },
  'real-server': setServer,
  'local-address': setLocal,
  json: mark('json'),
  atomic: mark('atomic'),
  extended: mark('extended'),
  masquerading: (draft) => setForwarding(draft, 'masquerade'),
  ipip: (draft) => setForwarding(draft, 'tunnel'),
  gatewaying: (draft) => setForwarding(draft, 'direct'),
  weight: setNumber('weight', [0, INT_MAX], 'weight', (draft, value) => {
    draft.weight = value
  }),
  'u-threshold': setNumber('u-threshold', [0, INT_MAX], 'u_threshold', (draft, value) => {
    draft.upperThreshold = value
  }),
  'l-threshold': setNumber('l-threshold', [0, INT_MAX], 'l_threshold', (draft, value) => {
    draft.lowerThreshold = value
  }),
  'tun-type': setTunnelType,
  'tun-port': setNumber('tun-port', [1, 65535], 'tunnel port', (draft, value) => {
    draft.tunnelPort = value
  }),
  'tun-nocsum': setTunnelChecksum('tun-nocsum', 'none'),
  'tun-csum': setTunnelChecksum('tun-csum', 'checksum'),
  'tun-remcsum': setTunnelChecksum('tun-remcsum', 'remote-checksum'),
  numeric: mark('numeric'),
  connection: mark('connection'),
  timeout: mark('timeout'),
  daemon: mark('daemon'),
  stats: mark('stats'),
  rate: mark('rate'),
  thresholds: mark('thresholds'),
  'persistent-conn': mark('persistent-conn'),
  nosort: mark('nosort'),
  sort: () => {},
  exact: mark('exact'),
  'tun-info': mark('tun-info'),
  'mcast-interface': setMulticastInterface,
  'mcast-group': setMulticastGroup,
  'mcast-port': setSyncNumber('mcast-port', [1, 65535], 'port'),
  'mcast-ttl': setSyncNumber('mcast-ttl', [1, 255], 'ttl'),
  syncid: setSyncNumber('syncid', [0, 255], 'syncId'),
  'sync-maxlen': setSyncNumber('sync-maxlen', [1, 65535 - 20 - 8], 'maxLength'),
}
