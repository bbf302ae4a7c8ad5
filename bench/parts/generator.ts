/**
 * Sends UDP frames of many flows as fast as it can, as a program of its own: `generator INTERFACE SPEC`, where SPEC is
 * a `GeneratorSpec` as JSON. Prints how many the interface took.
 */
import { ipToWords, wordsToIp } from '../../src/base/ip.ts'
import { addressOf } from '../../src/kernel/ffi.ts'
import { getLink } from '../../src/kernel/netlink/link.ts'
import { PacketSocket } from '../../src/kernel/packet/packet-socket.ts'
import { openRtnetlink } from '../../src/kernel/netlink/rtnetlink.ts'
import { VIRTIO_HEADER_SIZE } from '../../src/kernel/packet/virtio-header.ts'
import { udpFrame } from '../../src/wire/flow.ts'

export interface GeneratorSpec {
  readonly destinationMac: string
  /** IPv4 address the frames come from; with more flows than it has ports, those behind it as well. */
  readonly source: string
  /** ADDRESS:PORT. */
  readonly target: string
  readonly flows: number
  /** Of a whole frame, 60 or more. */
  readonly bytes: number
  /** 0: a frame of every flow, once. */
  readonly seconds: number
}

const HEADERS = 42
const FIRST_PORT = 10_000
const PORTS = 50_000
const BETWEEN_LOOKS = 1024

function generate(interfaceName: string, spec: GeneratorSpec): number {
  const link = getLink(openRtnetlink(), interfaceName)!
  const socket = PacketSocket.open(link.index, { slots: 0 })
  const stride = Math.ceil((VIRTIO_HEADER_SIZE + spec.bytes) / 64) * 64
  const bytes = new Uint8Array(stride * spec.flows)
  const over = { sourceMac: link.mac!, destinationMac: spec.destinationMac }
  const data = new Uint8Array(spec.bytes - HEADERS)
  for (let flow = 0; flow < spec.flows; flow++) {
    const frame = udpFrame(endpointOf(spec.source, flow), spec.target, { data, over })
    bytes.set(frame, flow * stride + VIRTIO_HEADER_SIZE)
  }
  const memory = { bytes: new DataView(bytes.buffer), address: addressOf(bytes) }
  const end = performance.now() + spec.seconds * 1000
  let flow = 0
  do {
    for (let i = 0; i < BETWEEN_LOOKS; i++) {
      socket.send(memory, flow * stride + VIRTIO_HEADER_SIZE, spec.bytes)
      flow = flow + 1 === spec.flows ? 0 : flow + 1
      if (flow === 0 && spec.seconds === 0) break
    }
    socket.flush()
  } while (performance.now() < end || (spec.seconds === 0 && flow !== 0))
  return socket.sent
}

function endpointOf(first: string, flow: number): string {
  const [w0, w1, w2, w3] = ipToWords(first)
  return `${wordsToIp(w0, w1, w2, w3 + Math.floor(flow / PORTS))}:${FIRST_PORT + (flow % PORTS)}`
}

const [interfaceName, spec] = process.argv.slice(2)
if (interfaceName !== undefined && spec !== undefined) {
  console.log(generate(interfaceName, JSON.parse(spec) as GeneratorSpec))
}
