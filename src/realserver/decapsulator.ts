/**
 * The end of the director's tunnels, for kernels without one and without a device to configure.
 *
 *   raw sockets, IPIP and GRE; UDP socket, GUE ──► unwrap ──► TUN device ──► the host's stack ──► the server
 *        (behind the host's firewall, reassembled)                                │
 *                                    client ◄── the answer, from the VIP ── the host's routes
 *
 * Differs from IPVS: there a tunl0 of the real server's kernel does this, or its kin for GRE and GUE. Here as there,
 * inner packets are taken whoever sent the tunnel packet, unless directors are named: who may send them is the
 * firewall's business (protocols 4, 41, 47 and the UDP port, from directors).
 */
import { familyOf } from '../base/ip.ts'
import { isKernelError } from '../kernel/errno.ts'
import { Readiness } from '../kernel/ffi.ts'
import { RawSocket, RECEIVE_MAX } from '../kernel/packet/raw-socket.ts'
import { Tun } from '../kernel/packet/tun.ts'
import {
  clearVirtioHeader,
  noOffloads,
  VirtioFlag,
  VIRTIO_HEADER_SIZE,
  writeVirtioHeader,
} from '../kernel/packet/virtio-header.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { REFUSALS, Unwrapper, type Refusal } from './unwrap.ts'

/** Batches in a row before others on Node's loop have their turn. */
const BATCHES_MAX = 8

/** What came, and what became of it. */
export interface DecapsulatorCounts {
  readonly delivered: number
  readonly refused: Readonly<Record<Refusal, number>>
  /** Came faster than they were taken: dropped by the kernel before they were looked at. */
  readonly overrun: number
  /** Not taken by the stack, by the error's name. */
  readonly failed: Readonly<Record<string, number>>
}

export interface DecapsulatorOptions {
  readonly mtu: number
  readonly guePort: number
  readonly directors: readonly string[]
}

interface Entrance {
  readonly socket: RawSocket
  readonly protocol: number
  readonly readiness: Readiness
}

export class Decapsulator {
  readonly deviceName: string
  readonly #tun: Tun
  readonly #unwrapper: Unwrapper
  readonly #entrances: Entrance[] = []
  readonly #refused: Record<Refusal, number>
  readonly #offloads = noOffloads()
  readonly #onFirst: (refusal: Refusal) => void

  private constructor(tun: Tun, unwrapper: Unwrapper, onFirst: (refusal: Refusal) => void) {
    this.#tun = tun
    this.deviceName = tun.name
    this.#unwrapper = unwrapper
    this.#onFirst = onFirst
    const names = Object.keys(REFUSALS) as Refusal[]
    this.#refused = Object.fromEntries(names.map((name) => [name, 0])) as Record<Refusal, number>
  }

  /**
   * Begins at once, in this thread's network namespace, for packets to these canonical VIPs. No packet of more than
   * `mtu` bytes comes over the wire as one; GUE comes to UDP port `guePort`; none but `directors` may send, if there
   * are any. `onFirst` hears of the first packet refused for each reason. Throws KernelError: EPERM, ENOENT without
   * /dev/net/tun, EADDRINUSE if somebody has the port.
   */
  static open(
    vips: readonly string[],
    { mtu, guePort, directors }: DecapsulatorOptions,
    onFirst: (refusal: Refusal) => void,
  ): Decapsulator {
    const unwrapper = new Unwrapper(vips, { datagramMax: mtu, directors })
    const decapsulator = new Decapsulator(Tun.open(), unwrapper, onFirst)
    try {
      const families = new Set(vips.map(familyOf))
      const inIp = [...families].map((family) => (family === 4 ? Protocol.ipip : Protocol.ipv6))
      for (const outer of [4, 6] as const) {
        for (const protocol of [...inIp, Protocol.gre]) {
          decapsulator.#listen(protocol, () => RawSocket.open(outer, protocol))
        }
        decapsulator.#listen(Protocol.udp, () => RawSocket.openUdp(outer, guePort))
      }
      return decapsulator
    } catch (error) {
      decapsulator.close()
      throw error
    }
  }

  counts(): DecapsulatorCounts {
    const dropped = this.#entrances.map(({ socket }) => socket.dropped)
    return {
      delivered: this.#tun.injected,
      refused: { ...this.#refused },
      overrun: dropped.reduce((sum, one) => sum + one, 0),
      failed: Object.fromEntries(this.#tun.errors),
    }
  }

  /** The device is gone, and the kernel answers tunnel packets with "protocol unreachable" again. */
  close(): void {
    for (const { readiness, socket } of this.#entrances) {
      readiness.stop() // before the descriptor is closed
      socket.close()
    }
    this.#entrances.length = 0
    this.#tun.close()
  }

  #listen(protocol: number, open: () => RawSocket): void {
    let socket: RawSocket
    try {
      socket = open()
    } catch (error) {
      if (isKernelError(error, 'EAFNOSUPPORT')) return // a kernel without IPv6
      throw error
    }
    const readiness = new Readiness(socket.fd, () => this.#take(socket, protocol))
    this.#entrances.push({ socket, protocol, readiness })
  }

  #take(socket: RawSocket, protocol: number): void {
    for (let batch = 0; batch < BATCHES_MAX; batch++) {
      const count = socket.receive()
      for (let i = 0; i < count; i++) {
        if (socket.look(i)) this.#pass(socket, protocol)
      }
      if (count < RECEIVE_MAX) return
    }
  }

  /** Unwraps the packet that `socket` looks at, and gives it to the stack. */
  #pass(socket: RawSocket, protocol: number): void {
    const unwrapper = this.#unwrapper
    const { memory, payloadStart: start, payloadLength, trafficClass, source } = socket
    const { bytes } = memory
    const refusal = unwrapper.unwrap(bytes, start, payloadLength, protocol, trafficClass, source)
    if (refusal !== undefined) {
      if (this.#refused[refusal]++ === 0) this.#onFirst(refusal)
      return
    }
    // The virtio header takes the place of what was before the packet, or of the room there.
    const at = unwrapper.start - VIRTIO_HEADER_SIZE
    if (unwrapper.checksumOffset === 0) {
      clearVirtioHeader(bytes, at)
    } else {
      const offloads = this.#offloads
      offloads.flags = VirtioFlag.needsChecksum
      offloads.checksumStart = unwrapper.checksumStart
      offloads.checksumOffset = unwrapper.checksumOffset
      writeVirtioHeader(bytes, at, offloads, 0)
    }
    this.#tun.inject(memory, unwrapper.start, unwrapper.length)
  }
}
