/**
 * A director in memory, for measuring: one virtual service with sixteen real servers, frames of as many clients as
 * wanted, and no interface.
 */
import { Director } from '../../src/director/director.ts'
import { Hops } from '../../src/director/hops.ts'
import { initTables } from '../../src/director/init.ts'
import type { ForwardingMethod } from '../../src/director/model.ts'
import type { Route } from '../../src/director/routes.ts'
import { forward } from '../../src/dataplane/main.ts'
import { TABLES } from '../../src/dataplane/tables.ts'
import { Packet } from '../../src/subset/packet.ts'
import { setNow } from '../../src/subset/clock.ts'
import { allocateTables } from '../../src/subset/table.ts'
import { TcpFlag } from '../../src/wire/tcp.ts'
import { tcpFrame } from '../../src/wire/flow.ts'

const SERVERS = 16
export const VIP = '10.0.0.100'
const MAC = '02:00:00:00:00:01'

/** Where a client's address and port stand in a frame without options. */
const SOURCE_ADDRESS = 26
const SOURCE_PORT = 34
const IP_CHECKSUM = 24

const ROOM = 256
const START = 128

export class World {
  readonly #memory = new Uint8Array(ROOM + 128)
  readonly #view = new DataView(this.#memory.buffer)
  readonly #packet = new Packet()

  constructor(forwarding: ForwardingMethod) {
    allocateTables(TABLES).use()
    initTables({ hashSeed: 0x5eed })
    setNow(1)
    const hops = Hops.begin()
    const addresses = [
      { ip: '10.0.0.1', bits: 8 },
      { ip: VIP, bits: 32 },
    ]
    hops.apply({
      links: [{ index: 1, mac: MAC, mtu: 1500 }],
      addresses: addresses.map(({ ip, bits }) => ({
        interfaceIndex: 1,
        ip,
        subnet: { ip, bits },
        scope: 'global',
        isDeprecated: false,
      })),
      routes: [route('0.0.0.0', 0, '10.0.0.2'), route('10.9.0.0', 24, undefined)],
    })
    const neighbours = ['10.0.0.2', ...serverAddresses()]
    neighbours.forEach((ip, i) => {
      const mac = `02:00:00:00:01:${i.toString(16).padStart(2, '0')}`
      hops.changeNeighbour({ interfaceIndex: 1, ip, mac, state: 'permanent' })
    })
    hops.setAttached(1, true)
    this.#addService(forwarding)
  }

  #addService(forwarding: ForwardingMethod): void {
    const director = new Director()
    const key = { protocol: 'tcp', address: VIP, port: 80 } as const
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
    for (const address of serverAddresses()) {
      must(director.addServer(key, { address, port: 80 }, settings))
    }
    if (forwarding !== 'fullnat') return
    for (let i = 1; i <= 8; i++) {
      must(director.locals.add(director.find(key)!, `10.8.0.${i}`))
    }
  }

  /** Frames that clients send: a SYN, or an ACK of 64 bytes. */
  frame(isSyn: boolean): Uint8Array {
    const frame = tcpFrame('10.64.0.0:1024', `${VIP}:80`, {
      flags: isSyn ? TcpFlag.syn : TcpFlag.ack,
      data: new Uint8Array(10),
      over: { destinationMac: MAC },
    })
    return frame
  }

  /** Runs `frame` as if client number `flow` had sent it: the reason. */
  run(frame: Uint8Array, flow: number): number {
    this.write(frame, flow)
    const packet = this.#packet
    packet.point(this.#view, START, frame.length, 0, ROOM + 128)
    packet.ingress = 1
    packet.hasPartialChecksum = false
    packet.segmentSize = 0
    return forward(packet)
  }

  /** What `run` does before the packet path begins. Checksums are changed by what address and port differ. */
  write(frame: Uint8Array, flow: number): void {
    const view = this.#view
    this.#memory.set(frame, START)
    const address = (0x0a400000 + (flow >>> 10)) >>> 0
    const port = 1024 + (flow & 1023)
    view.setUint32(START + SOURCE_ADDRESS, address)
    view.setUint16(START + SOURCE_PORT, port)
    const sum = (view.getUint16(START + IP_CHECKSUM) ^ 0xffff) + (address & 0xffff)
    const more = sum + (address >>> 16) - 0x0a40
    view.setUint16(START + IP_CHECKSUM, ((more & 0xffff) + (more >>> 16)) ^ 0xffff)
  }
}

function serverAddresses(): string[] {
  return Array.from({ length: SERVERS }, (_, i) => `10.9.0.${i + 1}`)
}

function route(ip: string, bits: number, gateway: string | undefined): Route {
  const nexthops = [{ gateway, interfaceIndex: 1 }] as const
  const common = { metric: 0, mtu: undefined, preferredSource: undefined }
  return { kind: 'forward', prefix: { ip, bits }, nexthops, ...common }
}

function must(outcome: unknown): void {
  if (outcome !== null) throw new Error(`refused: ${JSON.stringify(outcome)}`)
}
