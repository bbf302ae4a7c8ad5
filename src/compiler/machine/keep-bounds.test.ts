import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Block, End } from '../ir/graph.ts'
import { immediate, register, type Test } from '../ir/ir.ts'
import { keepBounds } from './keep-bounds.ts'

const SLOT = 20
const fetched = register(30)
const LEAVE: End = { op: 'return', value: immediate(0) }

/** `start` compares what is in the slot: to `near` if so, else to `far`; both lead to `meet`, `other` to far alone. */
function diamond(test: Test, farHasOther = false): Block[] {
  const jump = (label: string): End => ({ op: 'jump', label })
  const compare = { op: 'branch', test, width: 64, left: fetched, right: immediate(9) } as const
  const first = { op: 'branch', test, width: 64, left: register(1), right: immediate(0) } as const
  return [
    {
      label: 'start',
      operations: [],
      end: farHasOther ? { ...first, label: 'compare', otherwise: 'far' } : jump('compare'),
    },
    { label: 'compare', operations: [], end: { ...compare, label: 'near', otherwise: 'far' } },
    { label: 'near', operations: [], end: jump('meet') },
    { label: 'far', operations: [], end: jump('meet') },
    { label: 'meet', operations: [], end: LEAVE },
  ]
}

function keptIn(blocks: Block[], users: readonly string[]): string[] {
  keepBounds(
    blocks,
    [{ block: blocks[1]!, slot: SLOT, fetched }],
    new Map([[SLOT, new Set(users)]]),
  )
  return blocks.flatMap(({ label, operations }) =>
    operations.map((one) => {
      assert.deepEqual(one, { op: 'spill', slot: SLOT, from: fetched })
      return label
    }),
  )
}

describe('a bound that a comparison teaches', () => {
  it('is kept on the way where the number is small', () => {
    for (const test of ['less', 'lessOrEqual'] as const) {
      assert.deepEqual(keptIn(diamond(test), ['near', 'far']), ['near'])
    }
    for (const test of ['greater', 'greaterOrEqual'] as const) {
      assert.deepEqual(keptIn(diamond(test), ['near', 'far']), ['far'])
    }
  })

  it('is not kept where nobody uses the number, or nothing is learned of it', () => {
    assert.deepEqual(keptIn(diamond('less'), ['far', 'compare']), [])
    assert.deepEqual(keptIn(diamond('equal'), ['near', 'far']), [])
  })

  it('is kept on that way alone where others lead to the same place', () => {
    const blocks = diamond('greater', true)
    assert.deepEqual(keptIn(blocks, ['far']), ['compare kept'])
    const end = blocks.find(({ label }) => label === 'compare')!.end
    assert.ok(end.op === 'branch' && end.otherwise === 'compare kept' && end.label === 'near')
    assert.deepEqual(blocks.find(({ label }) => label === 'compare kept')!.end, {
      op: 'jump',
      label: 'far',
    })
  })
})
