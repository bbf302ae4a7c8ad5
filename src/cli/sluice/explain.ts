/**
 * `sluice explain`: what would happen to a packet, and why. Nothing is changed: it runs on a copy of the tables.
 */
import { Argument, Option, type Command } from 'commander'
import { ControlClient } from '../../control/client.ts'
import { DEFAULT_SOCKET_PATH, type Calls, type Explanation } from '../../control/protocol.ts'
import { formatExplanation } from '../explanation-text.ts'
import { failureOf, readRules } from '../input-file.ts'
import { NO_NAMES, parseEndpoint } from '../ipvsadm/address.ts'
import { LAN_HELP, readLanFile } from '../lan-file.ts'
import { Exit, Failure } from './exit.ts'

interface ExplainOptions {
  readonly proto: Question['protocol']
  readonly rules?: string
  readonly lan?: string
  readonly json?: true
  readonly socket?: string
}

type Question = Calls['explain']['with']

const HELP = `
The packet is a TCP SYN, a UDP datagram or an SCTP INIT from <client> to <virtual>, each an address and a port:
10.0.0.10:40000, [2001:db8::10]:40000. Without --rules it is sent through a copy of the running daemon's tables,
which for a moment is 200 MB more. With --rules it is sent through tables made of these rules, and no daemon is needed.

Exit status 0: it would reach a real server (or, as a server's answer, the client); 1: it would not; 2: wrong usage.
${LAN_HELP}
With --rules and without --lan there is one interface, "lan", and every address is on its link.`

export function describe(command: Command): void {
  command
    .description('What would happen to a packet, and why, step by step. Changes nothing.')
    .addArgument(new Argument('<client>', "the client's address and port"))
    .addArgument(new Argument('<virtual>', 'the virtual address and port'))
    .addOption(
      new Option('--proto <protocol>', 'what it is').choices(['tcp', 'udp', 'sctp']).default('tcp'),
    )
    .option('--rules <file>', 'services and servers, as `ipvsadm -Sn --extended` writes them')
    .option('--lan <file>', 'with --rules: the network, as JSON (see below)')
    .option('--json', 'one JSON object')
    .option(
      '--socket <path>',
      `where the daemon answers (default: SLUICE_SOCKET, else ${DEFAULT_SOCKET_PATH})`,
    )
    .addHelpText('after', HELP)
    .action(explain)
}

async function explain(client: string, virtual: string, options: ExplainOptions): Promise<void> {
  const { proto, rules, lan, json } = options
  if (lan !== undefined && rules === undefined) {
    throw new Failure(Exit.usage, '--lan goes with --rules: the daemon knows its own network')
  }
  const question = {
    client: readEndpoint(client, proto),
    virtual: readEndpoint(virtual, proto),
    protocol: proto,
  }
  const { refuseQuestion } = await import('../../replay/probe.ts')
  const refusal = refuseQuestion(question)
  if (refusal !== undefined) throw new Failure(Exit.usage, refusal.message)
  const socket = options.socket ?? process.env['SLUICE_SOCKET'] ?? DEFAULT_SOCKET_PATH
  const explanation =
    rules === undefined ? await askDaemon(question, socket) : await askPaper(question, rules, lan)
  process.stdout.write(
    json === true ? `${JSON.stringify(explanation)}\n` : formatExplanation(explanation),
  )
  process.exitCode = isArriving(explanation) ? Exit.done : Exit.no
}

function readEndpoint(text: string, protocol: Question['protocol']): Question['client'] {
  const endpoint = parseEndpoint(text, protocol, NO_NAMES)
  if (endpoint?.port !== undefined) return { address: endpoint.address, port: endpoint.port }
  const wanted = 'write it as 10.0.0.10:40000 or [2001:db8::10]:40000'
  throw new Failure(Exit.usage, `${text} is no address and port: ${wanted}`)
}

async function askDaemon(question: Question, socket: string): Promise<Explanation> {
  const client = await ControlClient.connect(socket)
  try {
    return await client.call('explain', question)
  } finally {
    client.close()
  }
}

async function askPaper(
  question: Question,
  rulesPath: string,
  lanPath: string | undefined,
): Promise<Explanation> {
  const rules = readRules(rulesPath)
  const { explain } = await import('../../replay/explain.ts')
  const { implyLan } = await import('../../replay/implied-lan.ts')
  const { World } = await import('../../replay/world.ts')
  const lan =
    lanPath === undefined
      ? implyLan([], rules, [question.client.address])
      : await readLanFile(lanPath)
  const size = { connections: 1, neighbours: lan.neighbours.length, rules: rules.length }
  const world = new World(lan, size)
  const { refused, problems } = world.furnish(rules)
  if (refused.length > 0) throw failureOf(rulesPath, refused)
  if (problems.length > 0) throw new Failure(Exit.no, problems.join('\n'))
  return explain(world.tables, question, (index) => lan.interfaces[index - 1]!.name)
}

/** Does the packet get where it is to go? */
function isArriving({ reason }: Explanation): boolean {
  return reason === 'toServer' || reason === 'toClient' || reason === 'localServer'
}
