import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { before, describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { addVeth, enterOwnNetwork, ip, notRoot, until } from '../../../tests/kernel/own-network.ts'
import { Outcome } from '../../dataplane/decapsulation/outcome.ts'
import { listTcx } from '../../kernel/bpf/link.ts'
import { getLink } from '../../kernel/netlink/link.ts'
import { openRtnetlink } from '../../kernel/netlink/rtnetlink.ts'
import { readSysctl } from '../../kernel/sysctl.ts'
import { REFUSALS } from '../../realserver/unwrap.ts'

const VIPS = ['10.98.0.100', '2001:db8:98::100']
const BOTH = VIPS.flatMap((vip) => ['--vip', vip])

/** A command that runs, with all it has printed. */
interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<number | string>
  stdout: string
  stderr: string
}

/** The command as a shell runs it, compiled or not; ends with the test. */
function start(context: TestContext, args: readonly string[], uid = 0): Running {
  const here = fileURLToPath(import.meta.url)
  const program = join(here, '../..', `sluice${extname(here)}`)
  const words = [...process.execArgv, program, 'realserver', ...args]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'], uid })
  context.after(() => child.kill('SIGKILL'))
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  const running = { child, ended, stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (running.stdout += String(chunk)))
  child.stderr.on('data', (chunk) => (running.stderr += String(chunk)))
  return running
}

async function startReady(context: TestContext, ...args: string[]): Promise<Running> {
  const running = start(context, args)
  await until('READY', () => running.stderr.includes('READY') || running.child.exitCode !== null)
  assert.match(running.stderr, /^READY with 10\.98\.0\.100, 2001:db8:98::100\n$/)
  return running
}

/** All that the command may change, as text. */
function hostState(): string {
  const settings = ['arp_ignore', 'arp_announce'].map((name) =>
    readSysctl(`net.ipv4.conf.slreal.${name}`),
  )
  return [...settings, ip('-o addr show')].join('\n')
}

describe('sluice realserver', { skip: notRoot }, () => {
  let was = ''
  let journal = ''

  before(() => {
    enterOwnNetwork()
    addVeth('slreal', 'slfar')
    ip('addr add 10.98.0.1/24 dev slreal')
    was = hostState()
    journal = `/run/sluice/realserver-${statSync('/proc/thread-self/ns/net').ino}.jsonl`
  })

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`shows what it changes, and undoes it on ${signal}`, async (context) => {
      const running = await startReady(context, ...BOTH, '--mode', 'dr')
      assert.match(hostState(), /^1\n2\n[^]*10\.98\.0\.100\/32[^]*2001:db8:98::100\/128/)
      assert.ok(existsSync(journal))
      running.child.kill(signal)
      assert.equal(await running.ended, 0)
      assert.equal(hostState(), was)
      assert.ok(!existsSync(journal))
      assert.deepEqual(running.stdout.split('\n'), [
        'net.ipv4.conf.slreal.arp_ignore: 0 → 1',
        'net.ipv4.conf.slreal.arp_announce: 0 → 2',
        '10.98.0.100/32 on lo: added',
        '2001:db8:98::100/128 on lo: added',
        '2001:db8:98::100/128 on lo: removed',
        '10.98.0.100/32 on lo: removed',
        'net.ipv4.conf.slreal.arp_announce: 2 → 0',
        'net.ipv4.conf.slreal.arp_ignore: 1 → 0',
        '',
      ])
    })
  }

  it('tells it as JSON, with the tunnels’ counts', async (context) => {
    const directors = ['--director', '10.98.0.9']
    const running = await startReady(context, ...BOTH, ...directors, '--mode', 'tun', '--json')
    assert.match(ip('link show'), /sluicetun0/)
    running.child.kill('SIGHUP')
    assert.equal(await running.ended, 0)
    assert.equal(hostState(), was)
    const lines = running.stdout.trimEnd().split('\n')
    const [ready, end] = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    const name = 'net.ipv4.conf.slreal'
    const changes = [
      { kind: 'setting', name: `${name}.arp_ignore`, before: '0', after: '1' },
      { kind: 'setting', name: `${name}.arp_announce`, before: '0', after: '2' },
      ...VIPS.map((vip) => ({ kind: 'address', ip: vip })),
    ]
    assert.deepEqual(ready, {
      event: 'ready',
      mode: 'tun',
      vips: VIPS,
      interface: 'slreal',
      changes: changes.map((change) => ({ ...change, takenOver: false })),
      kept: [],
      engine: 'kernel',
      why: null,
      attached: [
        {
          interface: 'slreal',
          how: 'tcx',
          why: 'veth is a virtual device: segmentation offload stays',
        },
      ],
      device: 'sluicetun0',
      notes: [],
    })
    const refused = Object.fromEntries(Object.keys(REFUSALS).map((name) => [name, 0]))
    const counted = Object.keys(Outcome).filter((name) => name !== 'notTunnel')
    const kernel = Object.fromEntries(counted.map((name) => [name, 0]))
    assert.deepEqual(end, {
      event: 'end',
      changes: changes.reverse().map((change) => ({ ...change, undone: true })),
      tunnels: { delivered: 0, refused, overrun: 0, failed: {}, kernel },
    })
  })

  it('takes over after kill -9, and then leaves nothing', async (context) => {
    const killed = await startReady(context, ...BOTH, '--mode', 'tun')
    killed.child.kill('SIGKILL')
    assert.equal(await killed.ended, 'SIGKILL')
    assert.match(hostState(), /^1\n2\n[^]*10\.98\.0\.100\/32/)
    assert.doesNotMatch(ip('link show'), /sluicetun0/)
    const running = await startReady(context, ...BOTH, '--mode', 'tun')
    assert.equal(running.stdout.match(/taken over from a run that was killed/g)?.length, 4)
    running.child.kill('SIGTERM')
    assert.equal(await running.ended, 0)
    assert.equal(hostState(), was)
    assert.ok(!existsSync(journal))
  })

  it('ends tunnels in the kernel until it ends, killed or not', async (context) => {
    const netlink = openRtnetlink()
    context.after(() => netlink.close())
    const { index } = getLink(netlink, 'slreal')!
    const programs = () => listTcx(index, 'ingress').length
    assert.equal(programs(), 0)
    const killed = await startReady(context, ...BOTH, '--mode', 'tun', '--engine', 'kernel')
    assert.match(killed.stdout, /^slreal: tunnels end in the kernel \(tcx\): veth is a virtual/m)
    assert.match(killed.stdout, /^tunnel packets are taken from everybody/m)
    killed.child.kill('SIGKILL')
    assert.equal(await killed.ended, 'SIGKILL')
    assert.equal(programs(), 1)
    const second = await startReady(context, ...BOTH, '--mode', 'tun')
    assert.equal(programs(), 1)
    second.child.kill('SIGKILL')
    assert.equal(await second.ended, 'SIGKILL')
    const third = await startReady(context, ...BOTH, '--mode', 'tun', '--engine', 'v8')
    assert.equal(programs(), 0)
    assert.doesNotMatch(third.stdout, /kernel/)
    third.child.kill('SIGTERM')
    assert.equal(await third.ended, 0)
    const fourth = await startReady(context, ...BOTH, '--mode', 'tun', '--engine', 'kernel')
    assert.equal(programs(), 1)
    fourth.child.kill('SIGTERM')
    assert.equal(await fourth.ended, 0)
    assert.match(fourth.stdout, /^0 packets out of the tunnels in the kernel$/m)
    assert.equal(programs(), 0)
    assert.equal(hostState(), was)
  })

  it('undoes everything, too, when it fails: its output is closed', async (context) => {
    const running = start(context, [...BOTH, '--mode', 'dr'])
    running.child.stdout!.destroy()
    assert.equal(await running.ended, 1)
    assert.match(running.stderr, /EPIPE/)
    assert.equal(hostState(), was)
    assert.ok(!existsSync(journal))
  })

  it('leaves a VIP that was there, and says so', async (context) => {
    ip('addr add 10.98.0.100/32 dev lo')
    const running = await startReady(context, ...BOTH, '--mode', 'dr')
    assert.match(running.stdout, /^10\.98\.0\.100\/32 on lo: there already, and stays$/m)
    running.child.kill('SIGTERM')
    assert.equal(await running.ended, 0)
    assert.match(hostState(), /10\.98\.0\.100\/32/)
    ip('addr del 10.98.0.100/32 dev lo')
    assert.equal(hostState(), was)
  })

  it('is there once in a network', async (context) => {
    const running = await startReady(context, ...BOTH, '--mode', 'dr')
    const second = start(context, ['--vip', '10.98.0.101', '--mode', 'dr'])
    assert.equal(await second.ended, 1)
    assert.match(second.stderr, /^sluice: another `sluice realserver` runs on this host/)
    assert.match(hostState(), /10\.98\.0\.100\/32/)
    running.child.kill('SIGTERM')
    assert.equal(await running.ended, 0)
    assert.equal(hostState(), was)
  })

  const refusals: { why: string; args: string; status: number; says: RegExp }[] = [
    { why: 'no VIP', args: '--mode dr', status: 2, says: /^sluice: .*--vip/ },
    { why: 'no mode', args: '--vip 10.98.0.100', status: 2, says: /^sluice: .*--mode/ },
    {
      why: 'another mode',
      args: '--vip 10.98.0.100 --mode nat',
      status: 2,
      says: /^sluice: .*'nat'.*dr, tun/,
    },
    {
      why: 'VIPs that are none, all of them',
      args: '--vip 10.98.0 --vip 127.0.0.1 --vip ff02::1 --mode dr',
      status: 2,
      says: /^sluice: --vip 10\.98\.0: no .*\n--vip 127\.0\.0\.1: .*IPv4.*\n--vip ff02::1: .*IPv6.*\n$/,
    },
    {
      why: 'a GUE port that is none',
      args: '--vip 10.98.0.100 --mode tun --gue-port 65536',
      status: 2,
      says: /^sluice: --gue-port 65536: no UDP port\n$/,
    },
    {
      why: 'a director that is none',
      args: '--vip 10.98.0.100 --mode tun --director here',
      status: 2,
      says: /^sluice: --director here: no IP address\n$/,
    },
    {
      why: 'an interface that does not exist',
      args: '--vip 10.98.0.100 --mode dr --interface slnone',
      status: 2,
      says: /^sluice: there is no interface slnone\n$/,
    },
    {
      why: 'a VIP on the interface',
      args: '--vip 10.98.0.1 --mode dr',
      status: 2,
      says: /^sluice: 10\.98\.0\.1\/24 on slreal: slreal would answer for it/,
    },
  ]
  for (const { why, args, status, says } of refusals) {
    it(`refuses ${why}`, async (context) => {
      const running = start(context, args.split(' '))
      assert.equal(await running.ended, status)
      assert.match(running.stderr, says)
      assert.equal(running.stdout, '')
      assert.equal(hostState(), was)
      assert.ok(!existsSync(journal))
    })
  }

  it('needs root', async (context) => {
    const running = start(context, [...BOTH, '--mode', 'dr'], 65534)
    assert.equal(await running.ended, 77)
    assert.match(running.stderr, /^sluice: realserver needs root [^\n]*\n$/)
  })
})
