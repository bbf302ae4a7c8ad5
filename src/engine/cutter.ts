/**
 * Frames that are too long for their way, and that routers may cut (IPv4 without DF): the kernel's packet path cannot
 * make two frames of one, so it sends them out by a device of ours, ready but for that; here they are cut, and leave.
 *
 * The device goes with this process: while no daemon runs these frames, and no others, are dropped.
 */
import { Flow } from '../dataplane/flow.ts'
import { findHop } from '../dataplane/route.ts'
import { hops, NONE } from '../dataplane/tables.ts'
import { Readiness } from '../kernel/ffi.ts'
import { Tap } from '../kernel/tap.ts'
import { noOffloads, VIRTIO_HEADER_SIZE } from '../kernel/virtio-header.ts'
import type { TableSet } from '../subset/table.ts'
import { Transmitter } from './transmit.ts'

/** Frames taken before Node's loop has its turn again. */
const TURN = 64
const FRAME_MAX = VIRTIO_HEADER_SIZE + 65_535 + 14
const ETHERNET = 14
const IPV4_DESTINATION = ETHERNET + 16
const IPV4_HEADER = 20
const IPV4_MAPPED = 0xffff

export class Cutter {
  /** Frames that nothing leads further. */
  lost = 0
  readonly #tap: Tap
  readonly #tables: TableSet
  readonly #readiness: Readiness
  readonly #transmitter = new Transmitter()
  readonly #bytes = new Uint8Array(FRAME_MAX)
  readonly #flow = Flow.local()

  private constructor(tap: Tap, tables: TableSet) {
    this.#tap = tap
    this.#tables = tables
    this.#readiness = new Readiness(tap.fd, () => this.#takeSome())
  }

  /** In this thread's network namespace; `name` as for `Tap.open`. Throws KernelError. */
  static open(name: string, tables: TableSet): Cutter {
    return new Cutter(Tap.open(name), tables)
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

  /** The frame has the addresses of its way; which way that is, the tables tell. */
  #send(frame: Uint8Array): void {
    if (frame.length < ETHERNET + IPV4_HEADER) return
    const view = new DataView(frame.buffer, frame.byteOffset)
    const row = findHop(this.#flow, 0, 0, IPV4_MAPPED, view.getUint32(IPV4_DESTINATION))
    if (row === NONE) {
      this.lost++
      return
    }
    const { interface: egress, mtu } = hops.row(row)
    const way = { egress, mtu, offloads: noOffloads(), grown: 0, outerBytes: 0 }
    this.#transmitter.sendCopy(frame, way)
  }

  counters(): Record<string, number> {
    const { cut, noInterface } = this.#transmitter
    return { cut, cutInVain: this.lost + noInterface }
  }

  close(): void {
    this.#readiness.stop()
    this.#transmitter.close()
    this.#tap.close()
  }
}
