import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  REGISTERS,
  add,
  add32,
  branch,
  branch32,
  call,
  constant64,
  exit,
  fetchAdd,
  label,
  load,
  mapPointer,
  mapValue,
  r0,
  r1,
  r10,
  r2,
  slotsOf,
  store,
  u16,
  u32,
  u64,
} from './instruction.ts'

describe('an instruction', () => {
  it('is plain data', () => {
    assert.deepEqual(add(r1, 4), { kind: 'alu', width: 64, op: 'add', dst: 'r1', src: 4 })
    assert.deepEqual(add32(r1, r2), { kind: 'alu', width: 32, op: 'add', dst: 'r1', src: 'r2' })
    assert.deepEqual(load(r2, u32(r1, 4)), {
      kind: 'load',
      dst: 'r2',
      from: { bytes: 4, base: 'r1', offset: 4 },
    })
    assert.deepEqual(store(u16(r10, -2), 7), {
      kind: 'store',
      to: { bytes: 2, base: 'r10', offset: -2 },
      src: 7,
    })
    assert.deepEqual(fetchAdd(u64(r0, 8), r2), {
      kind: 'atomic',
      op: 'add',
      fetch: true,
      at: { bytes: 8, base: 'r0', offset: 8 },
      src: 'r2',
    })
    const compared = { kind: 'branch', left: 'r1', test: 'greater', right: 3, to: 'out' }
    assert.deepEqual(branch(r1, 'greater', 3, 'out'), { ...compared, width: 64 })
    assert.deepEqual(branch32(r1, 'greater', 3, 'out'), { ...compared, width: 32 })
  })

  it('takes 64-bit constants with or without a sign', () => {
    assert.equal(constant64(r1, -1).value, 0xffffffffffffffffn)
    assert.equal(constant64(r1, 2 ** 53).value, 0x20000000000000n)
    assert.equal(constant64(r1, 0xffffffffffffffffn).value, 0xffffffffffffffffn)
  })

  it('has one slot, two with a wide constant, none as a label', () => {
    assert.deepEqual([call(1), exit(), add(r1, 1)].map(slotsOf), [1, 1, 1])
    const wide = [constant64(r1, 0), mapPointer(r1, 'fd', 3), mapValue(r1, 'index', 0, 4)]
    assert.deepEqual(wide.map(slotsOf), [2, 2, 2])
    assert.equal(slotsOf(label('here')), 0)
  })

  it('knows eleven registers', () => {
    assert.equal(REGISTERS.length, 11)
    assert.equal(REGISTERS[10], r10)
  })
})
