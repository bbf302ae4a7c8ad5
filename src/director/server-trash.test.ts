import assert from 'node:assert/strict'
import { it } from 'node:test'
import { OneService } from '../../tests/dataplane/one-service.ts'
import type { ServerSettings } from './model.ts'

const SETTINGS: ServerSettings = {
  forwarding: 'direct',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnel: { type: 'ipip', port: 0, checksum: 'none' },
}

/** A table for four servers (row 0 is nobody's), all of them in use, the first with a connection. */
function fullTable(): OneService {
  const capacities = { servers: 5, serverOrigins: 5 }
  const service = new OneService('rr', [1, 0, 0, 0], { laboratory: { capacities } })
  assert.equal(service.open('10.0.0.10:40000'), 1)
  return service
}

/** What adding server n is answered: null, or why not. */
function add(service: OneService, n: number): string | null {
  const server = { address: `192.168.10.${10 + n}`, port: 80 }
  service.lab.use()
  return service.lab.director.addServer(service.key, server, SETTINGS)?.errno ?? null
}

it('rows of removed servers are needed before their time, those that have rested without connections', () => {
  const service = fullTable()
  for (const n of [1, 2, 3]) service.remove(n)
  assert.equal(add(service, 5), 'ENOSPC', 'a packet may still be on its way to open a connection')
  service.lab.sleep(0.5)
  service.lab.sleep(1.5)
  assert.deepEqual(
    [5, 6, 7].map((n) => add(service, n)),
    [null, null, 'ENOSPC'],
  )
})

it('a server that still has connections keeps its row, and is taken up again with it', () => {
  const service = fullTable()
  const row = service.lab.director.find(service.key)!.servers.at(-1)!.row
  service.remove(1)
  service.lab.sleep(0.5)
  service.lab.sleep(1.5)
  assert.equal(add(service, 5), 'ENOSPC')
  assert.equal(add(service, 1), null)
  assert.equal(service.lab.director.find(service.key)!.servers[0]!.row, row)
  assert.deepEqual(service.counts(1), [1, 0], 'SYN_RECV is active')
})

it('a row whose connection has ended may be taken, one whose server came back may not', () => {
  const service = fullTable()
  service.remove(1)
  service.remove(2)
  service.lab.sleep(0.5)
  service.add(2)
  service.lab.sleep(70)
  service.lab.sleep(1.5)
  assert.equal(add(service, 5), null)
  assert.equal(add(service, 6), 'ENOSPC')
})

it('a removed IPv6 server is reckoned with as long as its service goes on and it may have connections', () => {
  const service = new OneService('rr', [1])
  const { director } = service.lab
  const far = { address: '2001:db8:c::5', port: 80 }
  const settings = { ...SETTINGS, forwarding: 'tunnel' } as const
  const seen = [director.isIpv4Only]
  assert.equal(director.addServer(service.key, far, settings), null)
  assert.equal(director.deleteServer(service.key, far), null)
  seen.push(director.isIpv4Only)
  for (let minutes = 0; minutes < 4; minutes++) service.lab.sleep(60)
  seen.push(director.isIpv4Only)
  assert.deepEqual(seen, [true, false, true])
})

it('a removed IPv6 server whose service is gone, too, is not reckoned with', () => {
  const service = new OneService('rr', [1])
  const { director } = service.lab
  const far = { address: '2001:db8:c::5', port: 80 }
  const settings = { ...SETTINGS, forwarding: 'tunnel' } as const
  assert.equal(director.addServer(service.key, far, settings), null)
  assert.equal(director.deleteService(service.key), null)
  assert.equal(director.isIpv4Only, true)
})
