/**
 * What else virtual services can be, for wild frames: persistent, by firewall mark, one-packet, of SCTP, of a range of
 * ports or all of them, and with every kind of tunnel. On addresses of their own, beside those of wild-laboratory.ts.
 */
import type {
  ForwardingMethod,
  MarkRule,
  ServerSettings,
  ServiceKey,
  ServiceProtocol,
  ServiceSettings,
  Tunnel,
} from '../../src/director/model.ts'
import { CAPACITIES, type Laboratory } from '../goldens/laboratory.ts'
import type { World } from './wild-frames.ts'
import { layoutOf } from './sums.ts'
import { servers, VIPS, WORLD } from './wild-laboratory.ts'

/** Of the rest: an address for each family, and one on which all ports are one service. */
export const FURTHER = ['10.0.0.101', '2001:db8:a::101'] as const
export const WHOLE = ['10.0.0.102', '2001:db8:a::102'] as const
export const MARKED = { first: 440, last: 449 } as const

export const TUNNELS: readonly (readonly [number, Tunnel])[] = [
  [100, { type: 'gue', port: 6080, checksum: 'none' }],
  [101, { type: 'gue', port: 6080, checksum: 'checksum' }],
  [102, { type: 'gre', port: 0, checksum: 'none' }],
  [103, { type: 'gre', port: 0, checksum: 'checksum' }],
  [104, { type: 'gue', port: 6081, checksum: 'remote-checksum' }],
  [105, { type: 'ipip', port: 0, checksum: 'none' }],
]

/** Rows for both laboratories' services. */
export const WIDER_CAPACITIES: Readonly<Record<string, number>> = {
  ...CAPACITIES,
  services: 128,
  serviceIndex: 256,
  servers: 512,
  serverOrigins: 512,
  natServers: 1024,
  pool: 1 << 18,
}

/** Of the families that `vips` are of. */
export function addWildServices(lab: Laboratory, vips: readonly string[] = VIPS): void {
  for (const [i, vip] of FURTHER.entries()) {
    if (!vips.includes(VIPS[i]!)) continue
    const is6 = vip.includes(':')
    const other = vips.includes(VIPS[1 - i]!) ? VIPS[1 - i]! : vip
    const add = (
      key: ServiceKey,
      forwarding: ForwardingMethod,
      settings: Partial<ServiceSettings> = {},
      more: Partial<ServerSettings> = {},
      addresses = servers(vip),
    ) => {
      lab.addService(key, settings.scheduler ?? 'wrr', settings)
      const changes = forwarding === 'masquerade' || forwarding === 'fullnat'
      const port = 'port' in key ? key.port : 0
      for (const address of addresses) {
        lab.addServer(key, { address, port: changes && port !== 0 ? 8080 : port }, { forwarding, ...more })
      }
      if (forwarding === 'fullnat') for (const one of servers(vip, 200)) lab.addLocal(key, one)
    }
    const at = (protocol: ServiceProtocol, port: number, lastPort?: number): ServiceKey => ({
      protocol,
      address: vip,
      port,
      ...(lastPort !== undefined && { lastPort }),
    })
    const network = is6 ? 64 : 0xffffff00
    add(at('tcp', 80), 'masquerade', { persistenceTimeoutS: 30 })
    add(at('udp', 80), 'direct', { persistenceTimeoutS: 10, netmask: network })
    add(at('tcp', 81), 'fullnat', { persistenceTimeoutS: 20 })
    add(at('udp', 81), 'masquerade', { onePacket: true })
    add(at('udp', 82), 'tunnel', { onePacket: true })
    add(at('tcp', 21), 'masquerade', { persistenceTimeoutS: 30 })
    add(at('sctp', 80), 'masquerade', { scheduler: 'rr' })
    add(at('sctp', 81), 'direct', { persistenceTimeoutS: 10 })
    add(at('sctp', 82), 'tunnel')
    add(at('sctp', 83), 'fullnat')
    add(at('tcp', 8000, 8100), 'direct', { scheduler: 'sh', schedulerFlags: 2 })
    add(at('udp', 8000, 8100), 'tunnel', { scheduler: 'mh', schedulerFlags: 3 })
    for (const [port, tunnel] of TUNNELS) {
      add(at('tcp', port), 'tunnel', {}, { tunnel })
      add(at('udp', port), 'tunnel', {}, { tunnel }, servers(other))
    }
    const whole = { protocol: 'tcp', address: WHOLE[i]!, port: 0 } as const
    add(whole, 'direct', { persistenceTimeoutS: 15 })
    const mark = { firewallMark: 7 + i, family: is6 ? 6 : 4 } as const
    add(mark, 'direct', { persistenceTimeoutS: 20, netmask: is6 ? 128 : 0xffffffff })
  }
  const families = [...FURTHER.keys()].filter((i) => vips.includes(VIPS[i]!))
  const refusal = lab.director.marks.set(families.flatMap(markRules))
  if (refusal !== null) throw new Error(refusal.message)
}

export function markRules(i: number): MarkRule[] {
  const width = FURTHER[i]!.includes(':') ? 128 : 32
  const rule = (protocol: ServiceProtocol): MarkRule => ({
    mark: 7 + i,
    protocol,
    source: null,
    destination: `${FURTHER[i]!}/${width}`,
    sourcePorts: null,
    destinationPorts: [MARKED.first, MARKED.last],
  })
  return [rule('tcp'), rule('udp')]
}

/** TCP services that send by a tunnel, of both laboratories. */
export const TUNNEL_PORTS: ReadonlySet<number> = new Set([82, 85, ...TUNNELS.map(([port]) => port)])

/**
 * May the frame stand for many segments, in a test run of the kernel? It has no way to say that they are of TCP, and
 * opens and closes no room in large frames of anything else (bpf_skb_net_grow).
 */
export function mayBeLarge(frame: Uint8Array): boolean {
  const type = (frame[12]! << 8) | frame[13]!
  if (frame.length < 60 || (type !== 0x0800 && type !== 0x86dd)) return false
  const { protocol, transport, isFragment } = layoutOf(frame)
  if (protocol !== 6 || isFragment || transport + 4 > frame.length) return false
  return !TUNNEL_PORTS.has((frame[transport + 2]! << 8) | frame[transport + 3]!)
}

/** Of both laboratories. */
export const WIDER_WORLD: World = {
  ...WORLD,
  destinations: [...WORLD.destinations, ...FURTHER, ...FURTHER, ...FURTHER, ...WHOLE],
  ports: [
    ...WORLD.ports,
    ...[20, 21, MARKED.first, MARKED.last, MARKED.last + 1, 8000, 8050, 8100, 8101],
    ...TUNNELS.map(([port]) => port),
  ],
}
