/**
 * `sluice status`: what the daemon does, in numbers.
 */
import type { Command } from 'commander'
import { ControlClient } from '../../control/client.ts'
import { DEFAULT_SOCKET_PATH, type DaemonStatus } from '../../control/protocol.ts'

export function describe(command: Command): void {
  command
    .description('What the daemon does: interfaces, tables, and what became of every frame.')
    .option('--json', 'one JSON object')
    .option(
      '--socket <path>',
      `where the daemon answers (default: SLUICE_SOCKET, else ${DEFAULT_SOCKET_PATH})`,
      process.env['SLUICE_SOCKET'] ?? DEFAULT_SOCKET_PATH,
    )
    .action(show)
}

async function show({ json, socket }: { json?: true; socket: string }): Promise<void> {
  const client = await ControlClient.connect(socket)
  try {
    const status = await client.call('status', {})
    process.stdout.write(json === true ? `${JSON.stringify(status)}\n` : formatStatus(status))
  } finally {
    client.close()
  }
}

/** For people. */
export function formatStatus(status: DaemonStatus): string {
  const { version, pid, engine, uptimeS, interfaces, services, servers } = status
  const lines = [
    `sluice ${version}, process ${pid}, engine ${engine}, up ${formatDuration(uptimeS)}`,
    '',
    ...interfaces.map(({ name, how, mac }) => `interface    ${name}  ${mac}  ${how}`),
    `services     ${services}, with ${servers} real servers`,
    `connections  ${status.connections} of ${status.connectionsMax}`,
    ...formatLocalities(status),
    '',
    'frames, by what became of them',
    ...formatCounters(status.reasons),
    'engine',
    ...formatCounters(status.engineCounters),
    ...formatSynchronisation(status.synchronisation),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

/** Nothing while no daemon of it runs. */
function formatSynchronisation(counters: Readonly<Record<string, number>>): string[] {
  if (Object.keys(counters).length === 0) return []
  return ['connection synchronisation', ...formatCounters(counters)]
}

/** Nothing where there is no lblc or lblcr. */
function formatLocalities({ localities, localitiesMax }: DaemonStatus): string[] {
  if (localities === 0) return []
  return [
    `localities   ${localities} of ${localitiesMax}: destinations that lblc and lblcr remember`,
  ]
}

function formatCounters(counters: Readonly<Record<string, number>>): string[] {
  const entries = Object.entries(counters)
  if (entries.length === 0) return ['  none']
  const width = Math.max(...entries.map(([, count]) => String(count).length))
  return entries.map(([name, count]) => `  ${String(count).padStart(width)}  ${name}`)
}

function formatDuration(seconds: number): string {
  const whole = Math.floor(seconds)
  const parts = [
    [Math.floor(whole / 86400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ] as const
  const first = parts.findIndex(([count]) => count > 0)
  if (first < 0) return '0 s'
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}
