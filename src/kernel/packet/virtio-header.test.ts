import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  clearVirtioHeader,
  GsoType,
  noOffloads,
  readVirtioHeader,
  VIRTIO_HEADER_SIZE,
  VirtioFlag,
  writeVirtioHeader,
} from './virtio-header.ts'

// As the kernel gave it for a bulk TCP transfer over veth: 1448 bytes a segment, checksum at 34 + 16.
const TCP_SEGMENTS = '0101' + '4200' + 'a805' + '2200' + '1000'

function headerOf(hex: string): DataView {
  return new DataView(Uint8Array.from(Buffer.from(hex, 'hex')).buffer)
}

function hexOf(view: DataView): string {
  return Buffer.from(view.buffer).toString('hex')
}

test('A header is read field by field, in the machine’s order', () => {
  const offloads = noOffloads()
  readVirtioHeader(headerOf(TCP_SEGMENTS), 0, offloads)
  assert.deepEqual(offloads, {
    flags: VirtioFlag.needsChecksum,
    gsoType: GsoType.tcp4,
    gsoSize: 1448,
    headerLength: 66,
    checksumStart: 34,
    checksumOffset: 16,
  })
})

test('What counts from the frame’s first byte moves with it', () => {
  const offloads = noOffloads()
  readVirtioHeader(headerOf(TCP_SEGMENTS), 0, offloads)
  const view = headerOf('ff'.repeat(VIRTIO_HEADER_SIZE))
  for (const [grown, want] of [
    [0, TCP_SEGMENTS],
    [20, '0101' + '5600' + 'a805' + '3600' + '1000'],
    [-4, '0101' + '3e00' + 'a805' + '1e00' + '1000'],
  ] as const) {
    writeVirtioHeader(view, 0, offloads, grown)
    assert.equal(hexOf(view), want, `grown by ${grown}`)
  }
})

test('A receiver’s word on checksums and a length of headers that is none are not passed on', () => {
  const view = headerOf('ff'.repeat(VIRTIO_HEADER_SIZE))
  writeVirtioHeader(view, 0, { ...noOffloads(), flags: VirtioFlag.dataValid, headerLength: 60 }, 8)
  assert.equal(hexOf(view), '00'.repeat(VIRTIO_HEADER_SIZE))

  const whole = { ...noOffloads(), gsoType: GsoType.udp, gsoSize: 1000, headerLength: 60_000 }
  writeVirtioHeader(view, 0, whole, 0)
  assert.equal(view.getUint16(2, true), 256)

  clearVirtioHeader(view, 0)
  assert.equal(hexOf(view), '00'.repeat(VIRTIO_HEADER_SIZE))
})
