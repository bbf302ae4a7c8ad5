import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, it } from 'node:test'
import { notRoot } from '../../tests/kernel/own-network.ts'
import { Instance, listInstances } from './instance.ts'

const name = `test-${process.pid}`

describe('an instance', { skip: notRoot }, () => {
  it('is for one at a time, and can be taken again', () => {
    const first = Instance.take(name)
    assert.throws(() => Instance.take(name), /another process runs the instance/)
    first.release()
    Instance.take(name).remove()
  })

  it('leaves nothing when it is removed, nor does the last of them', () => {
    const [one, other] = [Instance.take(name), Instance.take(`${name}-2`)]
    one.remove()
    assert.deepEqual([existsSync(one.folder), existsSync(other.folder)], [false, true])
    other.remove()
    assert.ok(!listInstances().some((left) => left.startsWith(name)))
    assert.equal(existsSync(dirname(other.folder)), listInstances().length > 0)
  })
})
