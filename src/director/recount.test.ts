import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import { servers, settings, type Server } from '../dataplane/tables.ts'
import { tcpFrame } from '../wire/flow.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { recount } from './recount.ts'

const key = { protocol: 'tcp', address: '10.0.0.100', port: 80 } as const
const NOTHING = () => {}

/** Seven connections to one server. */
function laboratory() {
  const lab = new Laboratory()
  lab.addService(key)
  lab.addServer(key, { address: '192.168.10.11', port: 80 }, { upperThreshold: 100 })
  for (let port = 4001; port <= 4007; port++) open(lab, port)
  const [row] = [...Array(servers.memory.capacity).keys()].filter(
    (each) => servers.row(each).connections > 0,
  )
  return { lab, server: servers.row(row!) }
}

function open(lab: Laboratory, port: number): void {
  lab.send('client', tcpFrame(`10.0.0.10:${port}`, '10.0.0.100:80', { flags: TcpFlag.syn }))
}

function countsOf({ active, inactive, persistent }: Server): number[] {
  return [active, inactive, persistent, settings.row(0).connections]
}

it('counts that are right stay', () => {
  const { server } = laboratory()
  const before = countsOf(server)
  assert.equal(recount(NOTHING), 0)
  assert.deepEqual(countsOf(server), before)
  assert.equal(before[3], 7)
})

it('counts that a killed daemon left too high, or too low, are set right, and what follows from them', () => {
  const { server } = laboratory()
  const before = countsOf(server)
  server.addInactive(1)
  server.addActive(2)
  server.addPersistent(-1 >>> 0)
  settings.row(0).addConnections(3)
  server.overloaded = 1
  assert.equal(recount(NOTHING), 4)
  assert.deepEqual(countsOf(server), before)
})

it('counts that change meanwhile are left to the packets', () => {
  const { lab, server } = laboratory()
  const { active, inactive } = server
  server.addActive(1)
  let port = 5000
  // Between any two looks somebody opens a connection.
  const opening = () => open(lab, ++port)
  assert.equal(recount(opening), 0)
  assert.equal(server.active + server.inactive, active + inactive + 1 + (port - 5000))
})
