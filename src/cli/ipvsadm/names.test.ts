import { test } from 'node:test'
import assert from 'node:assert/strict'
import { MachineNames, parseHosts, parseServices } from './names.ts'

const TEXT = `# services
http            80/tcp  www www-http # the web
domain          53/tcp
domain          53/udp
other           80/tcp
http            8080/tcp
broken
alsobroken      x/tcp
`

test('/etc/services: the first line counts', () => {
  const { ports, names } = parseServices(TEXT)
  assert.equal(ports.get('http/tcp'), 80)
  assert.equal(ports.get('www-http/tcp'), 80)
  assert.equal(ports.get('http/udp'), undefined)
  assert.equal(ports.get('other/tcp'), 80)
  assert.equal(names.get('80/tcp'), 'http')
  assert.equal(names.get('8080/tcp'), 'http')
  assert.equal(names.get('53/udp'), 'domain')
  assert.equal(names.get('x/tcp'), undefined)
})

test('/etc/hosts: the first line counts, too', () => {
  const hosts = parseHosts(
    '127.0.0.1 localhost\n127.0.0.1 vm\n2001:DB8:0::1 six six.example # home\nbroken\n# 1.1.1.1 x\n',
  )
  assert.deepEqual(
    [...hosts],
    [
      ['127.0.0.1', 'localhost'],
      ['2001:db8::1', 'six'],
    ],
  )
})

test('hosts of this machine, both ways', async () => {
  const names = new MachineNames()
  assert.equal(names.addressOf('localhost'), undefined)
  await names.resolve('localhost')
  assert.equal(names.addressOf('localhost'), '127.0.0.1')
  const naming = await names.namingOf(['127.0.0.1'])
  assert.equal(typeof naming.host('127.0.0.1'), 'string')
})
