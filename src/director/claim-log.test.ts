import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ClaimLog } from './claim-log.ts'

const WEB = { address: '10.0.0.100', protocol: 6, port: 80 }
const SERVER = { address: '10.9.0.1', protocol: 6, port: 80 }
const NOTHING = { destinations: [], sources: [], networks: [], tunnels: [] }

describe('the log of claims', () => {
  it('gives what changed since it was last asked, once', () => {
    const log = new ClaimLog()
    assert.ok(log.isEmpty)
    log.claim('destinations', WEB)
    log.claim('sources', SERVER)
    assert.ok(!log.isEmpty)
    const added = { ...NOTHING, destinations: [WEB], sources: [SERVER] }
    assert.deepEqual(log.take(), { added, removed: NOTHING })
    assert.ok(log.isEmpty)
    log.release('sources', SERVER)
    const removed = { ...NOTHING, sources: [SERVER] }
    assert.deepEqual(log.take(), { added: NOTHING, removed })
    assert.deepEqual(log.take(), { added: NOTHING, removed: NOTHING })
  })

  it('tells apart roles, protocols, ports and addresses', () => {
    const log = new ClaimLog()
    log.claim('destinations', WEB)
    for (const other of [{ ...WEB, protocol: 17 }, { ...WEB, port: 81 }, SERVER]) {
      log.release('destinations', other)
    }
    log.release('sources', WEB)
    const { added, removed } = log.take()
    assert.deepEqual(added, { ...NOTHING, destinations: [WEB] })
    assert.equal(removed.destinations.length, 3)
    assert.deepEqual(removed.sources, [WEB])
  })

  it('cancels out what came and went, and counts what came twice', () => {
    const log = new ClaimLog()
    log.claim('sources', SERVER)
    log.release('sources', SERVER)
    log.claim('destinations', WEB)
    log.claim('destinations', { ...WEB })
    const added = { ...NOTHING, destinations: [WEB, WEB] }
    assert.deepEqual(log.take(), { added, removed: NOTHING })
  })

  it('takes back what could not be done, beside what came since', () => {
    const log = new ClaimLog()
    log.claim('destinations', WEB)
    log.release('sources', SERVER)
    const { added, removed } = log.take()
    log.release('destinations', WEB)
    log.putBack(added, removed)
    const rest = { ...NOTHING, sources: [SERVER] }
    assert.deepEqual(log.take(), { added: NOTHING, removed: rest })
  })
})
