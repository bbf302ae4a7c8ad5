import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Laboratory } from '../../../tests/goldens/laboratory.ts'
import { CLIENT, laboratory, ONE, setSwitches, syn } from '../../../tests/director/two-directors.ts'
import { addressRoles } from '../../dataplane/tables.ts'
import { tcpFrame } from '../../wire/flow.ts'
import type { SyncRequest } from '../model.ts'
import { SyncDaemons } from './daemons.ts'

function request(fields: Partial<SyncRequest> = {}): SyncRequest {
  const asked = { interface: 'eth0', syncId: 0, maxLength: 0, group: null, port: 0, ttl: 0 }
  return { role: 'master', ...asked, ...fields }
}

test('what is not asked for is as IPVS has it', () => {
  new Laboratory().use()
  const daemons = new SyncDaemons()
  assert.equal(daemons.isAny, false)
  assert.equal(daemons.start(request({ role: 'backup', syncId: 7 }), 1500), null)
  assert.equal(daemons.start(request(), 9000), null)
  const defaults = { interface: 'eth0', maxLength: 1472, group: '224.0.0.81', port: 8848, ttl: 1 }
  assert.deepEqual(daemons.list(), [
    { role: 'master', syncId: 0, ...defaults },
    { role: 'backup', syncId: 7, ...defaults },
  ])
})

test('the length of messages keeps to what the interface and the role allow', () => {
  const cases: [Partial<SyncRequest>, number, number][] = [
    [{ maxLength: 1 }, 1500, 1],
    [{ role: 'backup', maxLength: 1 }, 1500, 1024],
    [{ role: 'backup' }, 9000, 9000 - 28],
    [{ role: 'backup' }, 576, 1472],
    [{ group: 'ff02::81' }, 1500, 1452],
    [{ group: 'ff02::81', maxLength: 65507 }, 1500, 65535 - 48],
    [{ maxLength: 65507 }, 1500, 65507],
  ]
  for (const [fields, mtu, wanted] of cases) {
    new Laboratory().use()
    const daemons = new SyncDaemons()
    daemons.start(request(fields), mtu)
    assert.equal(daemons.list()[0]?.maxLength, wanted, JSON.stringify(fields))
  }
})

test('one of each role, on an interface that is there', () => {
  new Laboratory().use()
  const daemons = new SyncDaemons()
  assert.equal(daemons.start(request(), undefined)?.errno, 'ENODEV')
  assert.equal(daemons.stop('master')?.errno, 'ESRCH')
  assert.equal(daemons.start(request(), 1500), null)
  assert.equal(daemons.start(request({ syncId: 9 }), 1500)?.errno, 'EEXIST')
  assert.equal(daemons.list()[0]?.syncId, 0)
  assert.equal(daemons.isAny, true)
  assert.equal(daemons.stop('master'), null)
  assert.deepEqual(daemons.list(), [])
})

test('what runs is in the tables: whoever has them next finds it there', () => {
  new Laboratory().use()
  const first = new SyncDaemons()
  const asked: Partial<SyncRequest>[] = [
    { role: 'master', interface: 'fifteen-letters', syncId: 255, ttl: 255, port: 65535 },
    { role: 'backup', interface: 'e', group: 'ff05::81', maxLength: 65535 },
  ]
  for (const fields of asked) assert.equal(first.start(request(fields), 1500), null)
  assert.deepEqual(new SyncDaemons().list(), first.list())
  assert.equal(first.list().length, 2)
  first.stop('master')
  assert.deepEqual(new SyncDaemons().list(), first.list())
  assert.deepEqual(new SyncDaemons().find('backup'), first.find('backup'))
  assert.equal(new SyncDaemons().find('master'), undefined)
})

test('who takes the tables of a backup over that leaves packets to the host leaves them, too', () => {
  const first = laboratory(ONE)
  setSwitches(first, { backup_only: 1 })
  const { sync, roles } = first.director
  assert.equal(sync.start(request({ role: 'backup' }), 1500), null)
  roles.setSuspended(sync.leavesToHost)
  const next = new Laboratory({ adopted: { tables: first.tables.copy(), ticks: first.ticks } })
  const held = () => {
    next.use()
    let count = 0
    for (let fold = 0; fold < addressRoles.memory.capacity; fold++) {
      if (addressRoles.row(fold).roles !== 0) count++
    }
    return count
  }
  const frame = tcpFrame(CLIENT, '10.0.0.100:80', { flags: syn })
  assert.equal(held(), 0)
  assert.equal(next.send('client', frame).departed.length, 0)
  // With a master beside it, it is a director like others.
  assert.equal(next.director.sync.start(request(), 1500), null)
  next.director.roles.setSuspended(next.director.sync.leavesToHost)
  assert.equal(held(), 2, 'the virtual address and the server')
  assert.equal(next.send('client', frame).departed.length, 1)
})
