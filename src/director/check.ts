/**
 * What may be asked for: the checks IPVS makes before it changes anything (ip_vs_ctl.c), with reasons in words.
 *
 * Shapes are the control socket's to check; here the values are. undefined: fine.
 */
import { familyOf, ipToWords } from '../base/ip.ts'
import { SERVERS_PER_SERVICE_MAX } from '../dataplane/limits.ts'
import { SchedulerId } from '../dataplane/schedule.ts'
import { portsText } from './entries.ts'
import type {
  IpFamily,
  Refusal,
  ServerKey,
  ServerSettings,
  ServiceKey,
  ServiceSettings,
} from './model.ts'

/** Names of the schedulers there are, 'none' among them. */
export const SCHEDULER_NAMES = Object.keys(SchedulerId)

const WEIGHT_MAX = 0x7fffffff

export function refuse(errno: Refusal['errno'], message: string): Refusal {
  return { errno, message }
}

export function serviceFamily(key: ServiceKey): IpFamily {
  return 'firewallMark' in key ? key.family : familyOf(key.address)
}

/** How a service is written on the command line. */
export function serviceText(key: ServiceKey): string {
  if ('firewallMark' in key) return `fwmark ${key.firewallMark}${key.family === 6 ? ' (IPv6)' : ''}`
  const address = key.address.includes(':') ? `[${key.address}]` : key.address
  return `${key.protocol} ${address}:${portsText(key)}`
}

/** How a real server is written on the command line. */
export function serverText(key: ServerKey): string {
  return key.address.includes(':') ? `[${key.address}]:${key.port}` : `${key.address}:${key.port}`
}

export function noService(key: ServiceKey): Refusal {
  return refuse('ESRCH', `there is no service ${serviceText(key)}`)
}

export function noServer(key: ServiceKey, server: ServerKey): Refusal {
  return refuse('ENOENT', `${serviceText(key)} has no real server ${serverText(server)}`)
}

export function checkServiceKey(key: ServiceKey): Refusal | undefined {
  if ('firewallMark' in key) {
    if (key.firewallMark === 0) return refuse('EINVAL', 'firewall mark 0 marks nothing')
    return undefined
  }
  const { port, lastPort = port } = key
  if (lastPort < port) return refuse('EINVAL', `ports ${port}-${lastPort} end before they begin`)
  if (port === 0 && lastPort > 0) {
    return refuse('EINVAL', 'port 0 stands for every port and begins no range: write 1-…')
  }
  // Differs from IPVS: it takes multicast addresses, and then has nothing to forward.
  if (isMulticast(key.address)) {
    return refuse('EINVAL', `${key.address} is a multicast address; a service needs another`)
  }
  return undefined
}

export function checkServiceSettings(
  key: ServiceKey,
  settings: ServiceSettings,
): Refusal | undefined {
  if (!SCHEDULER_NAMES.includes(settings.scheduler)) {
    return refuse(
      'ENOENT',
      `no scheduler is called "${settings.scheduler}"; there are ${SCHEDULER_NAMES.join(', ')}`,
    )
  }
  if (settings.persistenceEngine !== null && settings.persistenceEngine !== 'sip') {
    return refuse('ENOENT', `no persistence engine is called "${settings.persistenceEngine}"`)
  }
  if (serviceFamily(key) === 6 && (settings.netmask < 1 || settings.netmask > 128)) {
    return refuse('EINVAL', `an IPv6 prefix has 1 to 128 bits, not ${settings.netmask}`)
  }
  return undefined
}

export function isOfOtherFamily(service: ServiceKey, { address }: ServerKey): boolean {
  return familyOf(address) !== serviceFamily(service)
}

export function checkServer(
  service: ServiceKey,
  server: ServerKey,
  settings: ServerSettings,
): Refusal | undefined {
  const isTunnel = settings.forwarding === 'tunnel'
  if (isOfOtherFamily(service, server) && !isTunnel) {
    return refuse(
      'EINVAL',
      `${server.address} is of another address family than the service; only tunnels can do that`,
    )
  }
  if (settings.weight < 0 || settings.weight > WEIGHT_MAX) {
    return refuse('ERANGE', `a weight lies between 0 and ${WEIGHT_MAX}`)
  }
  if (settings.lowerThreshold > settings.upperThreshold) {
    return refuse('ERANGE', 'the lower threshold is above the upper one')
  }
  if (isTunnel && settings.tunnel.type === 'gue' && settings.tunnel.port === 0) {
    return refuse('EINVAL', 'a GUE tunnel needs its UDP port')
  }
  if (settings.forwarding === 'fullnat' && 'firewallMark' in service) {
    return refuse('EOPNOTSUPP', 'FULLNAT needs a service with an address, not a firewall mark')
  }
  return undefined
}

/** May a server have this address? Asked when it is added; IPVS has no service on such a server to edit. */
export function checkServerAddress({ address }: ServerKey): Refusal | undefined {
  if (!isUnicast(address)) {
    return refuse('EINVAL', `${address} is no unicast address; a real server needs one`)
  }
  if (isLinkLocal(address)) {
    return refuse('EINVAL', `${address} is a link-local address; a real server needs another`)
  }
  return undefined
}

/** One-packet scheduling keeps no connection, and without one FULLNAT's answers find nobody. */
export function checkOnePacket(
  service: Pick<ServiceSettings, 'onePacket'>,
  servers: readonly Pick<ServerSettings, 'forwarding'>[],
): Refusal | undefined {
  if (!service.onePacket || servers.every(({ forwarding }) => forwarding !== 'fullnat')) {
    return undefined
  }
  return refuse('EINVAL', 'one-packet scheduling and FULLNAT do not go together: answers get lost')
}

/** May one more server join the service? */
export function checkServerCount(servers: number): Refusal | undefined {
  if (servers < SERVERS_PER_SERVICE_MAX) return undefined
  return refuse('ENOSPC', `a service has at most ${SERVERS_PER_SERVICE_MAX} real servers`)
}

export function checkLocal(service: ServiceKey, address: string): Refusal | undefined {
  if (familyOf(address) !== serviceFamily(service)) {
    return refuse('EINVAL', `${address} is of another address family than the service`)
  }
  if (!isUnicast(address)) return refuse('EINVAL', `${address} is no unicast address`)
  return undefined
}

/** fe80::/10: which link it is on cannot be said. */
function isLinkLocal(address: string): boolean {
  return ipToWords(address)[0] >>> 22 === 0xfe80 >>> 6
}

function isMulticast(address: string): boolean {
  const [first, , , last] = ipToWords(address)
  return familyOf(address) === 6 ? first >>> 24 === 0xff : last >>> 28 === 14
}

function isUnicast(address: string): boolean {
  const [first, , , last] = ipToWords(address)
  if (familyOf(address) === 6) return first >>> 24 !== 0xff && address !== '::'
  return last >>> 28 !== 14 && last >>> 24 !== 0 && last !== 0xffffffff
}

/** Of a service to be added; `isThere`: one with this key is. */
export function checkNewService(
  key: ServiceKey,
  settings: ServiceSettings,
  isThere: boolean,
): Refusal | undefined {
  if (isThere) return refuse('EEXIST', `service ${serviceText(key)} exists already`)
  return checkServiceKey(key) ?? checkServiceSettings(key, settings)
}

/** Of a server to be added to this service, or edited in it. `isSynchronised`: there are synchronisation daemons. */
export function checkServerIn(
  { key, settings: { onePacket } }: { key: ServiceKey; settings: ServiceSettings },
  server: ServerKey,
  settings: ServerSettings,
  isSynchronised: boolean,
): Refusal | undefined {
  if (isSynchronised && isOfOtherFamily(key, server)) {
    return refuse(
      'EINVAL',
      'connections to servers of another address family cannot be synchronised',
    )
  }
  return checkServer(key, server, settings) ?? checkOnePacket({ onePacket }, [settings])
}

/** Of one to be added; `isThere`: the service has it. `others`: how many it has. */
export function checkNewServer(
  key: ServiceKey,
  server: ServerKey,
  { isThere, others }: { isThere: boolean; others: number },
): Refusal | undefined {
  if (isThere) return refuse('EEXIST', `${serviceText(key)} has ${serverText(server)} already`)
  return checkServerAddress(server) ?? checkServerCount(others)
}
