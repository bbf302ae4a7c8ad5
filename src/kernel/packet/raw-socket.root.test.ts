import assert from 'node:assert/strict'
import { before, describe, it, type TestContext } from 'node:test'
import {
  addVeth,
  enterOwnNetwork,
  ip,
  notRoot,
  until,
  type Link,
} from '../../../tests/kernel/own-network.ts'
import { bytesToMac } from '../../base/mac.ts'
import { EtherType } from '../../wire/ethernet.ts'
import { emitFrame } from '../../wire/frame.ts'
import { Protocol } from '../../wire/ip-protocol.ts'
import { emitIpv4 } from '../../wire/ipv4.ts'
import { emitIpv6, fragmentExtension } from '../../wire/ipv6.ts'
import { addressOf } from '../ffi.ts'
import { PacketSocket } from './packet-socket.ts'
import { RECEIVE_MAX, RawSocket } from './raw-socket.ts'
import { VIRTIO_HEADER_SIZE } from './virtio-header.ts'

const ADDRESSES = {
  4: { own: '10.96.0.1', other: '10.96.0.2' },
  6: { own: '2001:db8:96::1', other: '2001:db8:96::2' },
}

interface Part {
  readonly payload: Uint8Array
  readonly trafficClass?: number
  /** Bytes before it in the whole packet, where it is a fragment. */
  readonly offset?: number
  readonly isLast?: boolean
  readonly identification?: number
}

/** An IP packet of protocol 4 to the own address. */
function emitPacket(family: 4 | 6, part: Part): Uint8Array {
  const { own, other } = ADDRESSES[family]
  const { payload, trafficClass = 0, offset, isLast = true, identification = 1 } = part
  if (family === 6) {
    const fragment = { offset: offset ?? 0, moreFragments: !isLast, identification }
    return emitIpv6({
      version: 6,
      trafficClass,
      flowLabel: 0,
      hopLimit: 64,
      source: other,
      destination: own,
      extensions: offset === undefined ? [] : [fragmentExtension(fragment)],
      protocol: Protocol.ipip,
      payload,
    })
  }
  return emitIpv4({
    version: 4,
    typeOfService: trafficClass,
    identification,
    dontFragment: false,
    moreFragments: !isLast,
    fragmentOffset: offset ?? 0,
    timeToLive: 64,
    protocol: Protocol.ipip,
    source: other,
    destination: own,
    options: Uint8Array.of(1, 1, 1, 0), // a longer header
    payload,
  })
}

describe('a raw socket', { skip: notRoot }, () => {
  let near: Link
  let far: Link

  before(() => {
    enterOwnNetwork()
    ;[near, far] = addVeth('slnear', 'slfar')
    ip('addr add 10.96.0.1/24 dev slnear')
    ip('addr add 2001:db8:96::1/64 dev slnear nodad')
  })

  function openBoth(context: TestContext, family: 4 | 6): [RawSocket, (part: Part) => void] {
    const socket = RawSocket.open(family, Protocol.ipip)
    const out = PacketSocket.open(far.index, { slots: 0 })
    context.after(() => {
      socket.close()
      out.close()
    })
    const send = (part: Part) => {
      const frame = emitFrame({
        sourceMac: bytesToMac(far.mac),
        destinationMac: bytesToMac(near.mac),
        type: family === 4 ? EtherType.ipv4 : EtherType.ipv6,
        payload: emitPacket(family, part),
      })
      const bytes = new Uint8Array(4096 + frame.length) // large: small arrays may be moved
      bytes.set(frame, VIRTIO_HEADER_SIZE)
      const memory = { bytes: new DataView(bytes.buffer), address: addressOf(bytes) }
      out.send(memory, VIRTIO_HEADER_SIZE, frame.length)
      out.flush()
      assert.deepEqual([...out.sendErrors], [])
    }
    return [socket, send]
  }

  /** Payloads and traffic classes of the next `count`. */
  async function take(socket: RawSocket, count: number): Promise<[Uint8Array, number][]> {
    const taken: [Uint8Array, number][] = []
    await until(`${count} packets`, () => {
      const received = socket.receive()
      for (let i = 0; i < received; i++) {
        assert.ok(socket.look(i))
        const { memory, payloadStart, payloadLength, trafficClass } = socket
        const bytes = new Uint8Array(memory.bytes.buffer, payloadStart, payloadLength)
        taken.push([bytes.slice(), trafficClass])
      }
      return taken.length >= count
    })
    return taken
  }

  for (const family of [4, 6] as const) {
    it(`tells payload and traffic class of IPv${family} packets, more than a batch of them`, async (context) => {
      const [socket, send] = openBoth(context, family)
      const sent = Array.from({ length: RECEIVE_MAX + 9 }, (_, i): [Uint8Array, number] => [
        new Uint8Array(20 + i).fill(i),
        i * 3,
      ])
      for (const [payload, trafficClass] of sent) send({ payload, trafficClass })
      assert.deepEqual(await take(socket, sent.length), sent)
      assert.equal(socket.receive(), 0)
      assert.deepEqual([socket.truncated, socket.dropped], [0, 0])
    })

    it(`gives fragments of IPv${family} as one`, async (context) => {
      const [socket, send] = openBoth(context, family)
      const whole = Uint8Array.from({ length: 3000 }, (_, i) => i)
      for (let offset = 0; offset < 3000; offset += 1000) {
        const payload = whole.subarray(offset, offset + 1000)
        send({ payload, offset, isLast: offset === 2000, identification: 7 })
      }
      assert.deepEqual(await take(socket, 1), [[whole, 0]])
    })

    it(`counts what nobody took in time, of IPv${family}`, async (context) => {
      const [socket, send] = openBoth(context, family)
      const payload = new Uint8Array(1400)
      for (let i = 0; i < 30_000 && (i % 1000 !== 999 || socket.dropped === 0); i++)
        send({ payload })
      assert.ok(socket.dropped > 0)
      assert.ok((await take(socket, RECEIVE_MAX)).length >= RECEIVE_MAX)
    })
  }
})
