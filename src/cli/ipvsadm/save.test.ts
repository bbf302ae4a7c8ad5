import { test } from 'node:test'
import assert from 'node:assert/strict'
import { tableOfRules } from '../../../tests/goldens/table-of-rules.ts'
import { NUMERIC } from './naming.ts'
import { formatRules } from './save.ts'

const RULES = [
  '-A -t 10.0.0.1:80 -s wrr -p 300 -M 255.255.255.0 --pe sip -b flag-2',
  '-a -t 10.0.0.1:80 -r 192.168.10.11:8080 -m -w 5',
  '-a -t 10.0.0.1:80 -r 192.168.10.12:80 -g -w 0',
  '-a -t 10.0.0.1:80 -r [2001:db8:b::11]:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum',
  '-A -u 10.0.0.1:53 -s sh -o -b sh-fallback,sh-port',
  '-a -u 10.0.0.1:53 -r 192.168.10.11:53 -i -w 1 --tun-type ipip',
  '-a -u 10.0.0.1:53 -r 192.168.10.12:53 -i -w 1 --tun-type gre --tun-csum',
  '-A --sctp-service 10.0.0.1:9 -s rr',
  '-A -t [2001:db8::1]:443 -s mh -p 10 -M 64',
  '-P -t [2001:db8::1]:443 -z 2001:db8:b::fe',
  '-a -t [2001:db8::1]:443 -r [2001:db8:b::11]:8443 -b -w 1',
  '-A -f 5 -s rr',
  '-A -f 6 -6 -s rr',
]

test('what is saved is what was there, and can be read back', () => {
  const text = formatRules(
    tableOfRules(RULES.join('\n')),
    (key) => {
      const isSecure = 'port' in key && key.port === 443
      return isSecure ? [{ address: '2001:db8:b::fe', connections: 0, portsExhausted: 0 }] : []
    },
    NUMERIC,
  )
  assert.deepEqual(text.split('\n').slice(0, -1), RULES)
})

test('names are written where they are known', () => {
  const naming = {
    host: (address: string) => (address === '10.0.0.1' ? 'vip.example' : undefined),
    port: (port: number) => (port === 80 ? 'http' : undefined),
  }
  const rules = '-A -t 10.0.0.1:80 -s rr\n-A -f 5 -s rr\n-a -f 5 -r 10.0.0.1:80 -m'
  assert.equal(
    formatRules(tableOfRules(rules), () => [], naming),
    '-A -t vip.example:http -s rr\n-A -f 5 -s rr\n-a -f 5 -r vip.example:80 -m -w 1\n',
  )
})
