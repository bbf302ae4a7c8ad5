/**
 * Virtual services and real servers by lot: any scheduler, method, weight, threshold, persistence and tunnel. What the
 * director refuses of them is there in no laboratory.
 */
import type { Random } from '../../../src/base/random.ts'
import { serviceFamily } from '../../../src/director/check.ts'
import type {
  ForwardingMethod,
  ServerSettings,
  ServiceKey,
  ServiceProtocol,
  ServiceSettings,
} from '../../../src/director/model.ts'
import type { Laboratory } from '../../goldens/laboratory.ts'
import { SCHEDULERS, servers, VIPS } from '../../packets/wild-laboratory.ts'
import { FURTHER, TUNNEL_PORTS, TUNNELS, WHOLE, WIDER_WORLD } from '../../packets/wild-services.ts'
import type { Edit } from './twins.ts'

export type Family = 4 | 6

const ADDRESSES = {
  4: [VIPS[0], FURTHER[0], WHOLE[0]],
  6: [VIPS[1], FURTHER[1], WHOLE[1]],
} as const
/** The laboratory has them as addresses of its own. */
const OWN = { 4: '10.0.0.1', 6: '2001:db8:a::1' } as const
const FAR = { 4: '203.0.113.5', 6: '2001:db8:c::5' } as const
const PROTOCOLS: readonly ServiceProtocol[] = ['tcp', 'udp', 'sctp']
const WEIGHTS = [0, 1, 1, 1, 2, 3, 100, 0x7fffffff]
const NETMASKS = { 4: [0xffffffff, 0xffffffff, 0xffffff00, 0], 6: [128, 128, 64, 1] } as const
const RANGE = { port: 8000, lastPort: 8100 }
const METHODS: readonly ForwardingMethod[] = [
  'masquerade',
  'masquerade',
  'direct',
  'tunnel',
  'fullnat',
  'local',
]

/**
 * On every address of the family a few, of every protocol; and one by firewall mark. `mayCross`: tunnels may lead to
 * servers of the other family.
 */
export function drawServices(random: Random, family: Family, mayCross: boolean): Edit[] {
  const mark = { firewallMark: family === 4 ? 7 : 8, family } as const
  const keys = ADDRESSES[family].flatMap((address) =>
    PROTOCOLS.flatMap((protocol) => drawKeys(random, protocol, address)),
  )
  return [...keys, mark].flatMap((key) => drawService(random, key, mayCross))
}

function drawKeys(random: Random, protocol: ServiceProtocol, address: string): ServiceKey[] {
  const keys: ServiceKey[] = []
  for (let i = 0; i < 4; i++) {
    keys.push({ protocol, address, port: random.pick(WIDER_WORLD.ports) })
  }
  if (random.oneIn(3)) keys.push({ protocol, address, port: 0 })
  if (random.oneIn(3)) keys.push({ protocol, address, ...RANGE })
  if (random.oneIn(3) && protocol === 'tcp') keys.push({ protocol, address, port: 21 })
  return keys
}

/** The service, its servers and local addresses; what the director refuses of them is not there in either. */
export function drawService(random: Random, key: ServiceKey, mayCross: boolean): Edit[] {
  const family = serviceFamily(key)
  const settings = drawServiceSettings(random, family)
  const method = random.pick(METHODS)
  const count = random.pick([0, 1, 2, 3, 3, 5])
  const members = Array.from({ length: count }, () => drawServer(random, key, mayCross, method))
  const locals = random.oneIn(6) ? [] : servers(VIPS[family === 4 ? 0 : 1], 200)
  const text = JSON.stringify(key)
  return [
    {
      says: `add service ${text} ${JSON.stringify(settings)}`,
      apply: ({ director }) => saidOf(director.addService(key, settings)),
    },
    ...locals.slice(0, random.below(locals.length + 1)).map((address) => ({
      says: `add local ${address} to ${text}`,
      apply: ({ director }: Laboratory) => {
        const entry = director.find(key)
        return entry === undefined ? 'no service' : saidOf(director.locals.add(entry, address))
      },
    })),
    ...members,
  ]
}

function drawServiceSettings(random: Random, family: Family): ServiceSettings {
  const persistenceTimeoutS = random.oneIn(3) ? 1 + random.below(40) : 0
  return {
    scheduler: random.pick(SCHEDULERS),
    schedulerFlags: random.pick([0, 0, random.below(8)]),
    persistenceTimeoutS,
    netmask: random.pick<number>(NETMASKS[family]),
    onePacket: random.oneIn(8),
    persistenceEngine: persistenceTimeoutS !== 0 && random.oneIn(5) ? 'sip' : null,
  }
}

/** A real server of any kind; mostly by the method that is its service's. */
export function drawServer(
  random: Random,
  key: ServiceKey,
  mayCross: boolean,
  method: ForwardingMethod,
): Edit {
  const family = serviceFamily(key)
  const forwarding = fitting(random.oneIn(5) ? random.pick(METHODS) : method, key)
  const isCrossed = mayCross && forwarding === 'tunnel' && random.oneIn(3)
  const address = drawServerAddress(random, isCrossed ? (family === 4 ? 6 : 4) : family)
  const port = 'port' in key ? key.port : 0
  const changes = forwarding === 'masquerade' || forwarding === 'fullnat'
  const server = { address, port: changes && !random.oneIn(4) ? 8080 : port }
  const settings = drawServerSettings(random, forwarding)
  return {
    says: `add server ${JSON.stringify({ ...server, ...settings })} to ${JSON.stringify(key)}`,
    apply(lab) {
      const refusal = lab.director.addServer(key, server, settings)
      if (refusal === null) lab.hops.ensureServerHop(server.address)
      return saidOf(refusal)
    },
  }
}

/** Large frames go to TCP services, and may not go into tunnels where tests run (wild-services.ts: mayBeLarge). */
function fitting(method: ForwardingMethod, key: ServiceKey): ForwardingMethod {
  if (method !== 'tunnel') return method
  if ('firewallMark' in key) return 'direct'
  return key.protocol !== 'tcp' || TUNNEL_PORTS.has(key.port) ? method : 'direct'
}

/** Mostly one whose neighbour is known. */
function drawServerAddress(random: Random, family: Family): string {
  const vip = VIPS[family === 4 ? 0 : 1]
  if (random.oneIn(12)) return OWN[family]
  if (random.oneIn(12)) return FAR[family]
  return servers(vip, random.oneIn(12) ? 80 : 1 + random.below(7))[0]!
}

export function drawServerSettings(random: Random, forwarding: ForwardingMethod): ServerSettings {
  const upperThreshold = random.pick([0, 0, 0, 2, 4])
  return {
    forwarding,
    weight: random.pick(WEIGHTS),
    upperThreshold,
    lowerThreshold: random.below(upperThreshold + 1),
    tunnel: random.pick(TUNNELS)[1],
  }
}

/** What the director said to an edit, to be compared. */
export function saidOf(refusal: { readonly message: string } | null): string {
  return refusal === null ? 'done' : refusal.message
}
