/**
 * The V8 engine: the packet path in this process, over AF_PACKET, without BPF.
 *
 *   interface ──► receive ring ──► claimed? ──► forward() ──┬─ send ──► its slot leaves by sendmmsg
 *                                     │ no: the host's      ├─ hold ──► a copy waits: for the neighbour,
 *                                     ▼                     │           or for the first fragment
 *                                  nothing                  ├─ pass ──► TAP device ──► the host's stack
 *                                                           └─ drop
 *
 * The host's stack gets no claimed frame (an nftables rule behind the packet tap drops it) and every other one, which
 * this engine then leaves alone: no frame is answered twice, none is lost. Why so:
 * docs/decisions/0002-taking-frames-from-the-kernel.md.
 *
 * Everything happens on Node's loop, a batch at a time; nothing is allocated for a frame that goes straight through.
 */
import { wordsToIp } from '../base/ip.ts'
import { setNow, TICKS_PER_SECOND } from '../subset/clock.ts'
import { Packet } from '../subset/packet.ts'
import { allocateTables, type TableSet } from '../subset/table.ts'
import { forwardCall } from '../dataplane/call-id.ts'
import { flow } from '../dataplane/main.ts'
import { TABLES } from '../dataplane/tables.ts'
import { Reason, Verdict, verdictOf } from '../dataplane/verdict.ts'
import { isClaimed } from '../kernel/claim/claim.ts'
import { Readiness } from '../kernel/ffi.ts'
import { IngressClaim } from '../kernel/claim/ingress-claim.ts'
import { PacketSocket } from '../kernel/packet/packet-socket.ts'
import { Tap } from '../kernel/packet/tap.ts'
import {
  GsoType,
  noOffloads,
  VirtioFlag,
  type FrameOffloads,
} from '../kernel/packet/virtio-header.ts'
import type { AttachedInterface, Engine, EngineClaims, EngineEvents, EngineLink } from './engine.ts'
import { findResolved, writeAddresses } from './resolved-hop.ts'
import { EarlyFragments } from './early-fragments.ts'
import { Transmitter, type Departure } from './transmit.ts'
import { WaitingFrames } from './waiting-frames.ts'

/** Frames between two flushes, and between two turns of Node's loop. */
const BATCH = 64
const TURN = 1024

export interface V8EngineOptions {
  /** Rows by table name, where not the default. */
  readonly capacities?: Readonly<Record<string, number>>
  /** Slots of each interface's receive ring, of 68 KiB each. */
  readonly slots?: number
  /** Of the nftables table and the TAP device. */
  readonly name?: string
}

interface Port extends AttachedInterface {
  readonly socket: PacketSocket
  readonly readiness: Readiness
}

export class V8Engine implements Engine {
  readonly name = 'v8'
  readonly isAdopted = false
  readonly isLasting = false
  readonly tables: TableSet
  readonly #events: EngineEvents
  readonly #slots: number | undefined
  readonly #ports = new Map<number, Port>()
  readonly #claim: IngressClaim
  readonly #tap: Tap
  readonly #transmitter = new Transmitter()
  readonly #waiting = new WaitingFrames()
  readonly #early: EarlyFragments
  readonly #packet = new Packet()
  readonly #departure: Departure
  /** Slots of the batch in hand. */
  readonly #held = new Int32Array(BATCH)
  #received = 0
  #unclaimed = 0
  #lost = 0

  private constructor(
    options: V8EngineOptions,
    events: EngineEvents,
    claim: IngressClaim,
    tap: Tap,
  ) {
    this.tables = allocateTables(TABLES, options.capacities)
    this.#events = events
    this.#slots = options.slots
    this.#claim = claim
    this.#tap = tap
    this.#early = new EarlyFragments({
      pass: (memory, start, length) => this.#tap.inject(memory, start, length),
      send: (frame, departure) => this.#transmitter.sendCopy(frame, departure),
      hold: (frame, departure) => this.#wait(frame, departure),
    })
    this.#departure = { egress: 0, mtu: 0, offloads: noOffloads(), grown: 0, outerBytes: 0 }
  }

  /**
   * In this thread's network namespace. Throws KernelError where the kernel refuses a packet socket, nftables or a
   * TAP device; what had been opened is closed.
   */
  static open(options: V8EngineOptions, events: EngineEvents): V8Engine {
    const claim = IngressClaim.open(options.name)
    try {
      return new V8Engine(options, events, claim, Tap.open(options.name && `${options.name}%d`))
    } catch (error) {
      claim.close()
      throw error
    }
  }

  get attached(): readonly AttachedInterface[] {
    return [...this.#ports.values()].map(({ index, name, mac, how }) => ({ index, name, mac, how }))
  }

  /** The device that gives frames back to the host: never to be attached. */
  get hostDevice(): number {
    return this.#tap.interfaceIndex
  }

  attach(link: EngineLink): string {
    const old = this.#ports.get(link.index)
    if (old?.name === link.name && old.mac === link.mac) return ''
    if (old !== undefined) this.detach(link.index)
    const socket = PacketSocket.open(
      link.index,
      this.#slots === undefined ? {} : { slots: this.#slots },
    )
    try {
      this.#claim.attach(link.name)
    } catch (error) {
      socket.close()
      throw error
    }
    this.#transmitter.adopt(socket)
    const readiness = new Readiness(socket.fd, () => this.#receive(port))
    const { index, name, mac } = link
    const port: Port = { index, name, mac, how: 'af_packet', socket, readiness }
    this.#ports.set(index, port)
    return ''
  }

  /** Packets and this run on one thread. */
  waitForReaders(): void {}

  takesXdp(): boolean {
    return false
  }

  sendsBack(): boolean {
    return false
  }

  detach(index: number): void {
    const port = this.#ports.get(index)
    if (port === undefined) return
    this.#ports.delete(index)
    port.readiness.stop()
    this.#transmitter.flush()
    this.#transmitter.drop(index)
    this.#claim.detach(port.name)
    this.#lost += port.socket.statistics().dropped
    port.socket.close()
  }

  /** One program for all. */
  beginChange(): void {}
  endChange(): void {}

  updateClaims(added: EngineClaims, removed: EngineClaims): void {
    this.#claim.update(added, removed)
  }

  #receive(port: Port): void {
    this.tables.use()
    this.#readClock()
    const { socket } = port
    for (let turn = 0; turn < TURN; turn += BATCH) {
      let held = 0
      while (held < BATCH) {
        const slot = socket.next()
        if (slot < 0) break
        this.#held[held++] = slot
        this.#forward(port)
      }
      this.#transmitter.flush()
      for (let i = 0; i < held; i++) socket.release(this.#held[i]!)
      // Called for nothing: the socket is in error, as when its interface went down, and must be told that we know.
      if (turn === 0 && held === 0) socket.takeError()
      if (held < BATCH) return
    }
    // More is waiting: the descriptor is still readable, so this is called again after the loop's other work.
  }

  #readClock(): void {
    setNow(Math.floor((performance.now() * TICKS_PER_SECOND) / 1000))
  }

  /** The frame that `port.socket.next` has just described. */
  #forward(port: Port): void {
    const { socket } = port
    const { memory, frameStart, frameLength, offloads } = socket
    this.#received++
    const { sets } = this.#claim
    if (
      !isClaimed(sets, memory.bytes, frameStart, frameLength, socket.vlanTci, socket.packetType)
    ) {
      this.#unclaimed++
      return
    }
    const packet = this.#packet
    packet.point(memory.bytes, frameStart, frameLength, socket.frameFloor, socket.frameCeiling)
    packet.ingress = port.index
    packet.hasPartialChecksum = (offloads.flags & VirtioFlag.needsChecksum) !== 0
    packet.segmentSize = offloads.gsoSize
    const reason = forwardCall(packet)
    const verdict = verdictOf(reason)
    if (verdict === Verdict.pass) this.#tap.inject(memory, frameStart, frameLength)
    else if (verdict === Verdict.send) this.#send(port)
    else if (reason === Reason.fragmentEarly) this.#keep(port)
    else if (verdict === Verdict.hold) this.#hold(port)
    this.#early.follow()
  }

  /** A fragment that came before the first one of its datagram. */
  #keep({ socket, index }: Port): void {
    const { frameStart, frameLength, memory } = socket
    const { buffer, byteOffset } = memory.bytes
    const bytes = new Uint8Array(buffer, byteOffset + frameStart, frameLength).slice()
    this.#early.keep({ bytes, ingress: index })
  }

  #send({ socket }: Port): void {
    const { start, length } = this.#packet
    this.#transmitter.send(socket.memory, start, length, this.#depart(socket))
  }

  #hold({ socket }: Port): void {
    const { bytes, start, length } = this.#packet
    const frame = new Uint8Array(bytes.buffer, bytes.byteOffset + start, length)
    this.#wait(frame, this.#depart(socket))
  }

  /** How the frame that came by `socket` leaves. One object, again and again. */
  #depart(socket: PacketSocket): Departure {
    const departure = this.#departure
    departure.egress = flow.egress
    departure.mtu = flow.mtu
    departure.outerBytes = flow.outerBytes
    departure.grown = socket.frameStart - this.#packet.start
    departure.offloads = socket.offloads
    // A large frame that became an answer stands for itself.
    const { segmentSize } = this.#packet
    if (segmentSize !== socket.offloads.gsoSize) departure.offloads = single(socket.offloads)
    return departure
  }

  /** The frame that `flow` describes waits for its neighbour. */
  #wait(frame: Uint8Array, { egress, offloads, grown, outerBytes }: Departure): void {
    const address = wordsToIp(flow.next0, flow.next1, flow.next2, flow.next3)
    const waiting = { bytes: frame.slice(), offloads: { ...offloads }, grown, outerBytes }
    const isFirst = this.#waiting.add(egress, address, { ...waiting, since: performance.now() })
    if (isFirst) this.#events.onUnresolved(egress, address)
  }

  releaseWaiting(interfaceIndex: number, address: string): void {
    const frames = this.#waiting.take(interfaceIndex, address)
    if (frames.length === 0) return
    this.tables.use()
    const hop = findResolved(interfaceIndex, address)
    if (hop === undefined) return
    for (const { bytes, offloads, grown, outerBytes } of frames) {
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      writeAddresses(view, hop)
      this.#transmitter.sendCopy(bytes, {
        egress: interfaceIndex,
        mtu: hop.mtu,
        offloads,
        grown,
        outerBytes,
      })
    }
    this.#transmitter.flush()
  }

  tick(): void {
    this.#waiting.expire(performance.now())
    this.#early.tick()
    this.tables.use()
    this.#readClock()
  }

  counters(): Record<string, number> {
    let lost = this.#lost
    for (const { socket } of this.#ports.values()) lost += socket.statistics().dropped
    const tapErrors = [...this.#tap.errors.values()].reduce((sum, count) => sum + count, 0)
    return {
      received: this.#received,
      leftToHost: this.#unclaimed,
      lostInRing: lost,
      returnedToHost: this.#tap.injected,
      refusedByHost: tapErrors,
      waiting: this.#waiting.length,
      waitedInVain: this.#waiting.dropped,
      ...this.#early.counters(),
      ...this.#transmitter.counters(),
    }
  }

  close(): void {
    for (const index of [...this.#ports.keys()]) this.detach(index)
    this.#transmitter.close()
    this.#claim.close()
    this.#tap.close()
  }
}

/** The same for a frame that is just one. */
function single(offloads: FrameOffloads): FrameOffloads {
  return { ...offloads, gsoType: GsoType.none, gsoSize: 0 }
}
