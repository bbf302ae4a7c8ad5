/**
 * What a director's tables hold when it is measured: one virtual service at port 80, its real servers, one interface
 * to everybody.
 */
import { Director } from '../../src/director/director.ts'
import { Hops } from '../../src/director/hops/hops.ts'
import { initTables } from '../../src/director/init.ts'
import type { ForwardingMethod } from '../../src/director/model.ts'
import type { Route } from '../../src/director/hops/routes.ts'
import { setNow } from '../../src/subset/clock.ts'

export interface Furniture {
  readonly forwarding: ForwardingMethod
  readonly vip: string
  /** Of the interface, number 1. */
  readonly mac: string
  readonly servers?: number
  readonly connectionsMax?: number
}

const GATEWAY = '10.0.0.2'

/** Fills the tables in use, which are all zero. */
export function furnish({ forwarding, vip, mac, servers = 16, connectionsMax }: Furniture): void {
  initTables({ hashSeed: 0x5eed, ...(connectionsMax === undefined ? {} : { connectionsMax }) })
  setNow(1)
  const addresses = Array.from({ length: servers }, (_, i) => `10.9.0.${i + 1}`)
  connect(vip, mac, addresses)
  const director = new Director()
  const key = { protocol: 'tcp', address: vip, port: 80 } as const
  must(
    director.addService(key, {
      scheduler: 'rr',
      schedulerFlags: 0,
      persistenceTimeoutS: 0,
      netmask: 0xffffffff,
      onePacket: false,
      persistenceEngine: null,
    }),
  )
  const tunnel = { type: 'ipip', port: 0, checksum: 'none' } as const
  const settings = { forwarding, weight: 1, upperThreshold: 0, lowerThreshold: 0, tunnel }
  for (const address of addresses) must(director.addServer(key, { address, port: 80 }, settings))
  if (forwarding !== 'fullnat') return
  for (let i = 1; i <= 8; i++) must(director.locals.add(director.find(key)!, `10.8.0.${i}`))
}

function connect(vip: string, mac: string, servers: readonly string[]): void {
  const hops = Hops.begin()
  const addresses = [
    { ip: '10.0.0.1', bits: 8 },
    { ip: vip, bits: 32 },
  ]
  hops.apply({
    links: [{ index: 1, mac, mtu: 1500 }],
    addresses: addresses.map(({ ip, bits }) => ({
      interfaceIndex: 1,
      ip,
      subnet: { ip, bits },
      scope: 'global',
      isDeprecated: false,
    })),
    routes: [route('0.0.0.0', 0, GATEWAY), route('10.9.0.0', 24, undefined)],
  })
  for (const [i, ip] of [GATEWAY, ...servers].entries()) {
    const neighbour = `02:00:00:00:01:${i.toString(16).padStart(2, '0')}`
    hops.changeNeighbour({ interfaceIndex: 1, ip, mac: neighbour, state: 'permanent' })
  }
  hops.setAttached(1, true)
  hops.setTakesXdp(1, true)
  hops.setSendsBack(1, true)
}

function route(ip: string, bits: number, gateway: string | undefined): Route {
  const nexthops = [{ gateway, interfaceIndex: 1 }] as const
  const common = { metric: 0, mtu: undefined, preferredSource: undefined }
  return { kind: 'forward', prefix: { ip, bits }, nexthops, ...common }
}

function must(outcome: unknown): void {
  if (outcome !== null) throw new Error(`refused: ${JSON.stringify(outcome)}`)
}
