import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { ConnectionListing, ServerKey } from '../../director/model.ts'
import { formatConnections, formatLocals, formatSyncDaemons } from './connections.ts'
import { NUMERIC } from './naming.ts'

function connection(fields: Partial<ConnectionListing> = {}): ConnectionListing {
  return {
    protocol: 'tcp',
    client: { address: '10.0.0.10', port: 40000 },
    virtual: { address: '10.0.0.100', port: 80 },
    server: { address: '192.168.10.11', port: 80 },
    local: null,
    state: 'SYN_RECV',
    expiresS: 59.99,
    ...fields,
  }
}

test('connections are listed as recorded', () => {
  const client = { address: '2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff', port: 40000 }
  const virtual = { address: '2001:db8:a::100', port: 80 }
  const server = { address: '2001:db8:b::11', port: 80 }
  const mark: ServerKey = { address: '0.0.0.5', port: 0 }
  const listed = formatConnections(
    [
      connection(),
      connection({ client, virtual, server }),
      connection({ protocol: 'udp', state: 'UDP', expiresS: 6000 }),
      connection({ protocol: 'ip', virtual: mark, state: 'NONE', expiresS: 0 }),
    ],
    false,
    NUMERIC,
  )
  assert.deepEqual(listed.split('\n'), [
    'IPVS connection entries',
    'pro expire state       source             virtual            destination',
    'TCP 00:59  SYN_RECV    10.0.0.10:40000    10.0.0.100:80      192.168.10.11:80',
    'TCP 00:59  SYN_RECV    [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:40000 [2001:db8:a::100]:80 [2001:db8:b::11]:80',
    'UDP 100:00 UDP         10.0.0.10:40000    10.0.0.100:80      192.168.10.11:80',
    'IP  00:00  NONE        10.0.0.10:40000    0.0.0.5:0          192.168.10.11:80',
    '',
  ])
})

test('with persistence engines there are titles for them', () => {
  assert.equal(
    formatConnections([], true, NUMERIC).split('\n')[1],
    'pro expire state       source             virtual            destination        pe name          pe_data',
  )
})

test('a template of an engine shows what the engine knows', () => {
  const engine = { name: 'sip', data: 'call-12345@example.com' }
  const connections = [connection({ protocol: 'udp', state: 'UDP', engine }), connection()]
  const [, , first, second] = formatConnections(connections, true, NUMERIC).split('\n')
  assert.equal(
    first?.slice(23),
    '10.0.0.10:40000    10.0.0.100:80      192.168.10.11:80 sip                call-12345@example.com',
  )
  assert.equal(
    second,
    'TCP 00:59  SYN_RECV    10.0.0.10:40000    10.0.0.100:80      192.168.10.11:80',
  )
  assert.ok(!formatConnections(connections, false, NUMERIC).includes('sip'))
})

test('synchronisation daemons are listed as ipvsadm 1.31 lists them', () => {
  const daemon = { interface: 'eth0', syncId: 0, maxLength: 1472, port: 8848, ttl: 1 }
  assert.equal(
    formatSyncDaemons([
      { role: 'master', group: '224.0.0.81', ...daemon },
      { role: 'backup', group: 'ff02::81', ...daemon },
    ]),
    'master sync daemon (mcast=eth0, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)\n' +
      'backup sync daemon (mcast=eth0, syncid=0, maxlen=1472, group=ff02::81, port=8848, ttl=1)\n',
  )
})

test('FULLNAT connections show their local end last', () => {
  const local = { address: '192.168.10.1', port: 5000 }
  const listed = formatConnections([connection({ local }), connection()], false, NUMERIC)
  assert.deepEqual(listed.split('\n').slice(1, 4), [
    'pro expire state       source             virtual            destination        local',
    'TCP 00:59  SYN_RECV    10.0.0.10:40000    10.0.0.100:80      192.168.10.11:80   192.168.10.1:5000',
    'TCP 00:59  SYN_RECV    10.0.0.10:40000    10.0.0.100:80      192.168.10.11:80',
  ])
})

test('local addresses are listed under their service', () => {
  const service = { protocol: 'tcp', address: '10.0.0.100', port: 80 } as const
  const locals = [{ address: '192.168.10.1', connections: 12, portsExhausted: 3 }]
  assert.deepEqual(formatLocals([{ service, locals }]).split('\n'), [
    'VIP:VPORT            TOTAL    SNAT_IP              CONFLICTS  CONNS     ',
    '10.0.0.100:80        1        ',
    '                              192.168.10.1         3          12        ',
    '',
  ])
})
