/**
 * A station on a cable, without a stack: sends frames as they are given, and hears every frame that arrives.
 *
 * What a host answers, and how often, is seen here as the wire sees it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { addressOf, Readiness } from '../../src/kernel/ffi.ts'
import { getLink } from '../../src/kernel/netlink/link.ts'
import { PacketSocket } from '../../src/kernel/packet/packet-socket.ts'
import { VIRTIO_HEADER_SIZE } from '../../src/kernel/packet/virtio-header.ts'
import type { Host } from '../../src/lab/host.ts'
import { printFrame } from '../../src/wire/print.ts'

/** Nothing more came for so long: whatever was to be answered has been. */
const QUIET_MS = 150
const PATIENCE_MS = 3000

export class Station {
  readonly mac: string
  readonly #socket: PacketSocket
  readonly #readiness: Readiness
  #heard: string[] = []

  /** On an interface of the host; until `close`. */
  constructor(host: Host, interfaceName: string) {
    const link = getLink(host.socket, interfaceName)!
    this.mac = link.mac!
    this.#socket = host.run(() => PacketSocket.open(link.index, { slots: 64 }))
    this.#readiness = new Readiness(this.#socket.fd, () => this.#hear())
  }

  #hear(): void {
    const { memory } = this.#socket
    for (let slot = this.#socket.next(); slot >= 0; slot = this.#socket.next()) {
      const at = memory.bytes.byteOffset + this.#socket.frameStart
      const bytes = new Uint8Array(memory.bytes.buffer, at, this.#socket.frameLength)
      this.#heard.push(printFrame(bytes.slice()))
      this.#socket.release(slot)
    }
  }

  send(frame: Uint8Array): void {
    const bytes = new Uint8Array(VIRTIO_HEADER_SIZE + frame.length)
    bytes.set(frame, VIRTIO_HEADER_SIZE)
    const memory = { bytes: new DataView(bytes.buffer), address: addressOf(bytes) }
    this.#socket.send(memory, VIRTIO_HEADER_SIZE, frame.length)
    this.#socket.flush()
  }

  /** Sends the frame; the lines of what is heard thereupon that match, until it is quiet. */
  async ask(frame: Uint8Array, matching: RegExp): Promise<string[]> {
    this.#heard = []
    this.send(frame)
    return this.listen(matching)
  }

  /** What has been heard since the last `ask`, once it is quiet. */
  async listen(matching: RegExp): Promise<string[]> {
    const matches = () => this.#heard.filter((line) => matching.test(line))
    const end = performance.now() + PATIENCE_MS
    while (matches().length === 0 && performance.now() < end) await sleep(5)
    await sleep(QUIET_MS)
    return matches()
  }

  forget(): void {
    this.#heard = []
  }

  close(): void {
    this.#readiness.stop()
    this.#socket.close()
  }
}
