/**
 * Transcripts: small sessions with a director on paper, written down with what they print.
 *
 *     # what this shows                                a comment
 *     -A -t 10.0.0.100:80 -s wlc                       a rule, as ipvsadm writes it; all come before the rest
 *     #sluice mark add 5 --destination 10.0.0.200      a rule for which ipvsadm has no words
 *     lan two-legs.json                                a description of the network, beside the transcript
 *     $ send tcp 10.0.0.10:40000 10.0.0.100:80 syn     a frame that really goes through
 *     $ wait 60                                        seconds
 *     $ explain 10.0.0.10:40000 10.0.0.100:80 udp      tcp, unless it says udp or sctp
 *     packet  …                                        what was printed
 *
 * `replayTranscript` plays it again and gives the text as it should be now.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatExplanation } from '../../src/cli/explanation-text.ts'
import { parseRules } from '../../src/cli/ipvsadm/rules.ts'
import { explain } from '../../src/replay/explain.ts'
import { implyLan } from '../../src/replay/implied-lan.ts'
import { isLan, readLan, type Lan } from '../../src/replay/lan.ts'
import { World } from '../../src/replay/world.ts'
import { TICKS_PER_SECOND } from '../../src/subset/clock.ts'
import { endpoint, tcpFrame, udpFrame } from '../../src/wire/flow.ts'
import { TcpFlag } from '../../src/wire/tcp.ts'

export interface Transcript {
  readonly name: string
  readonly text: string
}

/** The folder of the sources: compiled, this file lies deeper. */
function scenariosFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return join(folder, 'tests/scenarios')
}

/** All transcripts whose name begins so. */
export function readTranscripts(prefix: string): Transcript[] {
  const folder = scenariosFolder()
  return readdirSync(folder)
    .filter((name) => name.startsWith(prefix) && name.endsWith('.txt'))
    .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }))
}

export function writeTranscript({ name, text }: Transcript): void {
  writeFileSync(join(scenariosFolder(), name), text)
}

/** The transcript as it should be now. */
export function replayTranscript({ text }: Transcript): string {
  const lines = text.split('\n')
  const first = lines.findIndex((line) => line.startsWith('$ '))
  const head = lines.slice(0, first)
  const session = openSession(head)
  const commands = lines.slice(first).filter((line) => /^(\$ |# )/.test(line))
  const played = commands.map((line) => (line.startsWith('#') ? `${line}\n` : play(session, line)))
  return `${head.join('\n')}\n${played.join('\n')}`
}

interface Session {
  readonly world: World
  seconds: number
}

function openSession(head: readonly string[]): Session {
  const rules = parseRules(head.filter((line) => /^(-|#sluice )/.test(line)).join('\n'))
  const file = head.find((line) => line.startsWith('lan '))?.slice('lan '.length)
  const lan = file === undefined ? implyLan([], rules, CLIENTS) : readLanFile(file)
  const world = new World(lan, { connections: 100, neighbours: 100, rules: rules.length })
  const { refused, problems } = world.furnish(rules)
  if (refused.length + problems.length > 0) throw new Error(JSON.stringify([refused, problems]))
  return { world, seconds: 0 }
}

/** Neighbours in every transcript without a LAN of its own. */
const CLIENTS = ['10.0.0.10', '2001:db8:a::10']

function readLanFile(name: string): Lan {
  const lan = readLan(readFileSync(join(scenariosFolder(), name), 'utf8'))
  if (!isLan(lan)) throw new Error(JSON.stringify(lan))
  return lan
}

/** The command and what it prints, an empty line behind it. */
function play(session: Session, line: string): string {
  const { world } = session
  const [, verb, ...words] = line.split(' ')
  if (verb === 'wait') {
    session.seconds += Number(words[0])
    world.advanceTo(session.seconds * TICKS_PER_SECOND)
    return `${line}\n`
  }
  if (verb === 'send') {
    const { reason, server } = world.run(frameOf(world, words))
    return `${line}\n${reason}${server === null ? '' : ` ${server}`}\n`
  }
  if (verb !== 'explain') throw new Error(`a transcript cannot ${verb}`)
  const [client, virtual] = words.slice(0, 2).map((word) => {
    const { ip, port } = endpoint(word)
    return { address: ip, port }
  })
  const protocol = words[2] === 'udp' || words[2] === 'sctp' ? words[2] : 'tcp'
  world.advanceTo(session.seconds * TICKS_PER_SECOND)
  const nameInterface = (index: number) => world.lan.interfaces[index - 1]!.name
  const question = { client: client!, virtual: virtual!, protocol } as const
  return `${line}\n${formatExplanation(explain(world.tables, question, nameInterface))}`
}

function frameOf(world: World, [protocol, from, to, ...flags]: readonly string[]): Uint8Array {
  const over = { destinationMac: world.lan.interfaces[0]!.mac }
  if (protocol === 'udp') return udpFrame(from!, to!, { over })
  const bits = flags.map((flag) => TcpFlag[flag as keyof typeof TcpFlag])
  return tcpFrame(from!, to!, { flags: bits.reduce((sum, bit) => sum | bit, 0), over })
}
