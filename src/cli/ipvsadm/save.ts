/**
 * `ipvsadm -S`: the services and servers as the commands that make them, for `ipvsadm -R`.
 *
 * As ipvsadm, it does not save thresholds; with `--extended` it does, and the timeouts (`--set`) too, if they are not
 * the usual ones. Those are commands of ipvsadm 1.31; what it has no words for stands in lines that begin with #sluice
 * (sluice/lines.ts).
 */
import type {
  ForwardingMethod,
  LocalAddressListing,
  ServerListing,
  ServiceKey,
  ServiceListing,
  Tunnel,
} from '../../director/model.ts'
import { formatMask } from './listing.ts'
import { formatEndpoint, type Naming } from './naming.ts'
import { sortServers, sortServices } from './order.ts'
import { formatSchedulerFlags } from './scheduler-flags.ts'
import type { Caller } from './surroundings.ts'
import { listSluiceLines } from '../sluice/lines.ts'

/** What `-L --timeout` says unless told otherwise. */
const TCP_TIMEOUT_S = 900
const TCP_FIN_TIMEOUT_S = 120
const UDP_TIMEOUT_S = 300

const PROTOCOL_OPTION = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const

const FORWARDING_OPTION: Readonly<Record<ForwardingMethod, string>> = {
  masquerade: '-m',
  local: '-g',
  tunnel: '-i',
  direct: '-g',
  fullnat: '-b',
}

/** `localsOf`: FULLNAT's local addresses of a service. */
export function formatRules(
  services: readonly ServiceListing[],
  localsOf: (key: ServiceKey) => readonly LocalAddressListing[],
  naming: Naming,
  isExtended = false,
): string {
  const lines: string[] = []
  for (const service of sortServices(services)) {
    const { key } = service
    const selector = formatSelector(key, naming)
    const protocol = 'firewallMark' in key ? null : key.protocol
    lines.push(`-A ${selector} -s ${formatSettings(service)}`)
    for (const { address } of localsOf(key)) lines.push(`-P ${selector} -z ${address}`)
    for (const server of sortServers(service.servers)) {
      const name = formatEndpoint(server, protocol, naming)
      const thresholds = isExtended ? formatThresholds(server) : ''
      lines.push(`-a ${selector} -r ${name} ${formatServerSettings(server)}${thresholds}`)
    }
  }
  return lines.map((line) => `${line}\n`).join('')
}

/** What is no service's own. */
export async function formatSurroundings(caller: Caller): Promise<string> {
  const { tcp, tcpFin, udp } = await caller.call('timeouts.get', {})
  const isUsual = tcp === TCP_TIMEOUT_S && tcpFin === TCP_FIN_TIMEOUT_S && udp === UDP_TIMEOUT_S
  const lines = isUsual ? [] : [`--set ${tcp} ${tcpFin} ${udp}`]
  return [...lines, ...(await listSluiceLines(caller))].map((line) => `${line}\n`).join('')
}

function formatThresholds({ upperThreshold, lowerThreshold }: ServerListing): string {
  const lower = lowerThreshold === 0 ? '' : ` -y ${lowerThreshold}`
  return upperThreshold === 0 ? lower : ` -x ${upperThreshold}${lower}`
}

function formatSelector(key: ServiceKey, naming: Naming): string {
  // Differs from IPVS: ipvsadm would write marks above 2^31 as negative numbers, and not read them back.
  if ('firewallMark' in key) return `-f ${key.firewallMark}${key.family === 6 ? ' -6' : ''}`
  return `${PROTOCOL_OPTION[key.protocol]} ${formatEndpoint(key, key.protocol, naming)}`
}

function formatSettings({ settings, family }: ServiceListing): string {
  const { scheduler, schedulerFlags, persistenceTimeoutS, onePacket } = settings
  let text = scheduler
  if (persistenceTimeoutS > 0) {
    text += ` -p ${persistenceTimeoutS}`
    const mask = formatMask(settings.netmask, family)
    if (mask !== null) text += ` -M ${mask}`
  }
  if (settings.persistenceEngine !== null) text += ` --pe ${settings.persistenceEngine}`
  if (onePacket) text += ' -o'
  if (schedulerFlags !== 0) text += ` -b ${formatSchedulerFlags(scheduler, schedulerFlags)}`
  return text
}

function formatServerSettings({ forwarding, weight, tunnel }: ServerListing): string {
  const text = `${FORWARDING_OPTION[forwarding]} -w ${weight}`
  return forwarding === 'tunnel' ? `${text} ${formatTunnel(tunnel)}` : text
}

const CHECKSUM_OPTION: Readonly<Record<Tunnel['checksum'], string>> = {
  none: '--tun-nocsum',
  checksum: '--tun-csum',
  'remote-checksum': '--tun-remcsum',
}

function formatTunnel({ type, port, checksum }: Tunnel): string {
  if (type === 'ipip') return '--tun-type ipip'
  if (type === 'gre') return `--tun-type gre ${CHECKSUM_OPTION[checksum]}`
  return `--tun-type gue --tun-port ${port} ${CHECKSUM_OPTION[checksum]}`
}
