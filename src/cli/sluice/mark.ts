/**
 * `sluice mark`: which packets have which firewall mark. The packet path stands before netfilter, so iptables' marks
 * come too late for it: these rules are in their place. The first that fits gives the mark.
 */
import type { Command } from 'commander'
import { ControlClient } from '../../control/client.ts'
import { DEFAULT_SOCKET_PATH } from '../../control/protocol.ts'
import type { MarkRule } from '../../director/model.ts'
import { WrongUsage } from '../ipvsadm/draft.ts'
import { formatMark, readMark, type MarkOptions } from '../mark-text.ts'
import { Exit, Failure } from './exit.ts'

interface Common {
  readonly socket: string
}

export function describe(command: Command): void {
  command.description(
    'Rules that give firewall marks, for services of -f. The first that fits counts.',
  )
  withRule(command.command('add').summary('a rule more, behind the others or at a place'))
    .option('--at <number>', 'before the rule that has this number now, counted from 1')
    .action(add)
  withRule(command.command('delete').summary('takes out the rule that says the same')).action(
    remove,
  )
  withSocket(command.command('list').summary('all rules, in their order'))
    .option('--json', 'one JSON array')
    .action(list)
  withSocket(command.command('flush').summary('takes all rules out, at once')).action(flush)
}

function withSocket(command: Command): Command {
  return command.option(
    '--socket <path>',
    `where the daemon answers (default: SLUICE_SOCKET, else ${DEFAULT_SOCKET_PATH})`,
    process.env['SLUICE_SOCKET'] ?? DEFAULT_SOCKET_PATH,
  )
}

function withRule(command: Command): Command {
  return withSocket(command)
    .argument('<mark>', `from 1 to ${0xffffffff}`)
    .option('--protocol <protocol>', 'tcp, udp or sctp; without it, each of them')
    .option('--source <prefix>', "the packet's source: an address, or 10.0.0.0/8")
    .option('--destination <prefix>', 'where it goes')
    .option('--sport <ports>', 'source ports: 53, or 1024-65535')
    .option('--dport <ports>', 'destination ports: 80, 8000-8100, or several: 80,443')
}

type Described = Common & MarkOptions

async function add(mark: string, options: Described & { at?: string }): Promise<void> {
  const rules = rulesOf(mark, options)
  if (options.at === undefined) return withDaemon(options, (to) => to.call('mark.add', { rules }))
  if (!/^[1-9]\d{0,8}$/.test(options.at)) {
    throw new Failure(Exit.usage, `--at is the number of a rule, counted from 1, not ${options.at}`)
  }
  const at = Number(options.at)
  await withDaemon(options, (to) => to.call('mark.add', { rules, at }))
}

async function remove(mark: string, options: Described): Promise<void> {
  const rules = rulesOf(mark, options)
  await withDaemon(options, async (to) => {
    for (const rule of rules) await to.call('mark.delete', { rule })
  })
}

async function list({ socket, json }: Common & { json?: true }): Promise<void> {
  await withDaemon({ socket }, async (to) => {
    const rules = await to.call('mark.list', {})
    process.stdout.write(json === true ? `${JSON.stringify(rules)}\n` : formatMarks(rules))
  })
}

/** A line each, as the words of `sluice mark add`. */
export function formatMarks(rules: readonly MarkRule[]): string {
  const width = String(rules.length).length
  return rules.map((rule, i) => `${String(i + 1).padStart(width)}  ${formatMark(rule)}\n`).join('')
}

async function flush(options: Common): Promise<void> {
  await withDaemon(options, (to) => to.call('mark.set', { rules: [] }))
}

async function withDaemon(
  { socket }: Common,
  ask: (to: ControlClient) => Promise<unknown>,
): Promise<void> {
  const client = await ControlClient.connect(socket)
  try {
    await ask(client)
  } finally {
    client.close()
  }
}

function rulesOf(mark: string, options: MarkOptions): MarkRule[] {
  try {
    return readMark(mark, options)
  } catch (error) {
    if (error instanceof WrongUsage) throw new Failure(Exit.usage, error.message)
    throw error
  }
}
