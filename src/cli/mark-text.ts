/**
 * A rule that gives firewall marks, as words: `MARK [--protocol P] [--source PREFIX] [--destination PREFIX]
 * [--sport A[-B]] [--dport A[-B][,…]]`. What is not named fits every packet.
 */
import type { MarkRule, ServiceProtocol } from '../director/model.ts'
import { WrongUsage } from './ipvsadm/draft.ts'
import { parseNumber } from './ipvsadm/number.ts'

/** The words behind the options. */
export interface MarkOptions {
  readonly protocol?: string
  readonly source?: string
  readonly destination?: string
  readonly sport?: string
  readonly dport?: string
}

const NAMES = ['protocol', 'source', 'destination', 'sport', 'dport'] as const

/** One rule for each range of destination ports. Throws WrongUsage; prefixes are the director's to check. */
export function readMark(mark: string, options: MarkOptions): MarkRule[] {
  const { protocol, source = null, destination = null, sport, dport } = options
  const value = parseNumber(mark, 1, 0xffffffff)
  if (value === undefined) throw wrong(`a mark is a number from 1 to ${0xffffffff}, not \`${mark}'`)
  const rule = {
    mark: value,
    protocol: protocol === undefined ? null : readProtocol(protocol),
    source,
    destination,
    sourcePorts: sport === undefined ? null : readPorts(sport),
  }
  if (dport === undefined) return [{ ...rule, destinationPorts: null }]
  return dport.split(',').map((ports) => ({ ...rule, destinationPorts: readPorts(ports) }))
}

/** The words of a line: a mark, then options. Throws WrongUsage, which says which word it is. */
export function readMarkWords([mark = '', ...words]: readonly string[]): MarkRule[] {
  const options: Partial<Record<(typeof NAMES)[number], string>> = {}
  readPart({ mark }, 0)
  for (let i = 0; i < words.length; i += 2) {
    const name = NAMES.find((each) => words[i] === `--${each}`)
    const value = words[i + 1]
    if (name === undefined) throw wrong(`no rule that marks has the word \`${words[i]}'`, i + 1)
    if (value === undefined) throw wrong(`--${name} needs a value`, i + 1)
    options[name] = value
    readPart({ mark, [name]: value }, i + 2)
  }
  return readMark(mark, options)
}

/** Is this one word right? `index`: which it is. */
function readPart(
  { mark, ...options }: MarkOptions & { readonly mark: string },
  index: number,
): void {
  try {
    readMark(mark, options)
  } catch (error) {
    if (error instanceof WrongUsage) error.wordIndex = index
    throw error
  }
}

/** As `readMarkWords` reads it. */
export function formatMark(rule: MarkRule): string {
  const { mark, protocol, source, destination, sourcePorts, destinationPorts } = rule
  const option = (name: string, value: string | null) =>
    value === null ? '' : ` --${name} ${value}`
  return (
    String(mark) +
    option('protocol', protocol) +
    option('source', source) +
    option('destination', destination) +
    option('sport', sourcePorts && portsText(sourcePorts)) +
    option('dport', destinationPorts && portsText(destinationPorts))
  )
}

function readProtocol(text: string): ServiceProtocol {
  if (text === 'tcp' || text === 'udp' || text === 'sctp') return text
  throw wrong(`a protocol is tcp, udp or sctp, not \`${text}'`)
}

function readPorts(text: string): [number, number] {
  const [first = '', last = first, ...rest] = text.split('-')
  const ports = [first, last].flatMap((port) => parseNumber(port, 0, 0xffff) ?? [])
  if (ports.length === 2 && rest.length === 0) return [ports[0]!, ports[1]!]
  throw wrong(`ports are A or A-B, numbers from 0 to 65535, not \`${text}'`)
}

function portsText([first, last]: readonly [number, number]): string {
  return first === last ? String(first) : `${first}-${last}`
}

function wrong(message: string, wordIndex?: number): WrongUsage {
  return new WrongUsage(2, message, wordIndex)
}
