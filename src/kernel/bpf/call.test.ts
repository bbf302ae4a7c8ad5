import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BpfAttributes, callBpf, Command, hintOf, isObjectName, tryBpf } from './call.ts'
import { addressOf } from '../ffi.ts'

describe('attributes of bpf(2)', () => {
  it('are laid out where the caller says', () => {
    const bytes = Uint8Array.of(1)
    const attributes = new BpfAttributes(40).u32(0, 0xfffffffe).name(4, 'a.b_1').pointer(24, bytes)
    const words = new BigUint64Array(attributes.bytes.buffer)
    assert.equal(words[3], BigInt(addressOf(bytes)))
    assert.equal(
      Buffer.from(attributes.bytes.subarray(0, 20)).toString('latin1'),
      '\xfe\xff\xff\xffa.b_1'.padEnd(20, '\0'),
    )
    assert.equal(attributes.readU32(0), 0xfffffffe)
  })

  it('point nowhere for nothing', () => {
    const attributes = new BpfAttributes(8).u64(0, 1n).pointer(0, new Uint8Array(0))
    assert.deepEqual([...attributes.bytes], [0, 0, 0, 0, 0, 0, 0, 0])
  })

  it('take only names that the kernel takes', () => {
    const isGood = {
      'sluice.conn': true,
      a123456789012345: false,
      a12345678901234: true,
      'a-b': false,
      '': true,
    }
    for (const [name, good] of Object.entries(isGood)) assert.equal(isObjectName(name), good, name)
    assert.throws(() => new BpfAttributes(16).name(0, 'a b'), { name: 'AssertionError' })
  })
})

describe('bpf(2)', () => {
  it('refuses an unknown command', () => {
    const result = tryBpf(9999, new BpfAttributes(8))
    assert.ok([-22, -1, -38].includes(result), String(result))
  })

  it('says what was tried', () => {
    assert.throws(
      () => callBpf('try nothing', Command.mapLookup, new BpfAttributes(32).u32(0, 0xffff)),
      {
        name: 'KernelError',
        call: 'try nothing',
      },
    )
  })

  it('explains what an operator can change', () => {
    assert.match(hintOf(1), /root/)
    assert.match(hintOf(38), /built without/)
    assert.equal(hintOf(22), '')
  })
})
