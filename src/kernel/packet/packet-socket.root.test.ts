import assert from 'node:assert/strict'
import { before, describe, it, type TestContext } from 'node:test'
import {
  addVeth,
  enterOwnNetwork,
  ip,
  linkOf,
  notRoot,
  startPeer,
  until,
  type Link,
} from '../../../tests/kernel/own-network.ts'
import { addressOf, Readiness } from '../ffi.ts'
import { HEADROOM } from './packet-ring.ts'
import { PacketSocket } from './packet-socket.ts'
import type { FrameMemory } from './send-queue.ts'
import {
  clearVirtioHeader,
  VIRTIO_HEADER_SIZE,
  VirtioFlag,
  writeVirtioHeader,
} from './virtio-header.ts'

const BATCH = 64
/** An ethertype that nobody speaks: IEEE's for local experiments. */
const EXPERIMENT = [0x88, 0xb5]

function openSocket(context: TestContext, link: Link, slots?: number): PacketSocket {
  const socket = PacketSocket.open(link.index, slots === undefined ? {} : { slots })
  context.after(() => socket.close())
  return socket
}

/** A frame of `length` bytes, the `n`th, in memory of its own. */
function frameOf(length: number, n = 0): { memory: FrameMemory; start: number; frame: Uint8Array } {
  const bytes = new Uint8Array(4096 + length) // large: small arrays may be moved
  const frame = bytes.subarray(VIRTIO_HEADER_SIZE, VIRTIO_HEADER_SIZE + length)
  frame.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, ...EXPERIMENT, n >>> 8, n & 255])
  for (let i = 16; i < length; i++) frame[i] = i * 7 + n
  const memory = { bytes: new DataView(bytes.buffer), address: addressOf(bytes) }
  return { memory, start: VIRTIO_HEADER_SIZE, frame }
}

function sendFrame(socket: PacketSocket, length: number, n = 0): Uint8Array {
  const { memory, start, frame } = frameOf(length, n)
  socket.send(memory, start, length)
  socket.flush()
  return frame
}

function bytesOf(socket: PacketSocket): Uint8Array {
  return new Uint8Array(socket.memory.bytes.buffer, socket.frameStart, socket.frameLength).slice()
}

async function nextOf(socket: PacketSocket): Promise<number> {
  let slot = -1
  await until('a frame arrives', () => (slot = socket.next()) >= 0)
  return slot
}

/** What came through a relay. */
interface Relayed {
  frames: number
  segmented: number
  partial: number
}

/** Passes on what comes, unchanged, while the test runs; then closes `from`. */
function relay(context: TestContext, from: PacketSocket, to: PacketSocket): Relayed {
  const relayed: Relayed = { frames: 0, segmented: 0, partial: 0 }
  const slots: number[] = []
  const readiness = new Readiness(from.fd, () => {
    for (let slot = from.next(); slot >= 0; slot = from.next()) {
      slots.push(slot)
      relayed.frames++
      if (from.offloads.gsoSize > 0) relayed.segmented++
      if ((from.offloads.flags & VirtioFlag.needsChecksum) !== 0) relayed.partial++
      const { bytes } = from.memory
      writeVirtioHeader(bytes, from.frameStart - VIRTIO_HEADER_SIZE, from.offloads, 0)
      to.send(from.memory, from.frameStart, from.frameLength)
      if (slots.length === BATCH) break
    }
    // Called for nothing: a peer has ended, and with its namespace the cable that this socket was at.
    if (slots.length === 0) from.takeError()
    to.flush()
    while (slots.length > 0) from.release(slots.pop()!)
  })
  context.after(() => {
    readiness.stop() // before the descriptor is closed
    from.close()
  })
  return relayed
}

describe('a packet socket', { skip: notRoot }, () => {
  let near: Link
  let far: Link

  before(() => {
    enterOwnNetwork()
    ;[near, far] = addVeth('slnear', 'slfar')
  })

  it('carries a TCP transfer from cable to cable, segments and partial checksums as they are', async (context) => {
    const [left] = addVeth('slleft', 'slclient')
    const [right] = addVeth('slright', 'slserver')
    const onLeft = PacketSocket.open(left.index)
    const onRight = PacketSocket.open(right.index)
    const there = relay(context, onLeft, onRight)
    const back = relay(context, onRight, onLeft)
    const server = await startPeer(context, 'slserver', '10.77.0.2/24', 'serve', '9000')
    await until('the server serves', () => server.output.includes('serving'))
    const started = performance.now()
    const client = await startPeer(
      context,
      'slclient',
      '10.77.0.1/24',
      'send',
      '10.77.0.2',
      '9000',
      '128',
    )
    const [sent, got] = await Promise.all([client.result, server.result])
    assert.equal(got, sent)
    assert.match(got, /^134217728 /)
    const mbits = (8 * 128) / ((performance.now() - started) / 1000)
    context.diagnostic(`${Math.round(mbits)} Mbit/s or more; ${JSON.stringify({ there, back })}`)
    assert.ok(there.segmented > 500, `${there.segmented} of ${there.frames} frames segmented`)
    assert.ok(there.partial > 500 && back.partial > 100, 'checksums partial both ways')
    assert.deepEqual([...onLeft.sendErrors, ...onRight.sendErrors], [])
    assert.equal(onLeft.truncated + onRight.truncated, 0)
  })

  it('leaves room for 128 bytes before a frame', async (context) => {
    const out = openSocket(context, near, 0)
    const input = openSocket(context, far)
    const onward = addVeth('slout2', 'slin2')
    const next = openSocket(context, onward[0], 0)
    const last = openSocket(context, onward[1])
    const frames = [sendFrame(out, 1000, 1), sendFrame(out, 1000, 2), sendFrame(out, 1000, 3)]
    const slots: number[] = []
    for (const frame of frames) {
      slots.push(await nextOf(input))
      assert.deepEqual(bytesOf(input), frame)
      assert.ok(input.frameStart - input.frameFloor >= HEADROOM)
      assert.ok(input.frameCeiling - input.frameStart >= 65_549)
      const start = input.frameStart - HEADROOM
      const head = new Uint8Array(input.memory.bytes.buffer, start, HEADROOM)
      head.fill(0xaa).set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, ...EXPERIMENT])
      clearVirtioHeader(input.memory.bytes, start - VIRTIO_HEADER_SIZE)
      next.send(input.memory, start, HEADROOM + frame.length)
    }
    next.flush()
    for (const slot of slots) input.release(slot)
    for (const frame of frames) {
      const slot = await nextOf(last)
      assert.equal(last.frameLength, HEADROOM + 1000)
      assert.deepEqual(bytesOf(last).subarray(HEADROOM), frame)
      last.release(slot)
    }
    assert.deepEqual([...next.sendErrors], [])
  })

  it('hands out each slot once, whatever the order they come back in', async (context) => {
    const out = openSocket(context, near, 0)
    const input = openSocket(context, far, 15)
    const memories: Uint8Array[] = []
    for (let n = 0; n < 15; n++) memories.push(sendFrame(out, 60, n))
    const slots: number[] = []
    for (let n = 0; n < 15; n++) {
      slots.push(await nextOf(input))
      assert.deepEqual(bytesOf(input), memories[n])
    }
    assert.equal(new Set(slots).size, 15)
    assert.equal(input.next(), -1, 'all are held')
    for (const slot of slots.slice(7)) input.release(slot)
    sendFrame(out, 60, 20)
    assert.equal(input.next(), -1, 'the next one in turn is held')
    for (const slot of slots.slice(0, 7)) input.release(slot)
    assert.throws(() => input.release(slots[0]!), /not held/)
    const frame = sendFrame(out, 60, 21)
    await nextOf(input)
    assert.deepEqual(bytesOf(input), frame)
  })

  it('counts what the ring had no room for', async (context) => {
    const out = openSocket(context, near, 0)
    const input = openSocket(context, far, 30)
    for (let n = 0; n < 100; n++) sendFrame(out, 60, n)
    await until('all are dropped or waiting', () => input.statistics().dropped >= 70)
    for (let n = 0; n < 30; n++) input.release(await nextOf(input))
    assert.deepEqual(input.statistics(), { received: 30, dropped: 70 })
    sendFrame(out, 60)
    await nextOf(input)
    assert.deepEqual(input.statistics(), { received: 31, dropped: 70 }, 'counts go on')
  })

  it('tells a VLAN tag, which the kernel takes off, and to whom a frame is', async (context) => {
    const out = openSocket(context, near, 0)
    const input = openSocket(context, far)
    const { memory, start, frame } = frameOf(64)
    frame.set([0x81, 0, 0xe0, 5, ...EXPERIMENT], 12)
    out.send(memory, start, 64)
    out.flush()
    input.release(await nextOf(input))
    assert.equal(input.hasVlanTag, true)
    assert.equal(input.vlanTci, 0xe005)
    assert.equal(input.vlanProtocol, 0x8100)
    assert.equal(input.packetType, 3, 'to another host')
    assert.deepEqual(bytesOf(input), Uint8Array.of(...frame.subarray(0, 12), ...frame.subarray(16)))

    const mine = frameOf(64)
    mine.frame.set(far.mac)
    out.send(mine.memory, mine.start, 64)
    out.flush()
    await nextOf(input)
    assert.deepEqual([input.hasVlanTag, input.vlanTci, input.packetType], [false, 0, 0])
  })

  it('does not hear itself', async (context) => {
    const both = openSocket(context, near)
    const input = openSocket(context, far)
    sendFrame(both, 60)
    await nextOf(input)
    assert.equal(both.next(), -1)
  })

  it('sends the rest when a frame is refused, and counts why', async (context) => {
    const out = openSocket(context, near, 0)
    const input = openSocket(context, far)
    const frames = [60, 4000, 61, 4000, 62].map((length) => frameOf(length))
    for (const { memory, start, frame } of frames) out.send(memory, start, frame.length)
    out.flush()
    for (const length of [60, 61, 62]) {
      input.release(await nextOf(input))
      assert.equal(input.frameLength, length)
    }
    assert.deepEqual([...out.sendErrors], [['EMSGSIZE', 2]])
    assert.equal(out.sent, 3)

    const many = frameOf(60)
    for (let n = 0; n < 150; n++) out.send(many.memory, many.start, 60)
    out.flush()
    assert.equal(out.sent, 153, 'more than one call takes')

    ip('link set slnear down')
    sendFrame(out, 60)
    ip('link set slnear up')
    assert.equal(out.sendErrors.get('ENETDOWN'), 1)
  })

  it('is refused where there is no such interface', () => {
    assert.throws(() => PacketSocket.open(9999), /ENODEV/)
    assert.ok(linkOf('slnear').index > 0)
  })
})
