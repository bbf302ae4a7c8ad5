import { test } from 'node:test'
import assert from 'node:assert/strict'
import { tableOfRules } from '../../../tests/goldens/table-of-rules.ts'
import { NUMERIC } from './naming.ts'
import { sortServers, sortServices } from './order.ts'
import { formatRules } from './save.ts'

function sorted(rules: readonly string[]): string[] {
  const services = sortServices(tableOfRules(rules.join('\n')))
  // One service each, so that only this sorting counts.
  return services.map((service) => formatRules([service], () => [], NUMERIC).trimEnd())
}

test('services: mark, family, protocol, address, port', () => {
  const wanted = [
    '-A -t 10.0.0.1:80 -s rr',
    '-A -t 10.0.0.1:443 -s rr',
    '-A -t 10.0.0.2:80 -s rr',
    '-A -u 10.0.0.1:53 -s rr',
    '-A --sctp-service 10.0.0.1:80 -s rr',
    '-A -t [2001:db8::1]:80 -s rr',
    '-A -t [2001:db8::1:0:0]:80 -s rr',
    '-A -f 2 -s rr',
    '-A -f 3 -s rr',
    '-A -f 3 -6 -s rr',
    '-A -f 10 -s rr',
  ]
  assert.deepEqual(sorted(wanted.toReversed()), wanted)
  assert.deepEqual(sorted([...wanted.slice(5), ...wanted.slice(0, 5)]), wanted)
})

test('numbers far apart compare the wrong way round, as with ipvsadm', () => {
  assert.deepEqual(sorted(['-A -t 10.0.0.1:80 -s rr', '-A -t 192.168.0.1:80 -s rr']), [
    '-A -t 192.168.0.1:80 -s rr',
    '-A -t 10.0.0.1:80 -s rr',
  ])
  assert.deepEqual(sorted(['-A -f 1 -s rr', '-A -f 4294967295 -s rr']), [
    '-A -f 4294967295 -s rr',
    '-A -f 1 -s rr',
  ])
})

test('servers: family, address, port', () => {
  const [service] = tableOfRules(
    [
      '-A -f 1 -s rr',
      '-a -f 1 -r [2001:db8::1]:1 -i',
      '-a -f 1 -r 10.0.0.2:80 -m',
      '-a -f 1 -r 10.0.0.1:81 -m',
      '-a -f 1 -r 10.0.0.1:80 -m',
    ].join('\n'),
  )
  assert.deepEqual(
    sortServers(service!.servers).map(({ address, port }) => `${address} ${port}`),
    ['10.0.0.1 80', '10.0.0.1 81', '10.0.0.2 80', '2001:db8::1 1'],
  )
})
