/**
 * `sluice sysctl`: the switches that IPVS has below net.ipv4.vs, shown and set.
 */
import type { Command } from 'commander'
import { ControlClient } from '../../control/client.ts'
import { DEFAULT_SOCKET_PATH } from '../../control/protocol.ts'
import type { SysctlListing } from '../../director/model.ts'
import { WrongUsage } from '../ipvsadm/draft.ts'
import { Exit, Failure } from './exit.ts'
import { readSetting, type Setting } from '../sysctl-text.ts'

interface Options {
  readonly json?: true
  readonly socket: string
}

export function describe(command: Command): void {
  command
    .description(
      'The switches of IPVS (net.ipv4.vs.NAME): all of them, some of them, or NAME=VALUE to set one.',
    )
    .argument('[name[=value]...]', 'what to show or to set, in this order')
    .option('--json', 'one JSON array')
    .option(
      '--socket <path>',
      `where the daemon answers (default: SLUICE_SOCKET, else ${DEFAULT_SOCKET_PATH})`,
      process.env['SLUICE_SOCKET'] ?? DEFAULT_SOCKET_PATH,
    )
    .action(run)
}

async function run(words: readonly string[], { json, socket }: Options): Promise<void> {
  const settings = words.map(settingOf)
  const client = await ControlClient.connect(socket)
  try {
    for (const { name, value } of settings) {
      if (value !== undefined) await client.call('sysctl.set', { name, value })
    }
    const all = await client.call('sysctl.list', {})
    const shown = settings.length === 0 ? all : settings.map(({ name }) => find(all, name))
    process.stdout.write(json === true ? `${JSON.stringify(shown)}\n` : formatSysctls(shown))
  } finally {
    client.close()
  }
}

/** A line each, with what it does. */
export function formatSysctls(switches: readonly SysctlListing[]): string {
  const settings = switches.map(({ name, value }) => `${name} = ${value ?? '-'}`)
  const width = Math.max(0, ...settings.map(({ length }) => length))
  const lines = switches.map(({ what, why, value, default: byDefault }, i) => {
    const usual = value === byDefault ? '' : ` (usually ${byDefault})`
    return `${settings[i]!.padEnd(width)}  ${what}${usual}${why === null ? '' : `; not here: ${why}`}\n`
  })
  return lines.join('')
}

function find(switches: readonly SysctlListing[], asked: string): SysctlListing {
  const name = asked.replace(/^net[./]ipv4[./]vs[./]/, '')
  const found = switches.find((each) => each.name === name)
  if (found === undefined) throw new Failure(Exit.no, `there is no switch called "${name}"`)
  return found
}

function settingOf(word: string): Setting {
  try {
    return readSetting(word)
  } catch (error) {
    if (error instanceof WrongUsage) throw new Failure(Exit.usage, error.message)
    throw error
  }
}
