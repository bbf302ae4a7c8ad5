/**
 * A packet path in memory, for measuring: frames of as many clients as wanted, and no interface.
 */
import type { ForwardingMethod } from '../../src/director/model.ts'
import { forward } from '../../src/dataplane/main.ts'
import { TABLES } from '../../src/dataplane/tables.ts'
import { Packet } from '../../src/subset/packet.ts'
import { allocateTables } from '../../src/subset/table.ts'
import { TcpFlag } from '../../src/wire/tcp.ts'
import { tcpFrame } from '../../src/wire/flow.ts'
import { furnish } from './furnish.ts'

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
    furnish({ forwarding, vip: VIP, mac: MAC })
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
