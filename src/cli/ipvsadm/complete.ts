/**
 * What a shell may offer for the word of an `ipvsadm` command line that is being typed.
 *
 * Options are those that go with the command and what is there already; services and servers are those of the daemon,
 * if one answers and has not too many.
 */
import type { ServiceKey } from '../../director/model.ts'
import { NO_NAMES, parseServiceAddress } from './address.ts'
import { COMMAND_NAMES } from './command.ts'
import { isAllowed, OPTION_NAMES, type OptionName } from './legality.ts'
import {
  COMMANDS,
  isCommandWord,
  OptionReader,
  OPTIONS,
  type FoundOption,
  type OptionSpec,
  type OptionWord,
} from './options.ts'
import { formatEndpoint, NUMERIC } from './naming.ts'
import type { Caller } from './surroundings.ts'

/** Services beyond which nobody wants them listed at a key stroke. */
const SERVICES_MAX = 1000

const SELECTORS = ['tcp-service', 'udp-service', 'sctp-service', 'fwmark-service'] as const
type Selector = (typeof SELECTORS)[number]
const PROTOCOL_OF = { 'tcp-service': 'tcp', 'udp-service': 'udp', 'sctp-service': 'sctp' } as const

/** Those of dataplane/schedule.ts. */
export const SCHEDULERS: readonly string[] =
  'rr wrr lc wlc sed nq dh sh mh lblc lblcr fo ovf twos none'.split(' ')

const VALUES: Partial<Record<FoundOption['long'], readonly string[]>> = {
  'start-daemon': ['master', 'backup'],
  'stop-daemon': ['master', 'backup'],
  scheduler: SCHEDULERS,
  'sched-flags': ['sh-fallback', 'sh-port', 'mh-fallback', 'mh-port', 'flag-1', 'flag-2', 'flag-3'],
  pe: ['sip'],
  'tun-type': ['ipip', 'gue', 'gre'],
}

/** `words` are behind the program's name; the last one, which may be empty, is being typed. */
export async function completeIpvsadm(
  words: readonly string[],
  connect: () => Promise<Caller | undefined>,
): Promise<string[]> {
  const current = words.at(-1) ?? ''
  const { found, waiting } = readTyped(words.slice(0, -1))
  const offered =
    waiting === undefined ? optionsFor(found) : await valuesFor(waiting, found, connect)
  return offered.filter((each) => each.startsWith(current))
}

/** The options that stand there, and the one whose argument is being typed. */
function readTyped(words: readonly string[]): {
  found: FoundOption[]
  waiting: FoundOption['long'] | undefined
} {
  const reader = new OptionReader(words)
  const found: FoundOption[] = []
  for (let next = reader.next(); next !== undefined; next = reader.next()) {
    if ('wrong' in next) {
      const isWaiting = next.wrong === 'missing argument'
      return { found, waiting: isWaiting ? wordOf(next.word) : undefined }
    }
    found.push(next)
  }
  return { found, waiting: undefined }
}

/** The option that ends a word: `--scheduler`, `-s`, `-At`. */
function wordOf(word: string): FoundOption['long'] | undefined {
  const all: readonly OptionSpec[] = [...COMMANDS, ...OPTIONS]
  const isLong = word.startsWith('--')
  const spec = all.find(({ long, short }) =>
    isLong ? long === word.slice(2) : short === word.at(-1),
  )
  return spec?.long as FoundOption['long'] | undefined
}

function optionsFor(found: readonly FoundOption[]): string[] {
  const [first, ...others] = found
  if (first === undefined) return COMMANDS.flatMap(formsOf)
  if (!isCommandWord(first.long) || first.long === 'help' || first.long === 'version') return []
  const command = COMMAND_NAMES[first.long]
  const given = new Set(others.flatMap(({ long }) => nameOf(long) ?? []))
  const isGiven = (word: OptionWord) => others.some(({ long }) => long === word)
  const isFitting = ({ long }: (typeof OPTIONS)[number]) => {
    if (long === 'ipv6') return isGiven('fwmark-service') && !isGiven('ipv6')
    if (long === 'sort') return command === 'list' && !isGiven('sort')
    return isAllowed(command, nameOf(long)!, given)
  }
  return OPTIONS.filter(isFitting).flatMap(formsOf)
}

function formsOf({ long, short }: OptionSpec): string[] {
  return short === undefined ? [`--${long}`] : [`-${short}`, `--${long}`]
}

/** What the legality of options calls it. */
function nameOf(long: FoundOption['long']): OptionName | undefined {
  if ((SELECTORS as readonly string[]).includes(long)) return 'service-address'
  if (long === 'masquerading' || long === 'ipip' || long === 'gatewaying')
    return 'forwarding-method'
  return OPTION_NAMES.find((name) => name === long)
}

async function valuesFor(
  option: FoundOption['long'],
  found: readonly FoundOption[],
  connect: () => Promise<Caller | undefined>,
): Promise<readonly string[]> {
  const values = VALUES[option]
  if (values !== undefined) return values
  const isServer = option === 'real-server'
  if (!isServer && !isSelector(option)) return []
  const caller = await connect()
  if (caller === undefined) return []
  if (isServer) return listServers(caller, found)
  const { services } = await caller.call('status', {})
  if (services > SERVICES_MAX) return []
  const listed = await caller.call('service.list', {})
  return listed.flatMap(({ key }) => selectedBy(option as Selector, key) ?? [])
}

function isSelector(long: FoundOption['long']): long is Selector {
  return (SELECTORS as readonly string[]).includes(long)
}

/** How the service is written behind this option; undefined: it is not. */
function selectedBy(option: Selector, key: ServiceKey): string | undefined {
  if ('firewallMark' in key) return option === 'fwmark-service' ? `${key.firewallMark}` : undefined
  if (option === 'fwmark-service' || PROTOCOL_OF[option] !== key.protocol) return undefined
  return formatEndpoint(key, key.protocol, NUMERIC)
}

/** The servers of the service that the command line names. */
async function listServers(caller: Caller, found: readonly FoundOption[]): Promise<string[]> {
  const selector = found.find(({ long }) => isSelector(long))
  const service = selector === undefined ? undefined : serviceOf(selector)
  if (service === undefined) return []
  const [listed] = await caller.call('service.list', { service }).catch(() => [])
  return listed?.servers.map((server) => formatEndpoint(server, null, NUMERIC)) ?? []
}

function serviceOf({ long, argument }: FoundOption): ServiceKey | undefined {
  if (long === 'fwmark-service') return { firewallMark: Number(argument), family: 4 }
  const protocol = PROTOCOL_OF[long as keyof typeof PROTOCOL_OF]
  const endpoint = parseServiceAddress(argument ?? '', protocol, NO_NAMES)
  return endpoint && { protocol, ...endpoint, port: endpoint.port ?? 0 }
}
