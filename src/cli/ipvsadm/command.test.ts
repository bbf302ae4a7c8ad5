import { test } from 'node:test'
import assert from 'node:assert/strict'
import { NO_NAMES } from './address.ts'
import { parseCommand } from './command.ts'
import { WrongUsage } from './draft.ts'

function parse(line: string) {
  return parseCommand(line.split(' '), NO_NAMES)
}

/** Status and text of what is wrong. */
function complaint(line: string): string {
  try {
    parse(line)
  } catch (error) {
    if (error instanceof WrongUsage) return `${error.status} ${error.message}`
    throw error
  }
  return 'nothing'
}

/** Parts of what a change asks for, by name. */
function asked(line: string): Record<string, unknown> {
  const command = parse(line)
  assert.equal(command.kind, 'change')
  if (command.kind !== 'change') return {}
  const { settings, ...rest } = command.with as { settings?: object }
  return { call: command.call, ...rest, ...settings }
}

test('commands become calls', () => {
  const service = { protocol: 'sctp', address: '10.0.0.1', port: 80 }
  const cases: [string, object][] = [
    ['-D --sctp-service 10.0.0.1:80', { call: 'service.delete', service }],
    ['-C', { call: 'service.flush' }],
    ['-Z', { call: 'service.zero' }],
    ['-Z -f 3 -6', { call: 'service.zero', service: { firewallMark: 3, family: 6 } }],
    ['--set 10 0 30', { call: 'timeouts.set', tcp: 10, tcpFin: 0, udp: 30 }],
    [
      '-d -t 10.0.0.1:80 -r 10.0.0.2',
      {
        call: 'server.delete',
        service: { ...service, protocol: 'tcp' },
        server: { address: '10.0.0.2', port: 80 },
      },
    ],
    [
      '-Q -t 10.0.0.1:80 -z 10.0.0.2',
      { call: 'local.delete', service: { ...service, protocol: 'tcp' }, address: '10.0.0.2' },
    ],
  ]
  for (const [line, wanted] of cases) assert.deepEqual(asked(line), wanted, line)
})

test('a server has the port of its service unless its method can change ports', () => {
  const portOf = (line: string) => (asked(line)['server'] as { port: number }).port
  assert.equal(portOf('-a -t 10.0.0.1:80 -r 10.0.0.2:81'), 80)
  assert.equal(portOf('-a -t 10.0.0.1:80 -r 10.0.0.2:81 -i'), 80)
  assert.equal(portOf('-a -t 10.0.0.1:80 -r 10.0.0.2:81 -m'), 81)
  assert.equal(portOf('-a -t 10.0.0.1:80 -r 10.0.0.2:81 -b'), 81)
  assert.equal(portOf('-a -t 10.0.0.1:80 -r 10.0.0.2 -m'), 80)
  assert.equal(portOf('-a -f 1 -r 10.0.0.2:81'), 81)
  // ipvsadm reads the service's port where -r stands.
  assert.equal(portOf('-a -r 10.0.0.2 -t 10.0.0.1:80 -m'), 0)
})

test('what is not said has defaults', () => {
  const added = asked('-A -t [2001:db8::1]:80')
  assert.equal(added['scheduler'], 'wlc')
  assert.equal(added['netmask'], 128)
  assert.equal(added['persistenceEngine'], null)
  assert.equal(asked('-A -t 10.0.0.1:80 -p')['persistenceTimeoutS'], 360)
  assert.equal(asked('-A -t 10.0.0.1:80 -s averyveryverylongname')['scheduler'], 'averyveryverylo')
  const server = asked('-a -t 10.0.0.1:80 -r 10.0.0.2')
  assert.equal(server['forwarding'], 'direct')
  assert.equal(server['weight'], 1)
})

test('a netmask is read by the family of the service before it', () => {
  assert.equal(asked('-A -t 10.0.0.1:80 -p -M 255.255.255.0')['netmask'], 0xffffff00)
  assert.equal(asked('-A -t [2001:db8::1]:80 -p -M 64')['netmask'], 64)
  assert.equal(asked('-A -M 64 -t [2001:db8::1]:80 -p')['netmask'], 128)
  assert.equal(complaint('-A -t [2001:db8::1]:80 -p -M 129'), '2 illegal ipv6 netmask specified')
  assert.equal(
    complaint('-A -t 10.0.0.1:80 -p -M x'),
    '2 illegal virtual server persistent mask specified',
  )
})

test('what the recordings do not have', () => {
  const cases: [string, string][] = [
    ['-A -6 -f 1', '2 -6 used before -f\n'],
    ['-L -n -n', "2 multiple 'numeric' options specified"],
    ['--set 1 2', '2 --set option requires 3 timeout values'],
    ['--set 1 2 2678401', "2 invalid timeout value `2678401' specified"],
    ['--set 1 2 3 4', '2 unexpected argument 4'],
    ['--set 1 2 3 -n', "2 Illegal 'numeric' option with the 'set' command"],
    ['--start-daemon bogus', '2 illegal start-daemon parameter specified'],
    ['--stop-daemon bogus', '2 illegal start_daemon specified'],
    ['-A --start-daemon master', "2 invalid option `master'"],
    ['--start-daemon master --syncid 256', '2 illegal syncid specified'],
    ['--start-daemon master --mcast-port 0', '2 illegal mcast-port specified'],
    ['--start-daemon master --mcast-ttl 256', '2 illegal mcast-ttl specified'],
    ['--start-daemon master --sync-maxlen 65508', '2 illegal sync-maxlen specified'],
    ['--start-daemon master --mcast-group 10.0.0.1', "2 invalid IPv4 mcast-group `10.0.0.1'"],
    ['--start-daemon master --mcast-group ff02::1', 'nothing'],
    ['--start-daemon master --mcast-group 2001::1', "2 invalid IPv6 mcast-group `2001::1'"],
    ['-L --stats=1', '255 --stats=1: option does not take an argument'],
    ['-P -t 10.0.0.1:80 -z x:', '2 illegal local address'],
    ['-a -t 10.0.0.1:80 -r 10.0.0.2 -b -m', "2 multiple 'forwarding-method' options specified"],
    ['-a -t 10.0.0.1:80 -r 10.0.0.2 -m -x -1', '2 illegal u_threshold specified'],
    ['-a -t 10.0.0.1:80 -r 10.0.0.2 -m -y -1', '2 illegal l_threshold specified'],
    ['-a -t 10.0.0.1:80 -r 80', '2 illegal real server address[:port] specified'],
    ['-L --timeout --rate', '2 options conflicts in the list command'],
    ['-L --daemon --persistent-conn', '2 options conflicts in the list command'],
  ]
  for (const [line, wanted] of cases) assert.equal(complaint(line), wanted, line)
})

test('listings', () => {
  assert.deepEqual(parse('-L --timeout'), { kind: 'timeouts' })
  assert.deepEqual(parse('-L --daemon'), { kind: 'sync' })
  assert.deepEqual(parse('-G'), { kind: 'locals' })
  assert.deepEqual(parse('-Sn'), { kind: 'save', numeric: true })
  assert.deepEqual(parse('-h -L'), { kind: 'help' })
  const listing = parse('-Ln --nosort -X')
  assert.equal(listing.kind, 'list')
  if (listing.kind !== 'list') return
  assert.equal(listing.service, undefined)
  const set = Object.entries(listing.format).filter(([, value]) => value)
  assert.deepEqual(
    set.map(([name]) => name),
    ['numeric', 'exact'],
  )
})
