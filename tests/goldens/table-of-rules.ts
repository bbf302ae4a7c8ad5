/**
 * A table as the director would list it, out of rules: for tests of listings, also of what it cannot do yet.
 */
import { parseRules } from '../../src/cli/ipvsadm/rules.ts'
import type { ServerListing, ServiceListing } from '../../src/director/model.ts'
import type { CommandEvent } from './recordings.ts'
import { readRecording } from './recordings.ts'

export const NO_COUNTS = { connections: 0, inPackets: 0, outPackets: 0, inBytes: 0, outBytes: 0 }

/** Services in the order of the rules, servers newest first. */
export function tableOfRules(rules: string): ServiceListing[] {
  const table = new Map<string, { service: ServiceListing; servers: ServerListing[] }>()
  for (const rule of parseRules(rules)) {
    if (!("service" in rule.with)) continue
    const id = JSON.stringify(rule.with.service)
    if (rule.call === 'service.add') {
      const { service: key, settings } = rule.with
      const isIpv6 = 'family' in key ? key.family === 6 : key.address.includes(':')
      const servers: ServerListing[] = []
      const service = { key, family: isIpv6 ? 6 : 4, settings, servers, ...nothingYet() } as const
      table.set(id, { service, servers })
    } else if (rule.call === 'server.add') {
      const { server, settings } = rule.with
      table.get(id)!.servers.unshift({
        ...server,
        ...settings,
        family: server.address.includes(':') ? 6 : 4,
        activeConnections: 0,
        inactiveConnections: 0,
        persistentConnections: 0,
        ...nothingYet(),
      })
    }
  }
  return [...table.values()].map(({ service }) => service)
}

function nothingYet() {
  return { counters: NO_COUNTS, rates: NO_COUNTS }
}

/** The commands of a recorded case, in order. */
export function commandsOf(file: string, name: string): CommandEvent[] {
  return readRecording(file)
    .get(name)!
    .filter((event) => event.op === 'cmd')
}

/** Those that added something, as rules. */
export function rulesOf(commands: readonly CommandEvent[]): string {
  return commands
    .filter(({ cmd, rc }) => rc === 0 && /^ipvsadm -[Aa] /.test(cmd))
    .map(({ cmd }) => cmd)
    .join('\n')
}
