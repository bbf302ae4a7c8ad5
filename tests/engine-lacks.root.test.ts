/**
 * A daemon that may not do all that the kernel engine needs: one sentence that says what is missing, status 77; and
 * with `--engine auto` the same sentence, and V8 forwards. With the rights of services that are not given everything.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { launcher } from '../src/lab/commands.ts'
import { instanceOf } from '../src/lab/director.ts'
import type { Host } from '../src/lab/host.ts'
import { Lan } from '../src/lab/lan.ts'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import { notRoot, until } from './kernel/own-network.ts'

const LACKING = 77

/** Runs the words that follow without these rights, for good. */
const without = (...rights: readonly string[]) => {
  const less = rights.map((one) => `-${one}`).join(',')
  return ['setpriv', '--bounding-set', less, '--inh-caps', less]
}
/** The same where no bpffs is mounted. */
const withoutBpffs = (words: readonly string[]) => {
  return ['unshare', '--mount', 'sh', '-c', 'umount -a -t bpf; exec "$@"', 'sh', ...words]
}

const LACKS: readonly [string, readonly string[], RegExp][] = [
  [
    'rights to BPF',
    without('bpf', 'perfmon', 'sys_admin'),
    /this process is not permitted to use BPF: it takes root \(or CAP_BPF/,
  ],
  [
    'a file system for BPF, and rights to mount one',
    withoutBpffs(without('sys_admin')),
    /no file system for BPF is mounted, and this process cannot mount one .*EPERM.*mount -t bpf/,
  ],
]

describe('a daemon without', { skip: notRoot }, () => {
  let lan: Lan
  let host: Host
  let starts = 0

  before(() => {
    mkdirSync(labFolder(), { recursive: true })
    lan = new Lan(labPrefix())
    lan.addNetwork('net1')
    host = lan.addHost('director')
    lan.plug(host, 'net1')
    host.addAddress('net1', '10.1.0.1', 24)
  })
  after(() => {
    lan?.takeDown()
    clearLab()
  })

  /** What it said until it served or ended, and how it ended. */
  async function run(words: readonly string[], engine: string) {
    const folder = `${labFolder()}/${++starts}`
    mkdirSync(folder)
    const log = `${folder}/log`
    const args = ['run', '--engine', engine, '--socket', `${folder}/socket`, '--detach-on-exit']
    args.push('--name', instanceOf(host), '--interface', 'net1')
    const [command, ...more] = [...words, process.execPath, launcher('sluice'), ...args]
    const child = host.start(command!, more, { log })
    const ended = once(child, 'exit')
    const said = () => readFileSync(log, 'utf8')
    await until('it serves or ends', () => child.exitCode !== null || /^READY/m.test(said()))
    child.kill('SIGTERM')
    const [status] = (await ended) as [number | null]
    return { said: said(), status }
  }

  for (const [what, words, sentence] of LACKS) {
    it(`${what} says so, in one sentence`, async () => {
      const { said, status } = await run(words, 'kernel')
      assert.equal(status, LACKING, said)
      assert.match(said, new RegExp(`^sluice: cannot start the engine: ${sentence.source}`))
      assert.equal(said.trimEnd().split('\n').length, 1, said)
    })

    it(`${what} forwards in V8 and says why, if it may choose`, async () => {
      const { said, status } = await run(words, 'auto')
      const why = `^sluice: engine v8, since the kernel engine cannot be had: ${sentence.source}`
      assert.match(said, new RegExp(why))
      assert.match(said, /^READY on net1 \(af_packet\)/m)
      assert.equal(status, 0, said)
    })
  }

  it('the right to make namespaces has the kernel engine all the same', async () => {
    const { said } = await run(without('sys_admin'), 'auto')
    assert.match(said, /^READY on net1 \((tcx|clsact)\)/m)
  })
})
