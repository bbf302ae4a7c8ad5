/**
 * The laboratory that wild frames are sent to: services of every forwarding method, in both families and protocols, and
 * some that cannot forward at all; every scheduler among them, with servers that are heavy or soon full.
 */
import { SchedulerId } from '../../src/dataplane/schedule.ts'
import type { ForwardingMethod, ServiceKey } from '../../src/director/model.ts'
import { DIRECTOR_MAC, Laboratory, type LaboratoryOptions } from '../goldens/laboratory.ts'
import type { World } from './wild-frames.ts'

export const VIPS = ['10.0.0.100', '2001:db8:a::100'] as const
/** Port by method; two more for tunnels to the other family, and for a service whose servers are not resolved. */
export const PORTS: readonly (readonly [number, ForwardingMethod])[] = [
  [80, 'masquerade'],
  [81, 'direct'],
  [82, 'tunnel'],
  [83, 'fullnat'],
  [84, 'local'],
]
const CROSSED = 85
const UNRESOLVED = 86
const WITHOUT_LOCAL = 87
const EMPTY = 88
const FAR = 89

export function servers(vip: string, first = 1): string[] {
  const prefix = vip.includes(':') ? '2001:db8:b::' : '192.168.10.'
  return [first, first + 1, first + 2].map((n) => `${prefix}${10 + n}`)
}

export const SCHEDULERS = Object.keys(SchedulerId).filter((name) => name !== 'none')
/** Of a service's first, second and third server. */
const LOADS = [
  { weight: 1 },
  { weight: 3, upperThreshold: 4, lowerThreshold: 2 },
  { weight: 2 },
] as const

/** Every method, both families unless only some VIPs are wanted, both protocols. */
export function makeLaboratory(
  options: LaboratoryOptions = {},
  vips: readonly string[] = VIPS,
): Laboratory {
  const lab = new Laboratory({ connectionsMax: 250, icmpPerSecond: 4, ...options })
  let services = 0
  for (const vip of vips) {
    const other = vips.find((each) => each !== vip)
    for (const protocol of ['tcp', 'udp'] as const) {
      const add = (port: number, forwarding: ForwardingMethod, addresses: readonly string[]) => {
        const key: ServiceKey = { protocol, address: vip, port }
        lab.addService(key, SCHEDULERS[services++ % SCHEDULERS.length])
        const serverPort = forwarding === 'masquerade' || forwarding === 'fullnat' ? 8080 : port
        addresses.forEach((address, i) => {
          lab.addServer(key, { address, port: serverPort }, { forwarding, ...LOADS[i] })
        })
        return key
      }
      for (const [port, forwarding] of PORTS) {
        const key = add(port, forwarding, servers(vip))
        if (forwarding !== 'fullnat') continue
        for (const local of servers(vip, 200)) lab.addLocal(key, local)
      }
      if (other !== undefined) add(CROSSED, 'tunnel', servers(other))
      add(UNRESOLVED, 'masquerade', servers(vip, 80))
      add(WITHOUT_LOCAL, 'fullnat', servers(vip))
      add(EMPTY, 'direct', [])
      add(FAR, 'direct', [vip.includes(':') ? '2001:db8:c::5' : '203.0.113.5'])
    }
  }
  return lab
}

/** Who speaks with whom. */
export const WORLD: World = {
    clients: [
      '10.0.0.10',
      '10.0.0.2',
      '192.0.2.7',
      '0.0.0.0',
      '224.0.0.1',
      '2001:db8:a::10',
      '::',
      'ff02::1',
    ],
    destinations: [...VIPS, ...VIPS, ...VIPS, '192.168.10.11', '10.0.0.1', '2001:db8:b::11'],
    ports: [80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 80, 83, 4000],
    directorMac: DIRECTOR_MAC.client,
  }
