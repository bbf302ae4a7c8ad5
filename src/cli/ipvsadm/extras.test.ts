/**
 * What our ipvsadm does beyond ipvsadm 1.31, where it is asked to: --json, --watch, -S --extended, -R --atomic.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { callerOn, runOn } from '../../../tests/goldens/ipvsadm-program.ts'
import { Laboratory } from '../../../tests/goldens/laboratory.ts'
import { servers, services } from '../../dataplane/tables.ts'
import { NO_NAMES } from './address.ts'
import { NUMERIC } from './naming.ts'
import { runIpvsadm } from './run.ts'
import type { Surroundings } from './surroundings.ts'

const RULES = `--set 90 12 30
-A -t 10.0.0.100:80 -s wlc
-P -t 10.0.0.100:80 -z 192.168.10.1
-a -t 10.0.0.100:80 -r 192.168.10.11:8080 -b -w 1 -x 10 -y 2
-a -t 10.0.0.100:80 -r 192.168.10.12:80 -m -w 2 -x 5
-A -u [2001:db8:a::100]:53 -s rr -o
-a -u [2001:db8:a::100]:53 -r [2001:db8:b::11]:53 -g -w 1
`

function laboratory() {
  const lab = new Laboratory()
  const run = runOn(lab, {})
  return { lab, run: (line: string, input = '') => run(line.split(' '), input) }
}

test('a table comes back from -S --extended as it was', async () => {
  const { run } = laboratory()
  assert.deepEqual(await run('-R', RULES), { stdout: '', stderr: '', rc: 0 })
  const saved = await run('-Sn --extended')
  // As -S sorts: TCP over IPv4 first, and servers by their addresses.
  assert.equal(saved.stdout, RULES)
  const plain = await run('-Sn')
  assert.equal(plain.stdout, RULES.replace(/^--set.*\n/, '').replaceAll(/ -[xy] \d+/g, ''))
  for (const restore of ['-R', '-R --atomic']) {
    const other = laboratory()
    assert.deepEqual(await other.run(restore, saved.stdout), { stdout: '', stderr: '', rc: 0 })
    assert.equal((await other.run('-Sn --extended')).stdout, RULES)
  }
})

test('a range of ports is a service, saved as it was made', async () => {
  const { lab, run } = laboratory()
  const rules = `-A -t 10.0.0.100:8000-8100 -s rr
-a -t 10.0.0.100:8000-8100 -r 192.168.10.11:8000 -m -w 1
-A -t [2001:db8:a::100]:8000-8001 -s rr
`
  assert.deepEqual(await run('-R', rules), { stdout: '', stderr: '', rc: 0 })
  assert.equal((await run('-Sn')).stdout, rules)
  assert.match((await run('-Ln')).stdout, /^TCP {2}10.0.0.100:8000-8100 rr$/m)
  assert.equal((await run('-E -t 10.0.0.100:8000-8100 -s wlc')).rc, 0)
  assert.equal((await run('-D -t 10.0.0.100:8000')).stderr, 'No such service\n')
  assert.equal((await run('-D -t 10.0.0.100:8000-8100')).rc, 0)
  for (const wrong of ['8100-8000', '0-5', '1-65536', 'http-90', '1-2-3']) {
    const { stderr } = await run(`-A -t 10.0.0.100:${wrong} -s rr`)
    assert.equal(stderr, 'illegal virtual server address[:port] specified\n', wrong)
  }
  assert.equal(lab.director.services.size, 1)
})

test('every listing is one JSON object, if it is asked for', async () => {
  const { run } = laboratory()
  await run('-R', RULES)
  const json = async (line: string) => {
    const { stdout, stderr, rc } = await run(`${line} --json`)
    assert.deepEqual([stderr, rc, stdout.indexOf('\n')], ['', 0, stdout.length - 1], line)
    return JSON.parse(stdout) as Record<string, unknown>
  }
  const { version, connectionTableSize, services: listed } = await json('-Ln')
  assert.deepEqual([version, connectionTableSize], ['1.2.1', 4096])
  assert.ok(Array.isArray(listed))
  const [web, dns] = listed as { key: unknown; servers: { address: string; weight: number }[] }[]
  assert.deepEqual(web?.key, { protocol: 'tcp', address: '10.0.0.100', port: 80 })
  assert.deepEqual(
    web?.servers.map(({ address, weight }) => [address, weight]),
    [
      ['192.168.10.11', 1],
      ['192.168.10.12', 2],
    ],
  )
  assert.equal(dns?.servers.length, 1)
  const one = await json('-Ln -t 10.0.0.100:80 --stats')
  assert.deepEqual(Object.keys(one), ['services'])
  assert.deepEqual(await json('-Lnc'), { connections: [] })
  assert.deepEqual(await json('-L --timeout'), { timeouts: { tcp: 90, tcpFin: 12, udp: 30 } })
  assert.deepEqual(await json('-L --daemon'), { daemons: [] })
  const locals = await json('-G')
  assert.deepEqual(locals['services'], [
    { service: web?.key, locals: [{ address: '192.168.10.1', connections: 0, portsExhausted: 0 }] },
  ])
  const missing = await run('-Ln -t 10.0.0.9:80 --json')
  assert.deepEqual(missing, { stdout: '', stderr: 'No such service\n', rc: 1 })
})

/** Runs a command that may watch; `rests` says at each pause whether to go on. */
async function watched(line: string, rows: number | null, rests: boolean[]) {
  const { lab, run } = laboratory()
  await run('-A -t 10.0.0.100:80 -s rr')
  let [stdout, stderr] = ['', '']
  const pauses: number[] = []
  const surroundings: Surroundings = {
    connect: () => Promise.resolve(callerOn(lab)),
    names: {
      ...NO_NAMES,
      resolve: () => Promise.resolve(),
      namingOf: () => Promise.resolve(NUMERIC),
    },
    input: (async function* () {})(),
    terminalRows: () => rows,
    pause: (seconds) => {
      pauses.push(seconds)
      return Promise.resolve(rests.shift() ?? false)
    },
    print: (text) => (stdout += text.toString()),
    complain: (text) => (stderr += text),
  }
  const rc = await runIpvsadm(line.split(' '), surroundings)
  return { stdout, stderr, rc, pauses }
}

test('--watch lists again and again, until somebody ends it or there is nothing to list', async () => {
  const once = 'Timeout (tcp tcpfin udp): 900 120 300\n'
  const piped = await watched('-L --timeout --watch 0.5', null, [true, true, false])
  assert.deepEqual(piped, {
    stdout: `${once}\n${once}\n${once}`,
    stderr: '',
    rc: 0,
    pauses: [0.5, 0.5, 0.5],
  })
  const shown = await watched('-Ln --watch', 4, [true])
  assert.deepEqual([shown.rc, shown.pauses], [0, [2, 2]])
  const [first, second, ...rest] = shown.stdout.split('\x1b[H').slice(1)
  assert.equal(second, first)
  assert.deepEqual(rest, [])
  // As many lines as the terminal has, less the cursor's; what stood there before is cleared.
  assert.deepEqual(
    first?.split('\n').map((text) => text.slice(0, 12)),
    ['IP Virtual S', 'Prot LocalAd', '  -> RemoteA'],
  )
  assert.ok(first?.endsWith('\x1b[K\x1b[J'))
  const none = await watched('-Ln -t 10.0.0.9:80 --watch', null, [true])
  assert.deepEqual(none, { stdout: '', stderr: 'No such service\n', rc: 1, pauses: [] })
  for (const wrong of ['0', 'soon', '-Ln --watch=']) {
    const { stderr, rc } = await watched(
      wrong.startsWith('-') ? wrong : `-Ln --watch ${wrong}`,
      null,
      [],
    )
    assert.equal(rc, 2)
    assert.match(stderr, /^invalid watch interval `/)
  }
})

test('-R --atomic changes nothing if a line is wrong, and says which', async () => {
  const { run } = laboratory()
  await run('-R', RULES)
  const cases: [string, string, number][] = [
    [
      '# comment\n\n-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.0.0.2 -w x\nbogus\n-Ln\n#sluice no\n',
      'stdin:4: illegal weight specified\n' +
        'stdin:5: no command of ipvsadm\n' +
        "stdin:6: `-Ln' has no place in a table: it is made of -A, -a, -P and --set\n" +
        "stdin:7: no #sluice line begins with `no'",
      2,
    ],
    [
      'ipvsadm -A -t 10.0.0.1:80 -s rr\n-A -t 10.0.0.1:80 -s rr\n-A -t 10.0.0.2:80 -s bogus\n' +
        '-a -t 10.0.0.2:80 -r 10.0.0.3 -m\n-a -t 10.0.0.9:80 -r 10.0.0.3 -m\n',
      'stdin:2: service tcp 10.0.0.1:80 exists already\nstdin:3: no scheduler is called "bogus"',
      255,
    ],
  ]
  for (const [input, wanted, status] of cases) {
    const { stdout, stderr, rc } = await run('-R --atomic', input)
    assert.deepEqual([stdout, rc], ['', status])
    assert.equal(stderr.slice(0, wanted.length), wanted)
    assert.equal((await run('-Sn --extended')).stdout, RULES)
  }
  const { stderr } = await run('-R --atomic', cases[1]![0])
  // What was to go into a service that could not be added is not complained of; what has none at all is.
  assert.deepEqual(stderr.match(/^stdin:\d+/gm), ['stdin:2', 'stdin:3', 'stdin:5'])
})

test('-R --atomic takes away what is not in it, and leaves alone what is', async () => {
  const { lab, run } = laboratory()
  await run('-R', RULES)
  const entry = [...lab.director.services.values()][0]!
  lab.use()
  services.row(entry.row).connections = 5
  const row = entry.servers[1]!.row
  servers.row(row).active = 2
  const rules = RULES.split('\n').slice(1, 4).join('\n')
  assert.deepEqual(await run('-R --atomic', rules), { stdout: '', stderr: '', rc: 0 })
  const { stdout } = await run('-Ln --stats')
  assert.match(stdout, /^TCP {2}10\.0\.0\.100:80 +5 +0/m)
  const listed = (await run('-Ln')).stdout.split('\n').slice(3)
  assert.deepEqual(listed, [
    'TCP  10.0.0.100:80 wlc',
    '  -> 192.168.10.11:8080           FullNat 1      2          0         ',
    '',
  ])
  // An empty one is a table, too.
  assert.equal((await run('-R --atomic')).rc, 0)
  assert.equal((await run('-Sn')).stdout, '')
})

test('marks and switches are as before if anything of the table is refused', async () => {
  const { run } = laboratory()
  const rules = `#sluice mark flush\n#sluice mark add 5 --dport 80\n${RULES}`
  await run('-R', rules)
  const before = (await run('-Sn --extended')).stdout
  const cases: [string, RegExp][] = [
    ['#sluice mark flush\n-A -t 10.0.0.1:80 -s bogus\n', /^stdin:2: no scheduler/],
    ['-A -t 10.0.0.1:80\n#sluice mark add 5\n#sluice mark add 1 --source x\n', /^stdin:3: rule 3 /],
    [
      '#sluice mark add 9 --dport 1\n#sluice sysctl no_such=1\n',
      /^stdin:2: there is no switch no_such\n$/,
    ],
    ['#sluice sysctl net.ipv4.vs.est_nice=1\n', /^stdin:1: net.ipv4.vs.est_nice: /],
  ]
  for (const [input, complaint] of cases) {
    const { stderr, rc } = await run('-R --atomic', input)
    assert.match(stderr, complaint)
    assert.equal(rc, 255)
    assert.equal((await run('-Sn --extended')).stdout, before)
  }
})

test('#sluice lines are read by -R, other comments are not', async () => {
  const { run } = laboratory()
  const unknown = await run('-R', '#sluice bogus\n-A -t 10.0.0.1:80\n')
  assert.match(unknown.stderr, /^no #sluice line begins with `bogus'; there are: /)
  assert.equal(unknown.rc, 2)
  const comment = await run('-R', '# sluice\n')
  assert.equal(comment.rc, 255)
})
