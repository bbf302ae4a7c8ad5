import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ClaimLog } from '../director/claim-log.ts'
import type { Engine, EngineClaims } from '../engine/engine.ts'
import { KernelError } from '../kernel/errno.ts'
import { ClaimKeeper } from './claim-keeper.ts'

const WEB = { address: '10.0.0.100', protocol: 6, port: 80 }
const DNS = { address: '10.0.0.100', protocol: 17, port: 53 }
const SERVER = { address: '10.9.0.1', protocol: 6, port: 8080 }

/** Notes what the engine is told, and refuses it as often as wanted. */
class Notes {
  readonly changes: string[] = []
  refusals = 0

  readonly engine = {
    updateClaims: (added: EngineClaims, removed: EngineClaims) => {
      if (this.refusals-- > 0) throw new KernelError('add elements', 12)
      this.changes.push(`+${text(added)} -${text(removed)}`)
    },
  } as unknown as Engine
}

function text({ destinations, sources, ownAddresses }: EngineClaims): string {
  const endpoints = [...destinations, ...sources].map(({ address, port }) => `${address}:${port}`)
  return [...endpoints, ...ownAddresses].join(',')
}

describe('the keeper of claims', () => {
  it('makes all changes of one turn of the loop in one step', async () => {
    const [log, notes] = [new ClaimLog(), new Notes()]
    const keeper = new ClaimKeeper(notes.engine, log)
    log.claim('destinations', WEB)
    const first = keeper.applied()
    log.claim('destinations', DNS)
    log.claim('sources', SERVER)
    log.claim('sources', { ...SERVER, port: 1 })
    log.release('sources', { ...SERVER, port: 1 })
    const second = keeper.applied()
    assert.deepEqual(notes.changes, [], 'not yet')
    await Promise.all([first, second])
    assert.deepEqual(notes.changes, ['+10.0.0.100:80,10.0.0.100:53,10.9.0.1:8080 -'])
    log.release('destinations', DNS)
    await keeper.applied()
    assert.deepEqual(notes.changes.slice(1), ['+ -10.0.0.100:53'])
    await keeper.applied()
    assert.equal(notes.changes.length, 2, 'nothing to do')
  })

  it('tells every caller of a refusal, and tries all of it again with the next call', async () => {
    const [log, notes] = [new ClaimLog(), new Notes()]
    const keeper = new ClaimKeeper(notes.engine, log)
    notes.refusals = 2
    log.claim('destinations', WEB)
    const calls = await Promise.allSettled([keeper.applied(), keeper.applied()])
    assert.deepEqual(
      calls.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    log.claim('sources', SERVER)
    await assert.rejects(keeper.applied(), KernelError)
    await keeper.applied()
    assert.deepEqual(notes.changes, ['+10.0.0.100:80,10.9.0.1:8080 -'])
  })

  it("takes over the host's own addresses by their difference, or not at all", () => {
    const notes = new Notes()
    const keeper = new ClaimKeeper(notes.engine, new ClaimLog())
    keeper.setOwnAddresses(['10.0.0.1', '10.0.0.2', '10.0.0.1'])
    keeper.setOwnAddresses(['10.0.0.2', '10.0.0.1'])
    notes.refusals = 1
    assert.throws(() => keeper.setOwnAddresses(['10.0.0.3']), KernelError)
    keeper.setOwnAddresses(['10.0.0.2', '10.0.0.3'])
    assert.deepEqual(notes.changes, ['+10.0.0.1,10.0.0.2 -', '+10.0.0.3 -10.0.0.1'])
  })
})
