import { test } from 'node:test'
import assert from 'node:assert/strict'
import { runOn } from '../../../tests/goldens/ipvsadm-program.ts'
import { Laboratory } from '../../../tests/goldens/laboratory.ts'
import { sysctl } from '../../director/sysctls.ts'
import { WrongUsage } from '../ipvsadm/draft.ts'
import { parseRules, RulesError } from '../ipvsadm/rules.ts'
import { formatMark, readMark, readMarkWords } from '../mark-text.ts'
import { parseSluiceLine } from './lines.ts'
import { formatMarks } from './mark.ts'
import { formatSysctls } from './sysctl.ts'

const RULES = `#sluice sysctl expire_nodest_conn=1
#sluice sysctl secure_tcp=3
#sluice mark flush
#sluice mark add 7 --protocol tcp --destination 10.0.0.100/32 --dport 80
#sluice mark add 7 --protocol tcp --destination 10.0.0.100/32 --dport 8000-8100
#sluice mark add 9 --source 2001:db8::/64 --sport 1024-65535
-A -f 7 -s rr
-a -f 7 -r 192.168.10.11:0 -m -w 1
`

function laboratory() {
  const lab = new Laboratory()
  const run = runOn(lab, {})
  return { lab, run: (line: string, input = '') => run(line.split(' '), input) }
}

test('switches and marks come back from -S --extended as they were', async () => {
  for (const restore of ['-R', '-R --atomic']) {
    const { lab, run } = laboratory()
    // Twice: the second takes the place of the first.
    for (const way of [restore, '-R --atomic']) {
      assert.deepEqual(await run(way, RULES), { stdout: '', stderr: '', rc: 0 })
      assert.equal((await run('-Sn --extended')).stdout, RULES)
    }
    lab.use()
    assert.deepEqual([sysctl('secure_tcp'), lab.director.marks.rules.length], [3, 3])
  }
})

test('nothing is written of what is as usual', async () => {
  assert.equal((await laboratory().run('-Sn --extended')).stdout, '')
})

test('a refusal is told in the words of the director', async () => {
  const { run } = laboratory()
  const answer = await run('-R', '#sluice sysctl snat_reroute=0\n#sluice mark add 1 --source x\n')
  assert.deepEqual(answer.stderr.trim().split('\n'), [
    'snat_reroute (routes answers again by their new source) cannot be set: answers are always routed by where they go',
    'rule 1 that marks: x is no prefix',
  ])
})

test('several ports are several rules', () => {
  const rules = readMark('1', { protocol: 'udp', dport: '53,5300-5310' })
  assert.deepEqual(rules.map(formatMark), [
    '1 --protocol udp --dport 53',
    '1 --protocol udp --dport 5300-5310',
  ])
  for (const rule of rules) assert.deepEqual(readMarkWords(formatMark(rule).split(' ')), [rule])
  assert.equal(formatMarks(rules).split('\n')[0], '1  1 --protocol udp --dport 53')
})

test('what is wrong is told', () => {
  for (const [line, message] of [
    ['#sluice mark add 0', /from 1 to/],
    ['#sluice mark add 1 --dport 70000', /ports are/],
    ['#sluice mark add 1 --dport 1-2-3', /ports are/],
    ['#sluice mark add 1 --protocol icmp', /tcp, udp or sctp/],
    ['#sluice mark add 1 --source', /needs a value/],
    ['#sluice mark add 1 source', /has the word/],
    ['#sluice mark drop', /line is/],
    ['#sluice sysctl drop_entry', /NAME=VALUE/],
    ['#sluice sysctl drop_entry=often', /is a number/],
    ['#sluice other', /there are: mark, sysctl/],
  ] as const) {
    const wrong = (error: unknown) => error instanceof WrongUsage && message.test(error.message)
    assert.throws(() => parseSluiceLine(line.split(' ')), wrong, line)
  }
})

test('a listing of switches says what each does, and why one does nothing', () => {
  const text = formatSysctls([
    { name: 'pmtu_disc', value: 0, default: 1, what: 'sets DF', why: null },
    { name: 'sync_ports', value: null, default: null, what: 'threads', why: 'no threads' },
  ])
  assert.deepEqual(text.split('\n'), [
    'pmtu_disc = 0   sets DF (usually 1)',
    'sync_ports = -  threads; not here: no threads',
    '',
  ])
})

test('of a file each wrong word is told with its line and column', () => {
  const cases = [
    ['#sluice', 1],
    ['#sluice marks', 9],
    ['#sluice mark', 9],
    ['#sluice mark delete 5', 14],
    ['#sluice mark add', 14],
    ['#sluice mark add x', 18],
    ['#sluice mark add 5 --to 10.0.0.1', 20],
    ['#sluice mark add 5 --protocol icmp', 31],
    ['#sluice mark add 5 --source 10.0.0.1 --dport 80-http', 46],
    ['#sluice mark add 5 --dport', 20],
    ['#sluice sysctl expire_nodest_conn', 16],
    ['#sluice sysctl expire_nodest_conn=yes', 16],
  ] as const
  for (const [line, column] of cases) {
    try {
      parseRules(`-A -t 10.0.0.1:80\n${line}\n`)
      assert.fail(`${line} was read`)
    } catch (error) {
      if (!(error instanceof RulesError)) throw error
      assert.deepEqual(
        error.problems.map((problem) => [problem.line, problem.column]),
        [[2, column]],
        line,
      )
    }
  }
})
