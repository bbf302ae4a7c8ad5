/**
 * The packet that `explain` asks about: made as a client would send it, and sent through the packet path once.
 */
import { ipToWords, familyOf, parseIp } from '../base/ip.ts'
import { partsToMac } from '../base/mac.ts'
import { viewOf } from '../base/bytes.ts'
import { Flow } from '../dataplane/flow.ts'
import { forwardCall } from '../dataplane/call-id.ts'
import { flow } from '../dataplane/main.ts'
import { findHop } from '../dataplane/route.ts'
import { hops, InterfaceFlag, interfaces, NONE } from '../dataplane/tables.ts'
import { Reason } from '../dataplane/verdict.ts'
import { refuse, serverText } from '../director/check.ts'
import type { Refusal, ServerKey, ServiceProtocol } from '../director/model.ts'
import { Packet } from '../subset/packet.ts'
import { sctpFrame, tcpFrame, udpFrame } from '../wire/flow.ts'
import { SctpChunkType } from '../wire/sctp.ts'
import { TcpFlag } from '../wire/tcp.ts'

/** What would happen to a packet from this client to this address and port? */
export interface Question {
  readonly client: ServerKey
  readonly virtual: ServerKey
  readonly protocol: ServiceProtocol
}

/** What the packet path left behind when it had decided. Rows, NONE where there is none. */
export interface Trial {
  readonly question: Question
  /** The frame as it came in, and as it was afterwards. */
  readonly before: Uint8Array
  readonly after: Uint8Array
  readonly ingress: number
  /** A number of `Reason`. */
  readonly reason: number
  readonly service: number
  readonly server: number
  readonly connection: number
  /** Firewall mark, 0: none; line of the template that controls the connection. */
  readonly mark: number
  readonly template: number
  readonly isOpened: boolean
  readonly isReply: boolean
  /** 0: no route. */
  readonly egress: number
  readonly hop: number
  readonly next: readonly [number, number, number, number]
}

/** Who sends it, where the tables do not know. */
const UNKNOWN_MAC = '02:00:00:00:00:00'
const TIME_TO_LIVE = 64
/** What services that go by calls are asked with: without a call every datagram is dropped. */
const CALL = Buffer.from('OPTIONS sip:explain SIP/2.0\r\nCall-ID: explain\r\n\r\n')
const MSS = { 4: 1460, 6: 1440 } as const
/** Initiate tag, window, a stream each way, first number (RFC 9260 3.3.2). */
const INIT = {
  type: SctpChunkType.init,
  flags: 0,
  value: Uint8Array.of(0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1),
}
const HEADROOM = 128
const TAILROOM = 64

/** Questions without an answer, with what to ask instead; undefined: it has one. */
export function refuseQuestion({ client, virtual }: Question): Refusal | undefined {
  for (const { address, port } of [client, virtual]) {
    if (parseIp(address) !== address) {
      return refuse('EINVAL', `${address} is no IP address as we write it`)
    }
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      return refuse('EINVAL', `${port} is no port: write 1 to 65535`)
    }
  }
  if (familyOf(client.address) === familyOf(virtual.address)) return undefined
  return refuse('EINVAL', 'client and virtual address are of different families')
}

/** Sends the packet through the packet path, on the tables in use, which it changes. */
export function probe(question: Question): Trial {
  const trial = send(question)
  return trial.reason === Reason.noCall ? send(question, CALL) : trial
}

function send(question: Question, data?: Uint8Array): Trial {
  const { ingress, senderMac } = findIngress(question.client.address)
  const before = makeFrame(question, senderMac, macOf(ingress), data)
  const room = new Uint8Array(HEADROOM + before.length + TAILROOM)
  room.set(before, HEADROOM)
  const packet = new Packet()
  packet.point(viewOf(room), HEADROOM, before.length, 0, room.length)
  packet.ingress = ingress
  const reason = forwardCall(packet)
  return {
    question,
    before,
    after: room.subarray(packet.start, packet.start + packet.length),
    ingress,
    reason,
    service: flow.service,
    server: flow.server,
    connection: flow.connection,
    mark: flow.mark,
    template: flow.template,
    isOpened: flow.opened === 1,
    isReply: flow.direction === 2,
    egress: flow.egress,
    hop: flow.hop,
    next: nextOf(flow.hop),
  }
}

/** The neighbour's address: `flow` names it only where there is no row, or where it is waited for. */
function nextOf(row: number): Trial['next'] {
  if (row === NONE) return [flow.next0, flow.next1, flow.next2, flow.next3]
  const { address0, address1, address2, address3 } = hops.row(row)
  return [address0, address1, address2, address3]
}

/** A packet comes in where one to its sender would leave; without such a route, by the first attached interface. */
function findIngress(client: string): { ingress: number; senderMac: string } {
  const way = Flow.local()
  const row = findHop(way, ...ipToWords(client))
  const hop = row === NONE || way.egress === 0 ? undefined : hops.row(row)
  const ingress = way.egress === 0 ? firstAttached() : way.egress
  if (hop === undefined || hop.macLow === 0) return { ingress, senderMac: UNKNOWN_MAC }
  return { ingress, senderMac: partsToMac(hop.macHigh, hop.macLow) }
}

function firstAttached(): number {
  const { capacity } = interfaces.memory
  for (let index = 1; index < capacity; index++)
    if ((interfaces.row(index).flags & InterfaceFlag.attached) !== 0) return index
  return 1
}

/** An interface without a row takes any unicast address. */
function macOf(index: number): string {
  if (index >= interfaces.memory.capacity) return UNKNOWN_MAC
  const { macHigh, macLow } = interfaces.row(index)
  return partsToMac(macHigh, macLow)
}

/** DF is set, as every system does for TCP; so no outer header needs an identification drawn by chance. */
function makeFrame(
  { client, virtual, protocol }: Question,
  sourceMac: string,
  destinationMac: string,
  data?: Uint8Array,
): Uint8Array {
  const family = familyOf(client.address)
  const ip = { timeToLive: TIME_TO_LIVE, ...(family === 4 && { dontFragment: true }) }
  const over = { sourceMac, destinationMac, ip }
  const [from, to] = [serverText(client), serverText(virtual)]
  if (protocol === 'udp') return udpFrame(from, to, { ...(data && { data }), over })
  if (protocol === 'sctp') return sctpFrame(from, to, { chunks: [INIT], over })
  const options = [{ type: 'mss', size: MSS[family] }] as const
  return tcpFrame(from, to, { flags: TcpFlag.syn, options, over })
}
