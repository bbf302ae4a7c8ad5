/**
 * Names of hosts and ports: /etc/services, getaddrinfo(3) forwards, /etc/hosts and DNS backwards.
 *
 * Differs from IPVS: backwards, ipvsadm waits for its resolver as long as that takes, for one address after the other;
 * we ask for all at once and list numbers for what has no name after LOOKUP_MS.
 */
import { readFileSync } from 'node:fs'
import { parseIp } from '../../base/ip.ts'
import type { ServiceProtocol } from '../../director/model.ts'
import type { Names } from './address.ts'
import type { Naming } from './naming.ts'

const LOOKUP_MS = 2000
const LOOKUPS_AT_ONCE = 256

/** What /etc/services says. */
export interface Services {
  /** By `name/protocol`; the first line that has it counts. */
  readonly ports: ReadonlyMap<string, number>
  /** By `port/protocol`. */
  readonly names: ReadonlyMap<string, string>
}

/** services(5): `name port/protocol aliases… # comment`. */
export function parseServices(text: string): Services {
  const ports = new Map<string, number>()
  const names = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [name, where, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/)
    const match = /^([0-9]+)\/(\w+)$/.exec(where ?? '')
    if (name === undefined || match === null) continue
    const [, port, protocol] = match
    if (!names.has(`${port}/${protocol}`)) names.set(`${port}/${protocol}`, name)
    for (const each of [name, ...aliases]) {
      if (!ports.has(`${each}/${protocol}`)) ports.set(`${each}/${protocol}`, Number(port))
    }
  }
  return { ports, names }
}

/** hosts(5): `address name aliases… # comment`; by canonical address, the first line that has it counts. */
export function parseHosts(text: string): Map<string, string> {
  const hosts = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [address, name] = line.replace(/#.*/, '').trim().split(/\s+/)
    const canonical = parseIp(address ?? '')
    if (canonical === undefined || name === undefined || hosts.has(canonical)) continue
    hosts.set(canonical, name)
  }
  return hosts
}

/** Names of the running machine, looked up when needed. */
export class MachineNames implements Names {
  readonly #addresses = new Map<string, string | null>()
  #services: Services | undefined

  portOf(name: string, protocol: ServiceProtocol): number | undefined {
    return this.#readServices().ports.get(`${name}/${protocol}`)
  }

  addressOf(host: string): string | null | undefined {
    return this.#addresses.get(host)
  }

  /** Looks the host up, for addressOf. */
  async resolve(host: string): Promise<void> {
    const { lookup } = await import('node:dns/promises')
    const found = await lookup(host, { family: 4 }).catch(() => null)
    this.#addresses.set(host, found?.address ?? null)
  }

  /** Names for these addresses, and for ports. */
  async namingOf(addresses: Iterable<string>): Promise<Naming> {
    const hosts = parseHosts(readText('/etc/hosts'))
    const others = [...new Set(addresses)].filter((address) => !hosts.has(address))
    if (others.length > 0) await lookUpHosts(others, hosts)
    const { names } = this.#readServices()
    return {
      host: (address) => hosts.get(address),
      port: (port, protocol) => names.get(`${port}/${protocol}`),
    }
  }

  #readServices(): Services {
    this.#services ??= parseServices(readText('/etc/services'))
    return this.#services
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Asks DNS, and adds the names it has to `hosts`. */
async function lookUpHosts(
  addresses: readonly string[],
  hosts: Map<string, string>,
): Promise<void> {
  const { Resolver } = await import('node:dns/promises')
  const resolver = new Resolver({ timeout: LOOKUP_MS / 2, tries: 1 })
  const timer = setTimeout(() => resolver.cancel(), LOOKUP_MS)
  const until = Date.now() + LOOKUP_MS
  const waiting = addresses.values()
  const lookUpSome = async () => {
    for (const address of waiting) {
      if (Date.now() >= until) return
      const names = await resolver.reverse(address).catch(() => [])
      if (names[0] !== undefined) hosts.set(address, names[0])
    }
  }
  await Promise.all(Array.from({ length: LOOKUPS_AT_ONCE }, lookUpSome))
  clearTimeout(timer)
}
