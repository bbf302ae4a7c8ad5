import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DIRECTOR_MAC, Laboratory } from '../../tests/goldens/laboratory.ts'
import { ipToWords } from '../base/ip.ts'
import { listConnections } from '../director/listing.ts'
import type { ServiceKey, ServiceProtocol } from '../director/model.ts'
import { cutPorts } from '../director/service-index.ts'
import { tcpFrame } from '../wire/flow.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { printFrame } from '../wire/print.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { Flow } from './flow.ts'
import { SERVICE_PROBES_MAX } from './limits.ts'
import { findService, rolesOf } from './service.ts'
import { NONE, Role, settings } from './tables.ts'

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

describe('a service on a range of ports', () => {
  const range = (port: number, lastPort: number): ServiceKey => ({
    protocol: 'tcp',
    address: '10.0.0.100',
    port,
    lastPort,
  })

  it('is found by each of them, and by no other', () => {
    for (const [first, last] of [
      [8000, 8100],
      [1, 65_535],
      [79, 80],
      [1023, 1025],
      [32_768, 65_535],
    ] as const) {
      const lab = new Laboratory()
      lab.addService(range(first, last))
      const { row } = lab.director.find(range(first, last))!
      for (const port of [first, first + 1, Math.floor((first + last) / 2), last - 1, last]) {
        assert.equal(find('tcp', '10.0.0.100', port), row, `${port} of ${first}-${last}`)
      }
      for (const port of [first - 1, last + 1].filter((port) => port > 0 && port < 65_536)) {
        assert.equal(find('tcp', '10.0.0.100', port), undefined, `${port} of ${first}-${last}`)
      }
      assert.equal(find('udp', '10.0.0.100', first), undefined)
      assert.equal(lab.director.deleteService(range(first, last)), null)
      assert.equal(find('tcp', '10.0.0.100', first), undefined)
      assert.equal(settings.row(0).portBlocks, 0)
    }
  })

  it('gives way to one on a single port of it, and goes before port 0', () => {
    const lab = new Laboratory()
    lab.addService(range(8000, 8100))
    const { row } = lab.director.find(range(8000, 8100))!
    const single = add(lab, 'tcp', '10.0.0.100', 8100)
    const every = add(lab, 'tcp', '10.0.0.100', 0)
    assert.deepEqual(
      [8099, 8100, 8101].map((port) => find('tcp', '10.0.0.100', port)),
      [row, single, every],
    )
  })

  it('is cut into the fewest blocks', () => {
    const text = (first: number, last: number) =>
      cutPorts(first, last)
        .map(({ first, bits }) => `${first}/${2 ** bits}`)
        .join(' ')
    assert.equal(text(8000, 8100), '8000/64 8064/32 8096/4 8100/1')
    assert.equal(text(1, 7), '1/1 2/2 4/4')
    assert.equal(cutPorts(1, 65_534).length, 30)
  })

  it('is refused where it shares a port with another, or is none', () => {
    const lab = new Laboratory()
    lab.addService(range(8000, 8100))
    const { settings } = lab.director.find(range(8000, 8100))!
    for (const key of [range(8100, 8200), range(7000, 9000), range(8001, 8002)]) {
      assert.equal(lab.director.addService(key, settings)?.errno, 'EEXIST')
    }
    assert.equal(lab.director.addService(range(90, 80), settings)?.errno, 'EINVAL')
    assert.equal(lab.director.addService(range(0, 80), settings)?.errno, 'EINVAL')
    assert.equal(lab.director.addService(range(8101, 8200), settings), null)
  })
})

describe('a server of a range', () => {
  const key = { protocol: 'tcp', address: '10.0.0.100', port: 8000, lastPort: 8100 } as const
  const sentTo = (lab: Laboratory): string => {
    const over = { destinationMac: DIRECTOR_MAC.client }
    const frame = tcpFrame('10.0.0.10:4000', '10.0.0.100:8050', { flags: TcpFlag.syn, over })
    const { departed } = lab.send('client', frame)
    return /> (\S+):/.exec(printFrame(departed[0]!.bytes))![1]!
  }

  it('gets the port asked for, if its own is the first of the range or none', () => {
    for (const port of [0, 8000]) {
      const lab = new Laboratory()
      lab.addService(key)
      lab.addServer(key, { address: '192.168.10.11', port }, { forwarding: 'masquerade' })
      assert.equal(sentTo(lab), '192.168.10.11.8050')
      assert.equal([...listConnections()][0]!.server.port, 8050)
    }
  })

  it('gets all on its own port otherwise', () => {
    const lab = new Laboratory()
    lab.addService(key)
    lab.addServer(key, { address: '192.168.10.11', port: 9000 }, { forwarding: 'masquerade' })
    assert.equal(sentTo(lab), '192.168.10.11.9000')
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
