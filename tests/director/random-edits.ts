/**
 * Edits as operators make them, at random: services of every kind, servers, local addresses; many are refused.
 */
import type { Random } from '../../src/base/random.ts'
import type { Outcome } from '../../src/director/model.ts'
import { listService } from '../../src/director/listing.ts'
import type {
  MarkRule,
  ServerKey,
  ServerSettings,
  ServiceKey,
  ServiceSettings,
  Tunnel,
} from '../../src/director/model.ts'
import { SCHEDULER_NAMES } from '../../src/director/check.ts'
import type { Laboratory } from '../goldens/laboratory.ts'

export const KEYS: readonly ServiceKey[] = [
  { protocol: 'tcp', address: '10.0.0.100', port: 80 },
  { protocol: 'udp', address: '10.0.0.100', port: 80 },
  { protocol: 'tcp', address: '10.0.0.100', port: 0 },
  { protocol: 'tcp', address: '10.0.0.100', port: 81 },
  { protocol: 'tcp', address: '2001:db8:a::100', port: 80 },
  { firewallMark: 5, family: 4 },
  { firewallMark: 5, family: 6 },
  { protocol: 'sctp', address: '10.0.0.100', port: 80 },
  { protocol: 'tcp', address: '10.0.0.100', port: 82, lastPort: 90 },
]
/** What may be marked, and how. */
const MARKED = ['10.0.0.100/32', '10.0.0.96/28', '2001:db8:a::100/128', null]
const SERVERS = 4
const TUNNELS: readonly Tunnel[] = [
  { type: 'ipip', port: 0, checksum: 'none' },
  { type: 'gue', port: 6080, checksum: 'remote-checksum' },
  { type: 'gre', port: 0, checksum: 'checksum' },
]
const LOCALS = ['10.0.0.201', '10.0.0.202', '2001:db8:a::201']

/** What is asked for; `text` repeats it for a failure. */
export interface Edit {
  readonly text: string
  make(lab: Laboratory): Outcome
}

export function randomEdit(random: Random): Edit {
  const key = random.pick(KEYS)
  const server = randomServer(random, key)
  const local = random.pick(LOCALS)
  const settings = randomServerSettings(random)
  const service = randomServiceSettings(random, key)
  const words = (name: string, ...more: readonly object[]) =>
    `${name} ${[key, ...more].map((each) => JSON.stringify(each)).join(' ')}`
  const edit = (text: string, make: (lab: Laboratory) => Outcome): Edit => ({ text, make })
  switch (random.below(18)) {
    case 0:
    case 1:
    case 2:
      return edit(words('add service', service), ({ director }) =>
        director.addService(key, service),
      )
    case 3:
      return edit(words('edit service', service), ({ director }) =>
        director.editService(key, service),
      )
    case 4:
      return edit(words('delete service'), ({ director }) => director.deleteService(key))
    case 5:
    case 6:
    case 7:
    case 8:
      return edit(words('add server', server, settings), ({ director }) =>
        director.addServer(key, server, settings),
      )
    case 9:
    case 10:
      return edit(words('edit server', server, settings), ({ director }) =>
        director.editServer(key, server, settings),
      )
    case 11:
    case 12:
      return edit(words('delete server', server), ({ director }) =>
        director.deleteServer(key, server),
      )
    case 13:
      return edit(words('add local', { local }), ({ director }) => {
        const entry = director.find(key)
        return entry === undefined ? null : director.locals.add(entry, local)
      })
    case 14:
      return edit(words('remove local', { local }), ({ director }) => {
        const entry = director.find(key)
        return entry === undefined ? null : director.locals.remove(entry, local)
      })
    case 15:
    case 16: {
      const rules = Array.from({ length: random.below(3) }, () => randomMark(random))
      return edit(`set marks ${JSON.stringify(rules)}`, ({ director }) => director.marks.set(rules))
    }
    default:
      return edit('reclaim', ({ director }) => {
        director.reclaim()
        return null
      })
  }
}

function randomServer(random: Random, key: ServiceKey): ServerKey {
  const isV6 = 'firewallMark' in key ? key.family === 6 : key.address.includes(':')
  const prefix = isV6 ? '2001:db8:b::' : '192.168.10.'
  return { address: `${prefix}${11 + random.below(SERVERS)}`, port: random.pick([80, 8080]) }
}

function randomServerSettings(random: Random): ServerSettings {
  return {
    forwarding: random.pick(['masquerade', 'masquerade', 'direct', 'tunnel', 'fullnat', 'local']),
    weight: random.pick([0, 1, 1, 3, 100]),
    upperThreshold: random.pick([0, 0, 4]),
    lowerThreshold: random.pick([0, 2]),
    tunnel: random.pick(TUNNELS),
  }
}

function randomServiceSettings(random: Random, key: ServiceKey): ServiceSettings {
  const isV6 = 'firewallMark' in key ? key.family === 6 : key.address.includes(':')
  return {
    scheduler: random.pick(SCHEDULER_NAMES),
    schedulerFlags: random.below(8),
    persistenceTimeoutS: random.pick([0, 0, 300]),
    netmask: isV6 ? 128 : 0xffffffff,
    onePacket: random.oneIn(3),
    persistenceEngine: random.oneIn(4) ? 'sip' : null,
  }
}

function randomMark(random: Random): MarkRule {
  return {
    mark: random.pick([5, 5, 6]),
    protocol: random.pick(['tcp', 'udp', 'sctp', null]),
    source: null,
    destination: random.pick(MARKED),
    sourcePorts: random.oneIn(4) ? [5000, 5003] : null,
    destinationPorts: random.oneIn(2) ? [80, 81] : null,
  }
}

/** What was asked for, in the order it is listed in. */
export function listWishes(lab: Laboratory): string {
  lab.use()
  const services = [...lab.director.services.values()].map((entry) => {
    const { key, settings, servers } = listService(entry)
    const wishes = servers.map(
      ({ address, port, forwarding, weight, upperThreshold, lowerThreshold, tunnel }) =>
        [address, port, forwarding, weight, upperThreshold, lowerThreshold, tunnel] as const,
    )
    return { key, settings, wishes, locals: entry.locals.map(({ address }) => address) }
  })
  return JSON.stringify([...services, lab.director.marks.rules], undefined, 1)
}

/** Everything there is to see. */
export function listAll(lab: Laboratory): string {
  lab.use()
  const services = [...lab.director.services.values()].map((entry) => ({
    ...listService(entry),
    locals: lab.director.locals.list(entry),
  }))
  // Rates begin anew with every director.
  return JSON.stringify(services, (name, value: unknown) => (name === 'rates' ? 0 : value), 1)
}
