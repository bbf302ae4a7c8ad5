/**
 * What kernels up to 6.1 ask of a program before they look any closer, asked of ours wherever they are built: a loop is
 * closed by a jump. Later kernels let anything lead back. (kernel/bpf/verifier.c of that time: check_cfg.)
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytesOf } from '../../src/bpf/artefact.ts'
import { SLOT_SIZE } from '../../src/bpf/opcode.ts'
import { readArtefact } from '../../src/engine/artefact-file.ts'

const CALL = 0x85
const EXIT = 0x95
const JUMP = 0x05
const CLASS = 7
const JUMPS: readonly number[] = [5, 6]
/** As a call's source register: the callee is a function of the program. */
const OWN_FUNCTION = 1

interface Edge {
  readonly to: number
  readonly mayLeadBack: boolean
}

function edgesFrom(view: DataView, slot: number): Edge[] {
  const at = slot * SLOT_SIZE
  const opcode = view.getUint8(at)
  const next = { to: slot + 1, mayLeadBack: false }
  const target = slot + 1 + view.getInt16(at + 2, true)
  if (opcode === EXIT) return []
  if (opcode === CALL) {
    const isOwn = view.getUint8(at + 1) >> 4 === OWN_FUNCTION
    const callee = slot + 1 + view.getInt32(at + 4, true)
    return isOwn ? [next, { to: callee, mayLeadBack: true }] : [next]
  }
  if (opcode === JUMP) return [{ to: target, mayLeadBack: true }]
  if (!JUMPS.includes(opcode & CLASS)) return [next]
  return [
    { to: slot + 1, mayLeadBack: true },
    { to: target, mayLeadBack: true },
  ]
}

/** Slots that lead back without a jump, found by going down into everything once. */
function wrongWaysBack(instructions: Uint8Array): string[] {
  const view = new DataView(instructions.buffer, instructions.byteOffset, instructions.byteLength)
  const state: ('open' | 'closed' | undefined)[] = []
  const wrong: string[] = []
  const trail = [{ slot: 0, edges: edgesFrom(view, 0) }]
  state[0] = 'open'
  for (let top = trail.at(-1); top !== undefined; top = trail.at(-1)) {
    const edge = top.edges.shift()
    if (edge === undefined) {
      state[top.slot] = 'closed'
      trail.pop()
    } else if (state[edge.to] === undefined) {
      state[edge.to] = 'open'
      trail.push({ slot: edge.to, edges: edgesFrom(view, edge.to) })
    } else if (state[edge.to] === 'open' && !edge.mayLeadBack) {
      wrong.push(`${top.slot} → ${edge.to}`)
    }
  }
  return wrong
}

describe('a kernel of 6.1', () => {
  for (const name of ['xdp', 'tc', 'companion']) {
    it(`finds a jump at the end of every loop of ${name}`, () => {
      assert.deepEqual(wrongWaysBack(bytesOf(readArtefact(name).instructions)), [])
    })
  }
})
