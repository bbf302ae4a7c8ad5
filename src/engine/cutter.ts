/**
 * Frames that the kernel's packet path cannot finish come here by a device of ours. In the place of their MAC addresses
 * stands what they are (dataplane/oversize.ts).
 *
 * Too long for their way, but routers may cut them: the path cannot make two frames of one. They are ready but for that
 * and their addresses; here they are cut, and leave. One whose neighbour is not known waits for it here.
 * Large ones in a tunnel with checksums: the kernel has cut them on the way here, and each gets its own.
 * Fragments before the first one of their datagram: they wait for it here (early-fragments.ts).
 * Packets whose call is to be read (dataplane/call.ts).
 *
 * The device goes with this process: while no daemon runs, long frames and new calls are dropped, and early fragments
 * left to the host.
 */
import { wordsToIp } from '../base/ip.ts'
import { Flow } from '../dataplane/flow.ts'
import { findHop, isResolved } from '../dataplane/route.ts'
import { flow } from '../dataplane/main.ts'
import { EARLY, UNSUMMED } from '../dataplane/oversize.ts'
import { hops, interfaces, type Hop } from '../dataplane/tables.ts'
import { Readiness } from '../kernel/ffi.ts'
import { changeLink } from '../kernel/netlink/link.ts'
import type { NetlinkSocket } from '../kernel/netlink/netlink.ts'
import { Tap } from '../kernel/packet/tap.ts'
import { noOffloads, VIRTIO_HEADER_SIZE } from '../kernel/packet/virtio-header.ts'
import type { TableSet } from '../subset/table.ts'
import { EarlyFragments } from './early-fragments.ts'
import { findResolved, writeAddresses } from './resolved-hop.ts'
import { finishOuter } from './segment.ts'
import { Transmitter } from './transmit.ts'
import { WaitingFrames } from './waiting-frames.ts'

/** Frames taken before Node's loop has its turn again. */
const TURN = 64
/** Between two looks for first fragments, while any fragments wait. */
const LOOK_MS = 5
const ETHERNET = 14
/** Of a TAP device. */
const MTU_MAX = 65_535 - ETHERNET
const IPV6_DESTINATION = ETHERNET + 24
const IPV6_HEADER = 40
/** Of a MAC address's first byte; of an interface's number it is zero there. */
const MULTICAST = 1
/** What stands between the IP headers of a tunnel packet with a checksum: GRE, or UDP. */
const BETWEEN_MIN = 8
const IPV4_MAPPED = 0xffff
const FRAME_MAX = VIRTIO_HEADER_SIZE + 65_535 + ETHERNET + IPV6_HEADER
const PLAIN = noOffloads()

type Asked = (interfaceIndex: number, address: string) => void

export class Cutter {
  /** Frames that nothing leads further. */
  #lost = 0
  readonly #tap: Tap
  readonly #tables: TableSet
  readonly #readiness: Readiness
  readonly #transmitter = new Transmitter()
  readonly #waiting = new WaitingFrames()
  readonly #bytes = new Uint8Array(FRAME_MAX)
  readonly #flow = Flow.local()
  readonly #onUnresolved: Asked
  readonly #early: EarlyFragments
  #look: NodeJS.Timeout | undefined

  private constructor(tap: Tap, tables: TableSet, onUnresolved: Asked) {
    this.#tap = tap
    this.#early = new EarlyFragments({
      pass: (memory, start, length) => tap.inject(memory, start, length),
      send: (frame, departure) => {
        if (departure.egress === tap.interfaceIndex) this.#send(frame)
        else this.#transmitter.sendCopy(frame, departure)
      },
      hold: (frame, { egress }) => {
        if (egress === tap.interfaceIndex) return this.#send(frame)
        const { next0, next1, next2, next3 } = flow
        this.#wait(frame, egress, wordsToIp(next0, next1, next2, next3))
      },
    })
    this.#tables = tables
    this.#onUnresolved = onUnresolved
    this.#readiness = new Readiness(tap.fd, () => this.#takeSome())
  }

  /** In this thread's network namespace, `socket`'s, too; `name` as for `Tap.open`. Throws KernelError. */
  static open(name: string, socket: NetlinkSocket, tables: TableSet, onAsked: Asked): Cutter {
    const tap = Tap.open(name)
    try {
      // XDP sends nothing by a device that is longer than its MTU.
      changeLink(socket, tap.interfaceIndex, { mtu: MTU_MAX })
      return new Cutter(tap, tables, onAsked)
    } catch (error) {
      tap.close()
      throw error
    }
  }

  /** Where frames are to be sent to be cut. */
  get interfaceIndex(): number {
    return this.#tap.interfaceIndex
  }

  #takeSome(): void {
    this.#tables.use()
    for (let i = 0; i < TURN; i++) {
      const taken = this.#tap.take(this.#bytes)
      if (taken === 0) break
      this.#send(this.#bytes.subarray(VIRTIO_HEADER_SIZE, taken))
    }
    this.#transmitter.flush()
  }

  #send(frame: Uint8Array): void {
    // What the host itself sends out by every interface is for many.
    if (frame.length < ETHERNET || (frame[0]! & MULTICAST) !== 0) return
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
    const high = view.getUint16(0)
    const egress = (((high & ~UNSUMMED) << 16) | view.getUint16(6)) >>> 0
    const row = view.getUint32(2)
    if (row === EARLY) return this.#takeEarly(frame, view, egress)
    if (frame.length < ETHERNET + IPV6_HEADER) return
    if ((high & UNSUMMED) !== 0) {
      if (frame.length < ETHERNET + IPV6_HEADER + BETWEEN_MIN) return
      finishOuter(frame)
    }
    const known = row < hops.memory.capacity ? hops.row(row) : undefined
    if (known !== undefined && isResolved(known) && known.interface === egress) {
      return this.#cut(frame, known)
    }
    const address = this.#neighbourOf(view)
    if (address === undefined) {
      this.#lost++
      return
    }
    const hop = findResolved(egress, address)
    if (hop === undefined) this.#wait(frame, egress, address)
    else this.#cut(frame, hop)
  }

  #wait(frame: Uint8Array, egress: number, address: string): void {
    const waiting = { bytes: frame.slice(), offloads: PLAIN, grown: 0, outerBytes: 0 }
    const isFirst = this.#waiting.add(egress, address, { ...waiting, since: performance.now() })
    if (isFirst) this.#onUnresolved(egress, address)
  }

  /** It came in on `ingress`, addressed to that interface. */
  #takeEarly(frame: Uint8Array, view: DataView, ingress: number): void {
    if (ingress >= interfaces.memory.capacity) return
    const { macHigh, macLow } = interfaces.row(ingress)
    view.setUint16(0, macHigh)
    view.setUint32(2, macLow)
    this.#early.take({ bytes: frame.slice(), ingress })
    if (this.#early.length > 0) this.#look ??= setInterval(() => this.#lookForFirst(), LOOK_MS)
  }

  #lookForFirst(): void {
    this.#tables.use()
    this.#early.look()
    this.#transmitter.flush()
    if (this.#early.length > 0) return
    clearInterval(this.#look)
    this.#look = undefined
  }

  #cut(frame: Uint8Array, hop: Hop): void {
    writeAddresses(new DataView(frame.buffer, frame.byteOffset, frame.length), hop)
    const { interface: egress, mtu } = hop
    // Of IPv6 only what we put in front may be cut, and nothing else comes here.
    const outerBytes = frame[ETHERNET]! >>> 4 === 6 ? IPV6_HEADER : 0
    this.#transmitter.sendCopy(frame, { egress, mtu, outerBytes, offloads: PLAIN, grown: 0 })
  }

  /** Of IPv4 it stands in the frame; of IPv6 the destination's route tells. */
  #neighbourOf(view: DataView): string | undefined {
    if (view.getUint8(ETHERNET) >>> 4 === 4) return wordsToIp(0, 0, IPV4_MAPPED, view.getUint32(8))
    const words = [0, 4, 8, 12].map((at) => view.getUint32(IPV6_DESTINATION + at))
    findHop(this.#flow, ...(words as [number, number, number, number]))
    const { egress, next0, next1, next2, next3 } = this.#flow
    return egress === 0 ? undefined : wordsToIp(next0, next1, next2, next3)
  }

  /** The neighbour is known now: what waited for it leaves. */
  release(interfaceIndex: number, address: string): void {
    const frames = this.#waiting.take(interfaceIndex, address)
    if (frames.length === 0) return
    this.#tables.use()
    const hop = findResolved(interfaceIndex, address)
    if (hop === undefined) return
    for (const { bytes } of frames) this.#cut(bytes, hop)
    this.#transmitter.flush()
  }

  /** Gives up what has waited too long. */
  tick(): void {
    this.#waiting.expire(performance.now())
    this.#early.tick()
  }

  counters(): Record<string, number> {
    const { cut, noInterface } = this.#transmitter
    const cutInVain = this.#lost + this.#waiting.dropped + noInterface
    return { cut, cutInVain, ...this.#early.counters() }
  }

  close(): void {
    clearInterval(this.#look)
    this.#readiness.stop()
    this.#transmitter.close()
    this.#tap.close()
  }
}
