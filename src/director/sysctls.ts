/**
 * The switches of IPVS, under the names they have below net.ipv4.vs (Documentation/networking/ipvs-sysctl.rst).
 *
 * Their values stand in `tables.sysctls`, each in a row of its own, so that they outlive a daemon; what the packet path
 * needs of them is written into `tables.settings`. What can mean nothing here has no value and says why.
 */
import { Switch } from '../dataplane/switch.ts'
import * as tables from '../dataplane/tables.ts'
import { LOCALITY_TIMEOUT_S, TimeoutRow } from '../dataplane/timeout.ts'
import { refuse } from './check.ts'
import type { Refusal, SysctlListing } from './model.ts'
import { setTimeoutS } from './timeouts.ts'

interface Applying {
  /** In `tables.sysctls`: never to be given to another. */
  readonly row: number
  readonly default: number
  readonly max: number
  readonly min?: number
  readonly isPowerOfTwo?: true
  readonly what: string
}
interface Idle {
  readonly what: string
  readonly why: string
}

const NO_NETFILTER = 'the packet path stands before netfilter and connection tracking'
const NO_THREADS = 'rates are reckoned by the daemon itself, not by kernel threads'

const onOff = (row: number, byDefault: number, what: string): Applying => ({
  row,
  default: byDefault,
  max: 1,
  what,
})
const mode = (row: number, what: string): Applying => ({ row, default: 0, max: 3, what })
const MODES = '0 never, 1 when memory is short, 2 is memory short now, 3 always'
const INT_MAX = 0x7fffffff
const SYNC_PORTS_MAX = 64

const APPLYING = {
  am_droprate: {
    row: 0,
    default: 10,
    min: 1,
    max: INT_MAX,
    what: 'with drop_packet=3: of so many new connections one is dropped',
  },
  amemthresh: {
    row: 1,
    default: 1024,
    max: INT_MAX,
    what: 'pages of free memory, below which memory is short',
  },
  backup_only: onOff(26, 0, 'while a backup daemon runs alone, packets are left to the host'),
  cache_bypass: onOff(
    2,
    0,
    'a firewall mark without a usable server: packets go on to where they were sent',
  ),
  conn_reuse_mode: {
    row: 3,
    default: 1,
    max: 3,
    what: 'a SYN opens an ended connection anew: 0 never, 1 in TIME_WAIT and CLOSE, 2 in FIN_WAIT past us, too',
  },
  drop_entry: mode(4, `half-open connections are dropped, some a second: ${MODES}`),
  drop_packet: mode(5, `new connections are dropped, one of am_droprate or so: ${MODES}`),
  expire_nodest_conn: onOff(6, 0, 'connections of a removed server end at once'),
  expire_quiescent_template: onOff(7, 0, 'a server of weight 0 keeps no client by persistence'),
  lblc_expiration: {
    row: 8,
    default: LOCALITY_TIMEOUT_S,
    max: INT_MAX,
    what: 'seconds after which lblc forgets a destination that nobody asked for',
  },
  lblcr_expiration: {
    row: 9,
    default: LOCALITY_TIMEOUT_S,
    max: INT_MAX,
    what: 'the same for lblcr, and for taking a server out of a set',
  },
  nat_icmp_send: onOff(
    10,
    0,
    'a NAT server that answers to no connection is told so: port unreachable',
  ),
  pmtu_disc: onOff(11, 1, 'the outer header of a tunnel has DF if the inner one has'),
  run_estimation: onOff(12, 1, '0: counters and rates of listings stand still'),
  schedule_icmp: onOff(13, 0, 'an ICMP error about no connection may open one'),
  secure_tcp: mode(14, `a connection is active only when both sides were heard: ${MODES}`),
  sloppy_sctp: onOff(15, 0, 'any chunk but ABORT opens a connection, not INIT alone'),
  sloppy_tcp: onOff(16, 0, 'any segment but RST opens a connection, not SYN alone'),
  sync_persist_mode: onOff(
    17,
    0,
    'a master tells of templates alone, not of connections they control',
  ),
  sync_period: {
    row: 18,
    default: 50,
    max: INT_MAX,
    what: 'the second number of sync_threshold: 0 and no sync_refresh_period, and nothing is told again',
  },
  sync_ports: {
    row: 19,
    default: 1,
    min: 1,
    max: SYNC_PORTS_MAX,
    isPowerOfTwo: true,
    what: 'UDP ports that messages are spread over, from the next start of a first daemon on',
  },
  sync_qlen_max: {
    row: 20,
    default: 1024,
    max: INT_MAX,
    what: 'messages that may wait for the network: meanwhile a master looks for no more',
  },
  sync_refresh_period: {
    row: 21,
    default: 0,
    max: 2_678_400,
    what: 'seconds that the end of a connection must have moved on to be told again; 0: ten or so',
  },
  sync_retries: {
    row: 22,
    default: 0,
    max: 3,
    what: 'with sync_refresh_period: how often it is told again before that, an eighth of it apart',
  },
  sync_sock_size: {
    row: 23,
    default: 0,
    max: INT_MAX,
    what: "bytes of a daemon's socket buffer, from its next start on; 0: as usual",
  },
  sync_threshold: {
    row: 24,
    default: 3,
    max: INT_MAX,
    what: 'packets before UDP is told of: 0 and 1 at once, else when there were some twice a second apart',
  },
  sync_version: onOff(25, 1, 'of the messages that a master sends: 0 knows IPv4 alone'),
} as const satisfies Readonly<Record<string, Applying>>

export type SysctlName = keyof typeof APPLYING

const IDLE: Readonly<Record<string, Idle>> = {
  conntrack: { what: 'keeps netfilter entries for connections', why: NO_NETFILTER },
  est_cpulist: { what: 'CPUs of the estimation threads', why: NO_THREADS },
  est_nice: { what: 'priority of the estimation threads', why: NO_THREADS },
  ignore_tunneled: {
    what: 'leaves out what came out of a tunnel',
    why: 'packets are seen as they arrive, before a tunnel of this host is opened',
  },
  snat_reroute: {
    what: 'routes answers again by their new source',
    why: 'answers are always routed by where they go',
  },
}

/** Whether a value switches a bit of `settings.switches` on. */
const SWITCHES: readonly (readonly [SysctlName, number, (value: number) => boolean])[] = [
  ['expire_nodest_conn', Switch.expireNoDestination, isSet],
  ['conn_reuse_mode', Switch.reuse, isSet],
  ['conn_reuse_mode', Switch.reuseFinWait, (value) => (value & 2) !== 0],
  ['sloppy_tcp', Switch.sloppyTcp, isSet],
  ['sloppy_sctp', Switch.sloppySctp, isSet],
  ['pmtu_disc', Switch.pathMtuDiscovery, isSet],
  ['expire_quiescent_template', Switch.expireQuiescentTemplate, isSet],
  ['schedule_icmp', Switch.scheduleIcmp, isSet],
  ['nat_icmp_send', Switch.natIcmpSend, isSet],
  ['cache_bypass', Switch.cacheBypass, isSet],
]

function isSet(value: number): boolean {
  return value !== 0
}

function isApplying(name: string): name is SysctlName {
  return Object.hasOwn(APPLYING, name)
}

/** A value of the tables in use. */
export function sysctl(name: SysctlName): number {
  return tables.sysctls.row(APPLYING[name].row).value
}

/** Gives each its default, in tables that are all zero. */
export function initSysctls(): void {
  for (const name of Object.keys(APPLYING) as SysctlName[]) {
    tables.sysctls.row(APPLYING[name].row).value = APPLYING[name].default
  }
  applySysctls()
}

/** Sets one, named with or without 'net.ipv4.vs.' in front. */
export function setSysctl(asked: string, value: number): Refusal | null {
  const name = shortName(asked)
  const idle = Object.hasOwn(IDLE, name) ? IDLE[name] : undefined
  if (idle !== undefined) {
    return refuse('EOPNOTSUPP', `${name} (${idle.what}) cannot be set: ${idle.why}`)
  }
  if (!isApplying(name)) return refuse('ENOENT', `there is no switch called "${name}"`)
  const { min = 0, max, isPowerOfTwo }: Applying = APPLYING[name]
  if (!Number.isInteger(value) || value < min || value > max) {
    return refuse('EINVAL', `${name} is a number from ${min} to ${max}, not ${value}`)
  }
  if (isPowerOfTwo === true && (value & (value - 1)) !== 0) {
    return refuse('EINVAL', `${name} is a power of two, not ${value}`)
  }
  tables.sysctls.row(APPLYING[name].row).value = value
  applySysctls()
  return null
}

export function shortName(name: string): string {
  return name.replace(/^(net\.ipv4\.vs\.|net\/ipv4\/vs\/)/, '')
}

/** What the packet path knows of the values, but for those that depend on memory: see defence.ts. */
export function applySysctls(): void {
  const settings = tables.settings.row(0)
  for (const [name, bit, isOn] of SWITCHES) {
    settings.switches = isOn(sysctl(name)) ? settings.switches | bit : settings.switches & ~bit
  }
  setTimeoutS(TimeoutRow.lblc, sysctl('lblc_expiration'))
  setTimeoutS(TimeoutRow.lblcr, sysctl('lblcr_expiration'))
}

/** All there are, in the order of their names. */
export function listSysctls(): SysctlListing[] {
  const applying = Object.entries(APPLYING).map(([name, { default: byDefault, what }]) => ({
    name,
    value: sysctl(name as SysctlName),
    default: byDefault,
    what,
    why: null,
  }))
  const idle = Object.entries(IDLE).map(([name, { what, why }]) => ({
    name,
    value: null,
    default: null,
    what,
    why,
  }))
  return [...applying, ...idle].sort((a, b) => (a.name < b.name ? -1 : 1))
}
