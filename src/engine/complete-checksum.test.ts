/**
 * Checksums that were left to hardware, finished: as if the sender had written them itself, also behind headers that
 * were put in front since.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { noOffloads, VirtioFlag } from '../kernel/packet/virtio-header.ts'
import { sctpFrame, tcpFrame, udpFrame } from '../wire/flow.ts'
import { setPartialSum, layoutOf } from '../../tests/packets/sums.ts'
import { completeChecksum, isSctp } from './complete-checksum.ts'

const [FROM, TO] = ['10.0.0.10:4000', '192.168.10.11:80']
const [FROM6, TO6] = ['[2001:db8:a::10]:4000', '[2001:db8:b::11]:80']
const data = Buffer.from('an odd number of bytes.')
const chunks = [{ type: 0, flags: 3, value: new Uint8Array(20).fill(0x5a) }]
/** What stands in an SCTP packet's field until then matters to nobody. */
const ANYTHING = 0xdeadbeef

/** Where the field is in the transport header. */
const CASES = [
  ['TCP', 16, tcpFrame(FROM, TO, { data })],
  ['TCP over IPv6', 16, tcpFrame(FROM6, TO6, { data })],
  ['UDP', 6, udpFrame(FROM, TO, { data })],
  ['UDP over IPv6', 6, udpFrame(FROM6, TO6, { data })],
  ['SCTP', 8, sctpFrame(FROM, TO, { tag: 7, chunks })],
  ['SCTP over IPv6', 8, sctpFrame(FROM6, TO6, { tag: 7, chunks })],
] as const

for (const [name, checksumOffset, whole] of CASES) {
  for (const grown of [0, 20]) {
    it(`${name}, ${grown} bytes put in front`, () => {
      const layout = layoutOf(whole)
      const left = whole.slice()
      if (checksumOffset === 8) {
        new DataView(left.buffer, left.byteOffset).setUint32(layout.transport + 8, ANYTHING)
      } else setPartialSum(left, layout)
      const offloads = {
        ...noOffloads(),
        flags: VirtioFlag.needsChecksum,
        checksumStart: layout.transport,
        checksumOffset,
      }
      assert.equal(isSctp(offloads), name.startsWith('SCTP'))
      const frame = Buffer.concat([Buffer.alloc(grown, 0xee), left])
      completeChecksum(frame, offloads, grown)
      assert.deepEqual(frame.subarray(grown), Buffer.from(whole))
    })
  }
}

it('what needs none is left as it is', () => {
  const frame = tcpFrame(FROM, TO, { data })
  const before = frame.slice()
  completeChecksum(frame, noOffloads(), 0)
  assert.deepEqual(frame, before)
})
