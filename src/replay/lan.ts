/**
 * The network around a director that is not there: interfaces, routes, neighbours, as `--lan FILE` describes them.
 *
 *     { "interfaces": [{ "name": "eth0", "mac": "02:00:00:00:00:01", "addresses": ["10.0.0.1/24"], "mtu": 1500 }],
 *       "routes":     [{ "to": "0.0.0.0/0", "via": "10.0.0.2", "interface": "eth0" }],
 *       "neighbours": [{ "address": "10.0.0.2", "mac": "02:00:00:00:00:02", "interface": "eth0" }] }
 *
 * `mtu` (1500), `routes` and `neighbours` may be left out, and so may `via`: then all that the route leads to is on the
 * link. An address brings the route to its own subnet along.
 */
import { familyOf, parseIp, parsePrefix, type Prefix } from '../base/ip.ts'
import { isMulticastMac, parseMac, ZERO_MAC } from '../base/mac.ts'
import type { HopKey, Neighbour } from '../director/hops/hop-entry.ts'
import type { NetworkChange } from '../director/hops/hops.ts'
import type { Route } from '../director/hops/routes.ts'
import { JsonForm } from './json-form.ts'
import { isProblem, readJson, type JsonNode, type Problem } from './json-source.ts'

export interface LanAddress {
  readonly ip: string
  readonly subnet: Prefix
}

/** Its index is its position in `Lan.interfaces` plus one. */
export interface LanInterface {
  readonly name: string
  readonly mac: string
  readonly addresses: readonly LanAddress[]
  /** Bytes of IP packet. */
  readonly mtu: number
}

export interface LanRoute {
  readonly to: Prefix
  /** Undefined: what the route leads to is on the link. */
  readonly via: string | undefined
  readonly interfaceIndex: number
}

export interface LanNeighbour extends HopKey {
  readonly mac: string
}

export interface Lan {
  readonly interfaces: readonly LanInterface[]
  readonly routes: readonly LanRoute[]
  readonly neighbours: readonly LanNeighbour[]
}

export const DEFAULT_MTU = 1500
/** What every IPv4 link takes (RFC 791 section 3.2), and the largest IP packet. */
const MTU_MIN = 68
const MTU_MAX = 65535

/** The description in `text`, or all that is wrong with it. */
export function readLan(text: string): Lan | readonly Problem[] {
  const json = readJson(text)
  if (isProblem(json)) return [json]
  const problems: Problem[] = []
  const lan = readLayout(json, problems)
  return problems.length > 0 ? problems.sort(byPlace) : lan
}

export function isLan(read: Lan | readonly Problem[]): read is Lan {
  return 'interfaces' in read
}

function byPlace(a: Problem, b: Problem): number {
  return a.line - b.line || a.column - b.column
}

function readLayout(json: JsonNode, problems: Problem[]): Lan {
  const form = new JsonForm(json, problems, ['interfaces', 'routes', 'neighbours'])
  const interfaces = form.list('interfaces', (node) => readInterface(node, problems))
  if (interfaces === undefined || interfaces.length === 0) {
    form.complain('interfaces', 'a LAN needs at least one interface: {"name", "mac", "addresses"}')
  }
  const indices = new Map<string, number>()
  interfaces?.forEach(({ name }, i) => {
    if (indices.has(name)) form.complain('interfaces', `two interfaces are called "${name}"`)
    indices.set(name, i + 1)
  })
  return {
    interfaces: interfaces ?? [],
    routes: form.list('routes', (node) => readRoute(node, indices, problems)) ?? [],
    neighbours: form.list('neighbours', (node) => readNeighbour(node, indices, problems)) ?? [],
  }
}

function readInterface(node: JsonNode, problems: Problem[]): LanInterface {
  const form = new JsonForm(node, problems, ['name', 'mac', 'addresses', 'mtu'])
  const addresses = form.list('addresses', (address) => readAddress(address, problems))
  if (addresses === undefined) {
    form.complain('addresses', 'write the addresses of this interface, as ["10.0.0.1/24"]')
  }
  const mtu = form.integer('mtu', MTU_MIN, MTU_MAX)
  return {
    name: form.text('name', (text) => text || undefined, 'a name, as "eth0"'),
    mac: form.text(
      'mac',
      parseUnicastMac,
      'the MAC address of one station, as "02:00:00:00:00:01"',
    ),
    addresses: addresses?.filter((address) => address !== undefined) ?? [],
    mtu: mtu ?? DEFAULT_MTU,
  }
}

function parseUnicastMac(text: string): string | undefined {
  const mac = parseMac(text)
  return mac === undefined || mac === ZERO_MAC || isMulticastMac(mac) ? undefined : mac
}

function readAddress(node: JsonNode, problems: Problem[]): LanAddress | undefined {
  const { value: text, line, column } = node
  if (typeof text === 'string' && text.includes('/')) {
    const ip = parseIp(text.split('/')[0]!)
    const subnet = parsePrefix(text)
    if (ip !== undefined && subnet !== undefined) return { ip, subnet }
  }
  problems.push({ line, column, message: 'write an address with its prefix, as "10.0.0.1/24"' })
  return undefined
}

function readRoute(
  node: JsonNode,
  indices: ReadonlyMap<string, number>,
  problems: Problem[],
): LanRoute {
  const form = new JsonForm(node, problems, ['to', 'via', 'interface'])
  const hasGateway = form.has('via')
  return {
    to: form.text('to', parsePrefix, 'a prefix, as "0.0.0.0/0"'),
    via: hasGateway
      ? form.text('via', parseIp, 'the gateway\'s address, as "10.0.0.2"')
      : undefined,
    interfaceIndex: readInterfaceName(form, indices),
  }
}

function readNeighbour(
  node: JsonNode,
  indices: ReadonlyMap<string, number>,
  problems: Problem[],
): LanNeighbour {
  const form = new JsonForm(node, problems, ['address', 'mac', 'interface'])
  return {
    ip: form.text('address', parseIp, 'an address, as "10.0.0.2"'),
    mac: form.text(
      'mac',
      parseUnicastMac,
      'the MAC address of one station, as "02:00:00:00:00:02"',
    ),
    interfaceIndex: readInterfaceName(form, indices),
  }
}

function readInterfaceName(form: JsonForm, indices: ReadonlyMap<string, number>): number {
  const names = [...indices.keys()].map((name) => `"${name}"`).join(', ')
  return form.text('interface', (name) => indices.get(name), `one of the interfaces: ${names}`)
}

/** What `Hops` is told of the LAN. */
export function networkOf(lan: Lan): Required<NetworkChange> {
  const links = lan.interfaces.map(({ mac, mtu }, i) => ({ index: i + 1, mac, mtu }))
  const own = lan.interfaces.flatMap(({ addresses }, i) =>
    addresses.map((address) => ({ ...address, interfaceIndex: i + 1 })),
  )
  const addresses = own.map(({ ip, subnet, interfaceIndex }) => {
    const scope = isLinkLocal(subnet) ? ('link' as const) : ('global' as const)
    return { interfaceIndex, ip, subnet, scope, isDeprecated: false }
  })
  const routes: Route[] = [
    ...own.map(({ ip }) => ({ kind: 'local' as const, prefix: parsePrefix(ip)!, metric: 0 })),
    ...own.map(({ subnet, interfaceIndex }) => forwardRoute(subnet, undefined, interfaceIndex)),
    ...lan.routes.map(({ to, via, interfaceIndex }) => forwardRoute(to, via, interfaceIndex)),
  ]
  return { links, addresses, routes }
}

function isLinkLocal({ ip }: Prefix): boolean {
  return familyOf(ip) === 6 && /^fe[89ab]/.test(ip)
}

function forwardRoute(prefix: Prefix, gateway: string | undefined, interfaceIndex: number): Route {
  const nexthops = [{ gateway, interfaceIndex }] as const
  return {
    kind: 'forward',
    prefix,
    metric: 0,
    nexthops,
    mtu: undefined,
    preferredSource: undefined,
  }
}

/** The neighbours as an entry of the kernel's table would have them. */
export function neighboursOf(lan: Lan): Neighbour[] {
  return lan.neighbours.map((neighbour) => ({ ...neighbour, state: 'permanent' }))
}
