/**
 * The golden laboratory's clients and servers: whole flows, forged frame by frame, of which a recording tells only who
 * got them.
 */
import { TcpFlag } from '../../src/wire/tcp.ts'
import { endpoint, tcpFrame, udpFrame } from '../../src/wire/flow.ts'
import { parseFrame } from '../../src/wire/frame.ts'
import { Verdict } from '../../src/dataplane/verdict.ts'
import { DIRECTOR_MAC, type Laboratory, type Outcome, type Side } from './laboratory.ts'
import type { CloseEvent, FlowEvent } from './recordings.ts'

const { syn: SYN, ack: ACK, fin: FIN, rst: RST } = TcpFlag

/** Who got a flow's first packet: real server N, or nobody, and what its sender was told. */
export interface Taken {
  readonly rs: number | null
  readonly reply: string | null
}

/** A flow as its client and its server see it. */
interface OpenFlow {
  readonly client: string
  readonly virtual: string
  /** Where a NAT director's packets go to; the virtual endpoint itself with the other methods. */
  readonly server: string
}

export class ForgedFlows {
  readonly #lab: Laboratory
  /** By client's address and port. */
  readonly #open = new Map<string, OpenFlow>()

  constructor(lab: Laboratory) {
    this.#lab = lab
  }

  open({ proto, src, sport, dst, dport, kind }: FlowEvent): Taken {
    const client = textOf(src, sport)
    const virtual = textOf(dst, dport)
    if (proto === 'udp') {
      return takenBy(
        this.#lab.send('client', udpFrame(client, virtual, { data: QUESTION, over: overOf('client') })),
      )
    }
    const outcome = this.#segment('client', client, virtual, SYN)
    const taken = takenBy(outcome)
    if (taken.rs === null) return taken
    const flow = { client, virtual, server: destinationOf(outcome) }
    this.#open.set(client, flow)
    if (kind === 'established') {
      if (isTranslated(flow)) this.#segment('server', flow.server, client, SYN | ACK)
      this.#segment('client', client, virtual, ACK)
    }
    return taken
  }

  close({ src, sport, how }: CloseEvent): void {
    const { client, virtual, server } = this.#open.get(textOf(src, sport))!
    if (how === 'rst') {
      this.#segment('client', client, virtual, RST)
      return
    }
    this.#segment('client', client, virtual, FIN | ACK)
    this.#segment('server', server, client, FIN | ACK)
    this.#segment('client', client, virtual, ACK)
  }

  /** Clients that send SYN and at once FIN, which leaves TIME_WAIT. */
  openAndFinish(count: number, virtual: string): void {
    for (let i = 0; i < count; i++) {
      const client = `172.31.${i >>> 8}.${i & 0xff}:1024`
      this.#segment('client', client, virtual, SYN)
      this.#segment('client', client, virtual, FIN | ACK)
    }
  }

  /** Datagrams of one client, each an IP packet of `length` bytes, on links that take it. */
  sendLarge(count: number, length: number, virtual: string): void {
    this.#lab.setMtu('client', length)
    this.#lab.setMtu('server', length)
    const data = new Uint8Array(length - IPV4_AND_UDP)
    const frame = udpFrame('10.0.0.10:1024', virtual, { data, over: overOf('client') })
    for (let i = 0; i < count; i++) this.#lab.send('client', frame)
  }

  #segment(at: Side, from: string, to: string, flags: number): Outcome {
    return this.#lab.send(at, tcpFrame(from, to, { flags, over: overOf(at) }))
  }
}

/** What the recorded datagrams carried: four bytes. */
const QUESTION = new Uint8Array(4)
/** Bytes of an IPv4 header and a UDP header. */
const IPV4_AND_UDP = 28

function overOf(at: Side): { destinationMac: string } {
  return { destinationMac: DIRECTOR_MAC[at] }
}

function isTranslated({ virtual, server }: OpenFlow): boolean {
  return server !== virtual
}

function textOf(address: string, port: number): string {
  const { ip } = endpoint(address)
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

function destinationOf({ departed }: Outcome): string {
  const { ip, tcp } = parseFrame(departed[0]!.bytes)!
  return textOf(ip!.destination, tcp!.destinationPort)
}

/** The real server by its MAC address, 02:00:00:00:0b:1N. */
function takenBy({ verdict, departed }: Outcome): Taken {
  const first = departed[0]
  if (verdict === Verdict.pass) return { rs: null, reply: 'left to the host' }
  if (first === undefined) return { rs: null, reply: null }
  const frame = parseFrame(first.bytes)!
  if (first.at === 'server') return { rs: Number(frame.destinationMac.slice(-1)), reply: null }
  const { ip, icmp, icmpv6 } = frame
  const { type, code } = (icmp ?? icmpv6)!
  return { rs: null, reply: `ICMP ${ip!.source} > ${ip!.destination} type ${type} code ${code}` }
}

/** What the recording tells of the same, in the same words. */
export function recordedTaken({ rs, reply }: FlowEvent): Taken {
  if (reply === undefined) return { rs, reply: null }
  // A reset is the host's answer to a segment that nobody took.
  if (/^TCP \S+ > \S+ RA? /.test(reply)) return { rs, reply: 'left to the host' }
  return { rs, reply: /^ICMP \S+ > \S+ type \d+ code \d+/.exec(reply)?.[0] ?? reply }
}
