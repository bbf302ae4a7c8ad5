import { test } from 'node:test'
import assert from 'node:assert/strict'
import {
  commandsOf,
  NO_COUNTS,
  rulesOf,
  tableOfRules,
} from '../../../tests/goldens/table-of-rules.ts'
import { NO_NAMES } from './address.ts'
import { parseCommand, type ListFormat } from './command.ts'
import { formatLarge, formatServices, formatVersionLine } from './listing.ts'
import { NUMERIC } from './naming.ts'
import { formatRules } from './save.ts'

function formatOf(options: string): ListFormat {
  const command = parseCommand(['-Ln', ...options.split(' ').filter(Boolean)], NO_NAMES)
  assert.ok(command.kind === 'list')
  return command.format
}

/** Recorded cases that need more than the director can do yet. */
const CASES = [
  ['cli-basic.jsonl', 'tunnel', 4],
  ['cli-basic.jsonl', 'persistent', 3],
  ['cli-extra.jsonl', 'long-names', 7],
] as const

for (const [file, name, count] of CASES) {
  test(`${name} is listed and saved as recorded`, () => {
    const commands = commandsOf(file, name)
    // Before anything is edited.
    const end = commands.findIndex(({ cmd }) => /^ipvsadm -[Ee] /.test(cmd))
    const table = tableOfRules(rulesOf(commands))
    let compared = 0
    for (const { cmd, stdout } of commands.slice(0, end < 0 ? undefined : end)) {
      const listing = /^ipvsadm -Ln((?: --(?!nosort)[-a-z]+)*)$/.exec(cmd)
      if (listing !== null) {
        const text = formatServices(table, formatOf(listing[1]!.trim()), NUMERIC)
        assert.equal(formatVersionLine('1.2.1', 4096) + text, stdout, cmd)
        compared++
      } else if (cmd === 'ipvsadm -Sn') {
        assert.equal(
          formatRules(table, () => [], NUMERIC),
          stdout,
          cmd,
        )
        compared++
      }
    }
    assert.equal(compared, count)
  })
}

test('large numbers', () => {
  const cases: [number, string, string][] = [
    [0, '        0', '        0'],
    [99_999_999, ' 99999999', ' 99999999'],
    [114_000_000, '  114000K', ' 114000000'],
    [999_999_999, '  999999K', ' 999999999'],
    [1_000_000_000, '    1000M', ' 1000000000'],
    [99_999_999_999, '   99999M', ' 99999999999'],
    [100_000_000_000, '     100G', ' 100000000000'],
    [99_999_999_999_999, '   99999G', ' 99999999999999'],
    [100_000_000_000_000, '     100T', ' 100000000000000'],
  ]
  for (const [value, short, exact] of cases) {
    assert.equal(formatLarge(value, false), short)
    assert.equal(formatLarge(value, true), exact)
  }
})

test('counters and rates, as recorded of a busy UDP service', () => {
  const counters = { ...NO_COUNTS, connections: 1, inPackets: 1900, inBytes: 114_000_000 }
  const rates = { ...NO_COUNTS, inPackets: 87, inBytes: 5_221_428 }
  const rules = '-A -u 10.0.0.100:53 -s rr\n-a -u 10.0.0.100:53 -r 192.168.10.11:53 -m'
  const table = tableOfRules(rules).map((service) => ({
    ...service,
    counters,
    rates,
    servers: service.servers.map((server) => ({ ...server, counters, rates })),
  }))
  let compared = 0
  for (const { cmd, stdout } of commandsOf('conn-misc.jsonl', 'big-numbers')) {
    const options = /^ipvsadm -Ln (--.*)$/.exec(cmd)?.[1]
    if (options === undefined) continue
    const text = formatServices(table, formatOf(options), NUMERIC)
    assert.equal(formatVersionLine('1.2.1', 4096) + text, stdout, cmd)
    compared++
  }
  assert.equal(compared, 4)
})

test('names too long for their column are cut, except with IPv6', () => {
  const rules = [
    '-A -t 10.0.0.1:80 -s rr',
    '-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m',
    '-A -t [2001:db8::1]:80 -s rr',
    '-a -t [2001:db8::1]:80 -r [2001:db8::2]:80 -m',
  ]
  const host = 'a-very-long-name-of-a-host.example'
  const naming = { host: () => host, port: () => 'http' }
  const text = formatServices(tableOfRules(rules.join('\n')), formatOf(''), naming)
  assert.deepEqual(text.split('\n').slice(2, 6), [
    `TCP  ${host.slice(0, 28)} rr`,
    `  -> ${host.slice(0, 28)} Masq    1      0          0         `,
    `TCP  [${host}]:http rr`,
    `  -> [${host}]:http Masq    1      0          0         `,
  ])
})
