import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { CLAIM_CASES, randomFrame, SAMPLE_CLAIMS } from '../../../tests/kernel/claim-frames.ts'
import { ClaimSets, type ClaimElement } from './claim-sets.ts'
import { isClaimed, PACKET_OTHERHOST } from './claim.ts'

/** As the kernel hands a frame to a packet socket: without its outer VLAN tag, which comes beside it. */
function untag(frame: Uint8Array): { frame: Uint8Array; tci: number } {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  if (frame.length < 18 || view.getUint16(12) !== 0x8100) return { frame, tci: 0 }
  const rest = [...frame.subarray(0, 12), ...frame.subarray(16)]
  return { frame: Uint8Array.from(rest), tci: view.getUint16(14) }
}

function ask(sets: ClaimSets, tagged: Uint8Array, packetType = 0): boolean {
  const { frame, tci } = untag(tagged)
  // Somewhere in larger memory, so that offsets count.
  const memory = new Uint8Array(frame.length + 7)
  memory.set(frame, 7)
  return isClaimed(sets, new DataView(memory.buffer), 7, frame.length, tci, packetType)
}

test('The claim takes what the engine could want, and leaves the rest', () => {
  const sets = new ClaimSets()
  sets.add(SAMPLE_CLAIMS)
  for (const { name, frame, isClaimed: want } of CLAIM_CASES) {
    assert.equal(ask(sets, frame), want, name)
    assert.equal(ask(sets, frame, PACKET_OTHERHOST), false, `${name}, to another station`)
  }
})

test('Nothing is claimed before anything is added, and after all is removed', () => {
  const sets = new ClaimSets()
  for (const { name, frame } of CLAIM_CASES) assert.equal(ask(sets, frame), false, name)
  const added = sets.add(SAMPLE_CLAIMS)
  assert.deepEqual(sets.add(SAMPLE_CLAIMS), [], 'the second time nothing is new')
  assert.deepEqual(sets.remove(SAMPLE_CLAIMS), [], 'and once removed, all is still there')
  const byName = (a: ClaimElement, b: ClaimElement): number =>
    `${a.set} ${a.key.join()}`.localeCompare(`${b.set} ${b.key.join()}`)
  assert.deepEqual(sets.remove(SAMPLE_CLAIMS).sort(byName), added.sort(byName))
  for (const { name, frame } of CLAIM_CASES) assert.equal(ask(sets, frame), false, name)
})

test('No mangled frame is read past its end, and some of each kind are claimed', () => {
  const sets = new ClaimSets()
  sets.add(SAMPLE_CLAIMS)
  const random = new Random(7)
  let claimed = 0
  for (let i = 0; i < 20_000; i++) {
    const { frame, tci } = untag(randomFrame(random))
    // The memory ends where the frame does: reading further would throw.
    const view = new DataView(frame.slice().buffer)
    if (isClaimed(sets, view, 0, frame.length, tci, 0)) claimed++
  }
  assert.ok(claimed > 2000 && claimed < 18_000, `${claimed} of 20000 claimed`)
})
