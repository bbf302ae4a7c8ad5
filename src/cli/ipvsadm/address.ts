/**
 * Addresses on ipvsadm's command line (ipvsadm(8)): `host[:port]`, `[IPv6]:port` or a bare IPv6 address.
 *
 * A host is what inet_aton(3) takes ("10.1", "010.0.0.1") or a name; a port a number or a name of /etc/services.
 * A virtual service may have a range of ports, `8000-8100`: that is ours, not ipvsadm's. Nothing is looked up here:
 * whoever asks brings what is known, and is told which name is not.
 */
import { parseIp } from '../../base/ip.ts'
import type { ServiceProtocol } from '../../director/model.ts'
import { parseNumber } from './number.ts'

/** What names mean on this machine. */
export interface Names {
  /** The port of a name in /etc/services. */
  portOf(name: string, protocol: ServiceProtocol): number | undefined
  /** The IPv4 address of a host; null: it has none; undefined: not looked up yet. */
  addressOf(host: string): string | null | undefined
}

/** Knows no names at all. */
export const NO_NAMES: Names = { portOf: () => undefined, addressOf: () => null }

/** A host whose address must be looked up before the command line can be understood. */
export class UnresolvedHost extends Error {
  readonly host: string

  constructor(host: string) {
    super(`the address of ${host} is not known yet`)
    this.name = 'UnresolvedHost'
    this.host = host
  }
}

export interface Endpoint {
  readonly address: string
  /** undefined: none was written. */
  readonly port: number | undefined
}

/** Throws UnresolvedHost; undefined: no address. */
export function parseEndpoint(
  text: string,
  protocol: ServiceProtocol,
  names: Names,
): Endpoint | undefined {
  if (/^[0-9]*$/.test(text)) return undefined
  const split = text.startsWith('[') ? splitBracketed(text.slice(1)) : splitBare(text)
  const address = split && addressOf(split.host, names)
  if (split === undefined || address === undefined) return undefined
  if (split.port === undefined) return { address, port: undefined }
  const port = parseNumber(split.port, 0, 65535) ?? names.portOf(split.port, protocol)
  return port === undefined ? undefined : { address, port }
}

export interface ServiceAddress extends Endpoint {
  readonly lastPort?: number
}

/** Of a virtual service. Throws UnresolvedHost; undefined: no address. */
export function parseServiceAddress(
  text: string,
  protocol: ServiceProtocol,
  names: Names,
): ServiceAddress | undefined {
  const range = /^(.*:[0-9]{1,5})-([0-9]{1,5})$/.exec(text)
  if (range === null) return parseEndpoint(text, protocol, names)
  const endpoint = parseEndpoint(range[1]!, protocol, names)
  const lastPort = Number(range[2])
  if (endpoint?.port === undefined || endpoint.port === 0) return undefined
  return lastPort < endpoint.port || lastPort > 65535 ? undefined : { ...endpoint, lastPort }
}

interface Split {
  readonly host: string
  readonly port: string | undefined
}

/** Of `IPv6]:port`. An IPv4 address in brackets is taken, and its port passed over, as ipvsadm does. */
function splitBracketed(text: string): Split | undefined {
  const end = text.indexOf(']')
  if (end < 0 || text[end + 1] !== ':') return undefined
  const host = text.slice(0, end)
  return host.includes(':') ? { host, port: text.slice(end + 2) } : { host, port: undefined }
}

function splitBare(text: string): Split {
  const colon = text.lastIndexOf(':')
  if (colon < 0 || parseIp(text) !== undefined) return { host: text, port: undefined }
  return { host: text.slice(0, colon), port: text.slice(colon + 1) }
}

function addressOf(host: string, names: Names): string | undefined {
  return host.includes(':') ? parseIp(host) : parseHost(host, names)
}

/** The IPv4 address of a host, or what inet_aton(3) takes. Throws UnresolvedHost. */
export function parseHost(host: string, names: Names): string | undefined {
  const address = parseInetAton(host)
  if (address !== undefined) return address
  if (host === '' || /[^-._a-zA-Z0-9]/.test(host)) return undefined
  const known = names.addressOf(host)
  if (known === undefined) throw new UnresolvedHost(host)
  return known ?? undefined
}

/**
 * The forms of inet_aton(3): one to four parts, decimal, octal or hexadecimal, the last filling what is left. As there,
 * a blank ends the address, whatever follows it.
 */
export function parseInetAton(text: string): string | undefined {
  const parts = text
    .replace(/[ \t\n\v\f\r].*$/s, '')
    .split('.')
    .map(parsePart)
  const last = parts.pop()
  if (last === undefined || parts.length > 3) return undefined
  let value = 0
  for (const part of parts) {
    if (part === undefined || part > 255) return undefined
    value = value * 256 + part
  }
  const room = 256 ** (4 - parts.length)
  if (last >= room) return undefined
  return wordToAddress(value * room + last)
}

function parsePart(text: string): number | undefined {
  if (/^0[xX][0-9a-fA-F]+$/.test(text)) return Number(text)
  if (/^0[0-7]*$/.test(text)) return Number.parseInt(text, 8)
  return /^[1-9][0-9]*$/.test(text) ? Number(text) : undefined
}

/** Dotted text of a 32-bit word. */
export function wordToAddress(word: number): string {
  return [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.')
}

/** The word of dotted text; the text is known to be an address. */
export function addressToWord(address: string): number {
  return address.split('.').reduce((word, part) => (word * 256 + Number(part)) >>> 0, 0)
}
