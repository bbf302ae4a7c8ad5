/**
 * Sends UDP frames of many flows as fast as it can, as a program of its own: `generator INTERFACE SPEC`, where SPEC is
 * JSON: {"destinationMac", "source", "target", "flows", "bytes", "seconds"}. Prints how many the interface took.
 */
import { addressOf } from '../../src/kernel/ffi.ts'
import { getLink } from '../../src/kernel/link.ts'
import { PacketSocket } from '../../src/kernel/packet-socket.ts'
import { openRtnetlink } from '../../src/kernel/rtnetlink.ts'
import { VIRTIO_HEADER_SIZE } from '../../src/kernel/virtio-header.ts'
import { udpFrame } from '../../src/wire/flow.ts'

export interface GeneratorSpec {
  readonly destinationMac: string
  /** Address the frames come from. */
  readonly source: string
  /** ADDRESS:PORT. */
  readonly target: string
  readonly flows: number
  /** Of a whole frame, 60 or more. */
  readonly bytes: number
  readonly seconds: number
}

const HEADERS = 42
const FIRST_PORT = 10_000
const BETWEEN_LOOKS = 1024

function generate(interfaceName: string, spec: GeneratorSpec): number {
  const link = getLink(openRtnetlink(), interfaceName)!
  const socket = PacketSocket.open(link.index, { slots: 0 })
  const stride = Math.ceil((VIRTIO_HEADER_SIZE + spec.bytes) / 64) * 64
  const bytes = new Uint8Array(stride * spec.flows)
  const over = { sourceMac: link.mac!, destinationMac: spec.destinationMac }
  for (let flow = 0; flow < spec.flows; flow++) {
    const data = new Uint8Array(spec.bytes - HEADERS)
    const from = `${spec.source}:${FIRST_PORT + flow}`
    bytes.set(udpFrame(from, spec.target, { data, over }), flow * stride + VIRTIO_HEADER_SIZE)
  }
  const memory = { bytes: new DataView(bytes.buffer), address: addressOf(bytes) }
  const end = performance.now() + spec.seconds * 1000
  let flow = 0
  while (performance.now() < end) {
    for (let i = 0; i < BETWEEN_LOOKS; i++) {
      socket.send(memory, flow * stride + VIRTIO_HEADER_SIZE, spec.bytes)
      flow = flow + 1 === spec.flows ? 0 : flow + 1
    }
    socket.flush()
  }
  return socket.sent
}

const [interfaceName, spec] = process.argv.slice(2)
if (interfaceName !== undefined && spec !== undefined) {
  console.log(generate(interfaceName, JSON.parse(spec) as GeneratorSpec))
}
