import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errnoName, errnoWords, isKernelError, KernelError } from './errno.ts'

describe('errno', () => {
  const cases: [number, string, string][] = [
    [1, 'EPERM', 'operation not permitted'],
    [11, 'EAGAIN', 'resource temporarily unavailable'],
    [17, 'EEXIST', 'exists already'],
    [19, 'ENODEV', 'no such device'],
    [95, 'EOPNOTSUPP', 'operation not supported'],
    [101, 'ENETUNREACH', 'network is unreachable'],
    [9999, '9999', 'error 9999'],
  ]
  for (const [number, name, words] of cases) {
    it(`${number} is ${name}, ${words}`, () => {
      assert.equal(errnoName(number), name)
      assert.equal(errnoWords(number), words)
    })
  }
})

describe('KernelError', () => {
  it('says what was refused and why, in one sentence', () => {
    const error = new KernelError('bind', 98)
    assert.equal(error.message, 'bind: address already in use (EADDRINUSE)')
    assert.deepEqual(
      [error.call, error.code, error.errno, error.hint],
      ['bind', 'EADDRINUSE', 98, ''],
    )
  })

  it('adds what the kernel had to say', () => {
    const error = new KernelError('add route', 22, 'Invalid prefix length')
    assert.equal(error.message, 'add route: invalid argument (EINVAL): Invalid prefix length')
  })

  it('is told from other errors, by name', () => {
    const error = new KernelError('bind', 98)
    assert.ok(isKernelError(error))
    assert.ok(isKernelError(error, 'EPERM', 'EADDRINUSE'))
    assert.ok(!isKernelError(error, 'EPERM'))
    assert.ok(!isKernelError(new Error('bind')))
  })
})
