import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import { ipToWords } from '../base/ip.ts'
import type { ServiceKey, ServiceProtocol } from '../director/model.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { Flow } from './flow.ts'
import { SERVICE_PROBES_MAX } from './limits.ts'
import { findService, rolesOf } from './service.ts'
import { NONE, Role } from './tables.ts'

const flow = Flow.local()

/** Row of the service that such a packet finds; undefined: none. */
function find(protocol: ServiceProtocol, address: string, port: number): number | undefined {
  ;[flow.destination0, flow.destination1, flow.destination2, flow.destination3] = ipToWords(address)
  flow.destinationPort = port
  flow.protocol = Protocol[protocol]
  const row = findService(flow)
  return row === NONE ? undefined : row
}

function keyOf(protocol: ServiceProtocol, address: string, port: number): ServiceKey {
  return { protocol, address, port }
}

function add(lab: Laboratory, protocol: ServiceProtocol, address: string, port: number): number {
  const key = keyOf(protocol, address, port)
  lab.addService(key)
  return lab.director.find(key)!.row
}

describe('a packet finds', () => {
  it('the service of its address, port and protocol, and no other', () => {
    const lab = new Laboratory()
    const rows = [
      add(lab, 'tcp', '10.0.0.100', 80),
      add(lab, 'udp', '10.0.0.100', 80),
      add(lab, 'tcp', '10.0.0.100', 443),
      add(lab, 'tcp', '10.0.0.101', 80),
      add(lab, 'tcp', '2001:db8:a::100', 80),
    ]
    assert.deepEqual(
      [
        find('tcp', '10.0.0.100', 80),
        find('udp', '10.0.0.100', 80),
        find('tcp', '10.0.0.100', 443),
        find('tcp', '10.0.0.101', 80),
        find('tcp', '2001:db8:a::100', 80),
      ],
      rows,
    )
    assert.equal(find('udp', '10.0.0.100', 443), undefined)
    assert.equal(find('tcp', '2001:db8:a::101', 80), undefined)
    assert.equal(find('tcp', '2001:db9:a::100', 80), undefined)
  })

  it('a service on port 0 where none has the port', () => {
    const lab = new Laboratory()
    const exact = add(lab, 'tcp', '10.0.0.100', 80)
    assert.equal(find('tcp', '10.0.0.100', 81), undefined)
    const every = add(lab, 'tcp', '10.0.0.100', 0)
    assert.equal(find('tcp', '10.0.0.100', 80), exact)
    assert.equal(find('tcp', '10.0.0.100', 81), every)
    assert.equal(find('udp', '10.0.0.100', 81), undefined)
    assert.equal(lab.director.deleteService(keyOf('tcp', '10.0.0.100', 0)), null)
    assert.equal(find('tcp', '10.0.0.100', 81), undefined)
  })

  it('its service over places that others have left', () => {
    const lab = new Laboratory()
    const ports = Array.from({ length: 60 }, (_, i) => 1000 + i)
    const rows = new Map(ports.map((port) => [port, add(lab, 'tcp', '10.0.0.100', port)]))
    // 60 of 128 places: some are not where their search begins.
    for (const port of ports.filter((port) => port % 3 !== 0)) {
      assert.equal(lab.director.deleteService(keyOf('tcp', '10.0.0.100', port)), null)
      rows.delete(port)
      for (const each of ports) assert.equal(find('tcp', '10.0.0.100', each), rows.get(each))
    }
  })
})

it('a full index refuses a service, and is as before', () => {
  const lab = new Laboratory({ capacities: { services: 200, serviceIndex: 64 } })
  const settings = {
    scheduler: 'rr',
    schedulerFlags: 0,
    persistenceTimeoutS: 0,
    netmask: 0xffffffff,
    onePacket: false,
    persistenceEngine: null,
  }
  const rows = new Map<number, number>()
  let refused = 0
  for (let port = 1; refused === 0; port++) {
    const key = keyOf('tcp', '10.0.0.100', port)
    const outcome = lab.director.addService(key, settings)
    if (outcome === null) rows.set(port, lab.director.find(key)!.row)
    else {
      assert.equal(outcome.errno, 'ENOSPC')
      refused = port
    }
  }
  assert.ok(rows.size >= SERVICE_PROBES_MAX && rows.size <= 64, `${rows.size}`)
  for (const [port, row] of rows) assert.equal(find('tcp', '10.0.0.100', port), row)
  assert.equal(find('tcp', '10.0.0.100', refused), undefined)
  assert.equal(lab.director.counts.services, rows.size)
})

it('an address has the role it was given, as long as somebody has it', () => {
  const lab = new Laboratory()
  const rolesOfVip = () => rolesOf(...ipToWords('10.0.0.100'))
  assert.equal(rolesOfVip(), 0)
  add(lab, 'tcp', '10.0.0.100', 80)
  add(lab, 'tcp', '10.0.0.100', 443)
  assert.equal(rolesOfVip(), Role.virtual)
  lab.director.deleteService(keyOf('tcp', '10.0.0.100', 80))
  assert.equal(rolesOfVip(), Role.virtual)
  lab.director.deleteService(keyOf('tcp', '10.0.0.100', 443))
  assert.equal(rolesOfVip(), 0)
})
