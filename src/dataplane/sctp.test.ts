import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DIRECTOR_MAC, Laboratory, type Side } from '../../tests/goldens/laboratory.ts'
import { Random } from '../base/random.ts'
import { viewOf } from '../base/bytes.ts'
import { completeChecksum } from '../engine/complete-checksum.ts'
import { listConnections } from '../director/listing.ts'
import { setSysctl } from '../director/sysctls.ts'
import type { ForwardingMethod, ServiceKey } from '../director/model.ts'
import { VirtioFlag } from '../kernel/packet/virtio-header.ts'
import { crc32c } from '../wire/crc32c.ts'
import { sctpFrame } from '../wire/flow.ts'
import { parseFrame } from '../wire/frame.ts'
import { Sctp, SctpChunkType } from '../wire/sctp.ts'
import { checksumDelta } from './crc32c.ts'
import { reasonName } from './reason-text.ts'
import { nextSctpState, SctpState } from './sctp.ts'
import { servers } from './tables.ts'
import { TcpSide } from './tcp.ts'

new Laboratory()

type ChunkName = keyof typeof SctpChunkType

const STATES = Object.keys(SctpState) as (keyof typeof SctpState)[]
const SHORT = 'NO I1 IN CS CR CW CO CE ES SS SR SA RJ CL'.split(' ')

/** As it stands in the specification, one row an event: direction, chunks, next states. */
const ROWS: readonly (readonly [keyof typeof TcpSide, ChunkName, string])[] = [
  ['input', 'data', 'ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL'],
  ['input', 'sack', 'ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL'],
  ['input', 'init', 'I1 IN IN CS CR CW CO CE ES SS SR SA IN IN'],
  ['input', 'initAck', 'CW CW CW CS CR CO CO CE ES SS SR SA RJ CL'],
  ['input', 'cookieEcho', 'CR IN IN CR CR CW CO CE ES SS SR SA RJ CL'],
  ['input', 'cookieAck', 'ES I1 IN CS CR CW CO ES ES SS SR SA RJ CL'],
  ['input', 'shutdown', 'SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL'],
  ['input', 'shutdownAck', 'CL IN IN CS CR CW CO CE ES CL SR CL RJ CL'],
  ['input', 'shutdownComplete', 'CL CL CL CS CR CW CO CE ES SS SR CL RJ CL'],
  ['input', 'error', 'CL I1 IN CS CR CW CO CL ES SS SR SA RJ CL'],
  ['input', 'abort', 'CL CL CL CL CL RJ CL CL CL CL CL CL CL CL'],
  ['output', 'data', 'ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL'],
  ['output', 'init', 'CW CW CW CW CW CW CW CW ES CW CW CW CW CW'],
  ['output', 'initAck', 'CS CS CS CS CR CW CO CE ES SS SR SA RJ CL'],
  ['output', 'cookieEcho', 'CE CE CE CE CE CE CE CE ES SS SR SA RJ CL'],
  ['output', 'cookieAck', 'ES ES ES ES ES ES ES ES ES SS SR SA RJ CL'],
  ['output', 'shutdown', 'SS SS SS SS SS SS SS SS SS SS SR SA RJ CL'],
  ['output', 'shutdownAck', 'SA SA SA SA SA CW CO CE ES SA SA SA RJ CL'],
  ['output', 'shutdownComplete', 'CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL'],
  ['output', 'error', 'CL CL CL CL CL CW CO CE ES SS SR SA RJ CL'],
  ['output', 'abort', 'CL RJ CL CL CL CL CL CL CL CL CL CL CL CL'],
  ['inputOnly', 'data', 'ES I1 IN CS CR ES CO CE ES SS SR SA RJ CL'],
  ['inputOnly', 'init', 'I1 IN IN IN IN IN CO CE ES SS SR SA IN IN'],
  ['inputOnly', 'initAck', 'CE CE CE CE CE CE CO CE ES SS SR SA RJ CL'],
  ['inputOnly', 'cookieEcho', 'ES ES ES ES ES ES CO CE ES SS SR SA RJ CL'],
  ['inputOnly', 'cookieAck', 'ES I1 IN ES ES CW ES ES ES SS SR SA RJ CL'],
  ['inputOnly', 'shutdown', 'SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL'],
  ['inputOnly', 'shutdownAck', 'CL IN IN CS CR CW CO CE CL CL SR CL RJ CL'],
  ['inputOnly', 'shutdownComplete', 'CL CL CL CL CL CW CO CE ES SS CL CL RJ CL'],
  ['inputOnly', 'error', 'CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL'],
  ['inputOnly', 'abort', 'CL CL CL CL CL RJ CL CL CL CL CL CL CL CL'],
]

/** An event's byte, as firstChunk makes it. */
const EVENTS: Readonly<Partial<Record<ChunkName, number>>> = {
  data: 0x01,
  sack: 0x01,
  init: 0x13,
  initAck: 0x21,
  cookieEcho: 0x31,
  cookieAck: 0x41,
  shutdown: 0x51,
  shutdownAck: 0x61,
  shutdownComplete: 0x71,
  error: 0x81,
  abort: 0x95,
}

describe('each chunk leads to the state that IPVS has', () => {
  for (const [side, chunk, row] of ROWS) {
    it(`${side} ${chunk}`, () => {
      const next = STATES.map(
        (state) => SHORT[nextSctpState(TcpSide[side], EVENTS[chunk]!, SctpState[state])],
      )
      assert.equal(next.join(' '), row)
    })
  }
})

const over = (at: Side) => ({ destinationMac: DIRECTOR_MAC[at] })

/** One SCTP service with one server, and one client. */
class Pair {
  readonly lab = new Laboratory()
  readonly key: ServiceKey
  readonly #vip: string
  readonly #server: string
  readonly #client: string

  constructor(forwarding: ForwardingMethod, port = 9000, family: 4 | 6 = 4) {
    const [vip, server, client] =
      family === 4
        ? ['10.0.0.100', '192.168.10.11', '10.0.0.10']
        : ['2001:db8:a::100', '2001:db8:b::11', '2001:db8:a::10']
    this.key = { protocol: 'sctp', address: vip!, port: 2905 }
    this.lab.addService(this.key)
    this.lab.addServer(this.key, { address: server!, port }, { forwarding })
    const text = (ip: string, port: number) => (family === 4 ? `${ip}:${port}` : `[${ip}]:${port}`)
    this.#vip = text(vip!, 2905)
    this.#server = text(server!, port)
    this.#client = text(client!, 5000)
  }

  ask(...chunks: ChunkName[]) {
    return this.#send('client', this.#client, this.#vip, chunks)
  }

  answer(...chunks: ChunkName[]) {
    return this.#send('server', this.#server, this.#client, chunks)
  }

  #send(at: Side, from: string, to: string, names: readonly ChunkName[]) {
    const chunks = names.map((name) => ({
      type: SctpChunkType[name],
      flags: 0,
      value: new Uint8Array(name === 'data' ? 21 : 4).fill(7),
    }))
    return this.lab.send(at, sctpFrame(from, to, { tag: 0x1234, chunks, over: over(at) }))
  }

  get state(): string {
    const [connection] = [...listConnections()]
    const { active, inactive } = servers.row(this.lab.director.find(this.key)!.servers[0]!.row)
    if (connection === undefined) return 'none'
    return `${connection.state} ${connection.expiresS}, ${active} active, ${inactive} inactive`
  }
}

describe('an association', () => {
  it('through NAT, from INIT to its end', () => {
    const pair = new Pair('masquerade')
    const states = [
      () => pair.ask('init'),
      () => pair.answer('initAck'),
      () => pair.ask('cookieEcho'),
      () => pair.answer('cookieAck'),
      () => pair.ask('data'),
      () => pair.answer('sack'),
      () => pair.ask('shutdown'),
      () => pair.answer('shutdownAck'),
      () => pair.ask('shutdownComplete'),
    ].map((send) => {
      send()
      return pair.state
    })
    assert.deepEqual(states, [
      'INIT1 4, 0 active, 1 inactive',
      'C-SENT 61, 0 active, 1 inactive',
      'C-REPLIED 61, 0 active, 1 inactive',
      'ESTABLISHED 900, 1 active, 0 inactive',
      'ESTABLISHED 900, 1 active, 0 inactive',
      'ESTABLISHED 900, 1 active, 0 inactive',
      'S-RECEIVED 61, 0 active, 1 inactive',
      'S-ACK-SENT 61, 0 active, 1 inactive',
      'CLOSED 61, 0 active, 1 inactive',
    ])
    pair.ask('init')
    assert.match(pair.state, /^INIT1 4/, 'and a new one in its place')
  })

  it('past us, by the client alone', () => {
    const pair = new Pair('direct')
    pair.ask('init')
    pair.ask('cookieEcho')
    assert.equal(pair.state, 'ESTABLISHED 900, 1 active, 0 inactive')
    pair.ask('cookieEcho', 'abort')
    assert.match(pair.state, /^CLOSED 61/)
  })

  it('begins with INIT and nothing else, unless sloppy_sctp', () => {
    const pair = new Pair('masquerade')
    assert.equal(reasonName(pair.ask('data').reason), 'notOpening')
    assert.equal(reasonName(pair.ask().reason), 'notOpening')
    setSysctl('sloppy_sctp', 1)
    assert.equal(reasonName(pair.ask('abort').reason), 'notOpening')
    assert.equal(reasonName(pair.ask().reason), 'notOpening')
    assert.equal(reasonName(pair.ask('data').reason), 'toServer')
    assert.match(pair.state, /^ESTABLISHED/)
  })

  it('in a fragment is not taken: its checksum could not follow', () => {
    const pair = new Pair('masquerade')
    const frame = sctpFrame('10.0.0.10:5000', '10.0.0.100:2905', {
      chunks: [{ type: SctpChunkType.init, flags: 0, value: new Uint8Array(16) }],
      over: { ...over('client'), ip: { dontFragment: false, moreFragments: true } },
    })
    assert.equal(reasonName(pair.lab.send('client', frame).reason), 'sctpFragment')
  })
})

describe('the checksum follows the ports', () => {
  /** parseFrame knows nothing of the sum: what emitSctp would have computed must stand there. */
  const isRight = (frame: Uint8Array) => {
    const { sctp, ip } = parseFrame(frame)!
    const payload = frame.slice(
      frame.length - (ip!.version === 4 ? frame.length - 34 : frame.length - 54),
    )
    const found = Sctp.view(viewOf(payload), 0).checksum
    Sctp.view(viewOf(payload), 0).checksum = 0
    const crc = crc32c(payload)
    return (
      sctp !== undefined &&
      found === viewOf(Uint8Array.of(crc, crc >>> 8, crc >>> 16, crc >>> 24)).getUint32(0)
    )
  }

  for (const family of [4, 6] as const) {
    for (const forwarding of ['masquerade', 'direct'] as const) {
      it(`IPv${family}, ${forwarding}`, () => {
        const pair = new Pair(forwarding, forwarding === 'direct' ? 2905 : 9000, family)
        for (const outcome of [pair.ask('init'), pair.answer('initAck'), pair.ask('data')]) {
          for (const { bytes } of outcome.departed) assert.ok(isRight(bytes))
        }
      })
    }
  }

  it('whatever the packet, and however long', () => {
    const random = new Random(20_250_111)
    for (const length of [12, 13, 16, 255, 256, 1499, 4096, 65_515]) {
      const packet = Uint8Array.from({ length }, () => random.below(256))
      const view = Sctp.view(viewOf(packet), 0)
      const before = crc32c(packet)
      const ports = random.next32()
      const changed = packet.slice()
      const bytes = viewOf(changed)
      bytes.setUint32(0, (bytes.getUint32(0) ^ ports) >>> 0)
      const swapped = viewOf(new Uint8Array(4))
      swapped.setUint32(0, (before ^ crc32c(changed)) >>> 0, true)
      assert.equal(checksumDelta(ports, length), swapped.getUint32(0), `${length} bytes`)
      assert.equal(view.sourcePort, viewOf(packet).getUint16(0))
    }
  })

  it('and is computed here where hardware was to do it', () => {
    const frame = sctpFrame('10.0.0.10:5000', '10.0.0.100:2905', {
      chunks: [{ type: SctpChunkType.data, flags: 3, value: new Uint8Array(20).fill(9) }],
    })
    const whole = frame.slice()
    frame.fill(0, 42, 46)
    const offloads = {
      checksumStart: 34,
      checksumOffset: 8,
      gsoType: 0,
      gsoSize: 0,
      headerLength: 0,
    }
    completeChecksum(frame, { ...offloads, flags: VirtioFlag.needsChecksum }, 0)
    assert.deepEqual(frame, whole)
  })
})
