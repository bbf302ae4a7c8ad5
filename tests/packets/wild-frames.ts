/**
 * Random and mutated frames for fuzzing: near enough to sense that they get far, and wrong in every way.
 *
 *     a corpus made at the start ─┐
 *     what the director sent ─────┴─► turned round, quoted in an ICMP error ─► mutated ─► sums repaired, perhaps
 */
import type { Random } from '../../src/base/random.ts'
import { wordsToIp } from '../../src/base/ip.ts'
import { echoFrame, icmpErrorFrame, sctpFrame, tcpFrame, udpFrame } from '../../src/wire/flow.ts'
import { fragmentExtension } from '../../src/wire/ipv6.ts'
import type { TcpOption } from '../../src/wire/tcp.ts'
import { goldenFrames, recordedFrames } from './golden-frames.ts'
import { layoutOf, repairSums } from './sums.ts'

/** Whom frames go between. */
export interface World {
  readonly clients: readonly string[]
  /** Virtual addresses, and others. */
  readonly destinations: readonly string[]
  readonly ports: readonly number[]
  readonly directorMac: string
}

/** Of MAC addresses, the byte that tells the sides of the laboratory apart. */
const SERVER_SIDE = 0x0b
const CORPUS = 2000
const RECENT = 256
const NOISE = 1 << 16
/** Bytes, the longest frame there is. */
export const FRAME_MAX = 2400

export class WildFrames {
  /** The frame made last: `length` bytes. */
  readonly bytes = new Uint8Array(FRAME_MAX)
  length = 0
  /** It comes from where the servers are. */
  isReply = false
  #random: Random
  readonly #corpus: Uint8Array[]
  readonly #noise: Uint8Array
  #recent: Uint8Array[] = []

  constructor(random: Random, world: World) {
    this.#random = random
    this.#noise = random.bytes(NOISE)
    this.#corpus = [...goldenFrames(), ...recordedFrames()].map(({ bytes }) => bytes)
    while (this.#corpus.length < CORPUS) this.#corpus.push(makeFrame(random, world))
  }

  /** Forgets what left, and draws from `random` from now on; the corpus, which takes long to make, stays. */
  beginAnew(random: Random): void {
    this.#random = random
    this.#recent = []
  }

  /** Remembers a frame that left, to be answered. */
  note(bytes: Uint8Array): void {
    const slot = this.#random.below(RECENT)
    this.#recent[Math.min(slot, this.#recent.length)] = bytes
  }

  /** Makes the next one. */
  make(): void {
    const random = this.#random
    const recent = this.#recent.length === 0 || random.oneIn(2) ? undefined : random.pick(this.#recent)
    const base = recent === undefined ? random.pick(this.#corpus) : turnRound(random, recent)
    this.length = Math.min(base.length, FRAME_MAX)
    this.bytes.set(base.subarray(0, this.length))
    const mutations = random.below(4) === 0 ? 0 : random.below(4)
    for (let i = 0; i < mutations; i++) this.#mutate()
    if (mutations > 0 && this.length >= 60 && !random.oneIn(4)) repairSums(this.bytes, this.length)
    // To the MAC address that the director has there, nearly always.
    this.isReply = (this.bytes[4] === SERVER_SIDE) !== random.oneIn(30)
  }

  #mutate(): void {
    const random = this.#random
    const { bytes, length } = this
    const at = random.below(Math.max(1, Math.min(length, 120)))
    switch (random.below(9)) {
      case 0:
        bytes[at]! ^= 1 << random.below(8)
        break
      case 1:
        bytes[at] = random.next32()
        break
      case 2:
        bytes.set([random.pick(EDGES) >>> 8, random.pick(EDGES)], at & ~1)
        break
      case 3:
        this.length = random.below(length + 1)
        break
      case 4:
        this.length = Math.min(FRAME_MAX, length + random.below(64))
        this.#scribble(length, this.length)
        break
      case 5: // TCP flags, more often than not
        bytes[(bytes[12] === 0x08 ? 34 : 54) + 13] = random.below(64)
        break
      case 6: // time to live
        bytes[bytes[12] === 0x08 ? 22 : 21] = random.below(4)
        break
      case 7: // protocol
        bytes[bytes[12] === 0x08 ? 23 : 20] = random.pick(PROTOCOLS)
        break
      default:
        this.#scribble(random.oneIn(4) ? 0 : Math.min(length, 34), length)
    }
  }

  #scribble(from: number, end: number): void {
    const at = this.#random.below(NOISE - FRAME_MAX)
    this.bytes.set(this.#noise.subarray(at, at + end - from), from)
  }
}

const EDGES = [0, 1, 2, 7, 0x1fff, 0x2000, 0x3fff, 0x4000, 0x7fff, 0x8000, 0xfffe, 0xffff]
const PROTOCOLS = [0, 1, 4, 6, 17, 41, 43, 44, 47, 50, 51, 58, 59, 60, 132]
const QUOTABLE = { 4: [3, 4, 5, 8, 11, 12], 6: [0, 1, 2, 3, 4, 128] } as const

/** What routers say of packets that do not fit, and tunnels must learn from. */
const TOO_BIG = { 4: { type: 3, code: 4 }, 6: { type: 2, code: 0 } } as const

/** An answer to a frame, or an ICMP error about it. Sums stay as they are: addresses only change places. */
function turnRound(random: Random, frame: Uint8Array): Uint8Array {
  const layout = layoutOf(frame)
  const { family, network, transport } = layout
  const width = family === 4 ? 4 : 16
  const at = network + (family === 4 ? 12 : 8)
  if (random.oneIn(6)) {
    const from = addressAt(frame, random.oneIn(5) ? at : at + width, width)
    const quoted = frame.subarray(network, network + 28 + random.below(frame.length))
    const over = { sourceMac: macAt(frame, 0), destinationMac: macAt(frame, 6) }
    const rest = random.oneIn(2) ? 500 + random.below(1100) : random.pick(EDGES)
    const what = random.oneIn(4)
      ? TOO_BIG[family]
      : { type: random.pick<number>(QUOTABLE[family]), code: random.below(6) }
    const options = { ...what, rest, quoted }
    return icmpErrorFrame(from, addressAt(frame, at, width), { ...options, over })
  }
  const bytes = frame.slice()
  const swap = (a: number, b: number, length: number) => {
    if (b + length > frame.length) return
    bytes.set(frame.subarray(a, a + length), b)
    bytes.set(frame.subarray(b, b + length), a)
  }
  swap(0, 6, 6)
  swap(at, at + width, width)
  if (!layout.isLater) swap(transport, transport + 2, 2)
  return bytes
}

function macAt(bytes: Uint8Array, at: number): string {
  return [...bytes.subarray(at, at + 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

function addressAt(bytes: Uint8Array, at: number, width: number): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at)
  if (width === 4) return wordsToIp(0, 0, 0xffff, view.getUint32(0))
  return wordsToIp(view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12))
}

function makeFrame(random: Random, world: World): Uint8Array {
  const destination = random.pick(world.destinations)
  const is6 = destination.includes(':')
  const client = random.pick(world.clients.filter((address) => address.includes(':') === is6))
  const place = (ip: string, port: number) => (is6 ? `[${ip}]:${port}` : `${ip}:${port}`)
  const from = place(client, 1024 + random.below(64))
  const to = place(destination, random.pick(world.ports))
  const over = randomOver(random, is6, world.directorMac)
  const data = random.bytes(random.pick([0, 0, 1, 2, 7, 18, 60, 61, 500, 1440, 1460, 2000]))
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
    case 3: {
      const options = Array.from({ length: random.below(5) }, () => randomOption(random))
      const flags = random.pick([0x02, 0x02, 0x10, 0x18, 0x11, 0x04, 0x14, 0x12, 0])
      return tcpFrame(from, to, { flags, options: options.slice(0, 3), data, over })
    }
    case 4:
    case 5:
      return udpFrame(from, to, { data, over, ...(random.oneIn(4) && !is6 ? { checksum: 0 } : {}) })
    case 6:
      if (random.oneIn(2)) return echoFrame(client, destination, { data, over })
      return sctpFrame(from, to, { over, chunks: randomChunks(random) })
    default: {
      const quoted = tcpFrame(to, from, { flags: 2 }).subarray(14)
      return icmpErrorFrame(client, destination, { type: random.below(13), quoted, over })
    }
  }
}

function randomOver(random: Random, is6: boolean, destinationMac: string) {
  const vlans = random.oneIn(30) ? [{ id: 5 }] : []
  const timeToLive = random.pick([64, 64, 64, 2, 1, 0])
  const fragment = random.oneIn(8)
  const mac = { destinationMac: random.oneIn(40) ? 'ff:ff:ff:ff:ff:ff' : destinationMac }
  if (is6) {
    const [offset, identification] = [random.oneIn(2) ? 0 : 1480, random.below(8)]
    const options = { type: random.pick([0, 60, 43]), data: new Uint8Array(6) }
    const extensions = [
      ...(random.oneIn(8) ? [options] : []),
      ...(fragment ? [fragmentExtension({ offset, moreFragments: true, identification })] : []),
    ]
    return { vlans, ...mac, ip: { hopLimit: timeToLive, extensions } }
  }
  const ip = {
    timeToLive,
    typeOfService: random.below(256),
    identification: random.below(8),
    dontFragment: random.oneIn(2),
    options: random.oneIn(12) ? Uint8Array.from([148, 4, 0, 0]) : new Uint8Array(0),
    ...(fragment ? { moreFragments: true, fragmentOffset: random.oneIn(2) ? 0 : 1480 } : {}),
  }
  return { vlans, ...mac, ip }
}

/** As the states of SCTP know them, and one that they do not. */
function randomChunks(random: Random) {
  return Array.from({ length: random.below(3) }, () => ({
    type: random.pick([0, 1, 2, 3, 6, 7, 8, 10, 11, 14, 77]),
    flags: random.below(2),
    value: random.bytes(random.pick([0, 1, 12, 16])),
  }))
}

function randomOption(random: Random): TcpOption {
  return random.pick<TcpOption>([
    { type: 'nop' },
    { type: 'sackPermitted' },
    { type: 'mss', size: random.below(65536) },
    { type: 'windowScale', shift: random.below(15) },
    { type: 'timestamps', value: random.next32(), echo: random.next32() },
  ])
}
