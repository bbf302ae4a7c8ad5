import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { inNamespace, listNamespaces } from '../src/kernel/netns.ts'
import { clearLab, listInstances } from '../src/lab/leftovers.ts'
import { notRoot, until } from './kernel/own-network.ts'

/** The checkout: this file is in it, or in its dist/. */
const ROOT = [process.cwd(), ...ancestors(import.meta.dirname)].find((folder) =>
  existsSync(join(folder, 'demo')),
)!
const MODES = ['nat', 'dr', 'tun', 'fullnat']
/** In the environment of the demonstration and all it starts. */
const MARK = `SLUICE_DEMO_TEST=${process.pid}`

function ancestors(folder: string): string[] {
  return folder === '/' ? [] : [folder, ...ancestors(dirname(folder))]
}

interface Summary {
  readonly ok: boolean
  readonly engine: string
  readonly modes: Readonly<
    Record<
      string,
      {
        readonly ok: boolean
        readonly requests: number
        readonly failed: number
        readonly servers: Readonly<Record<string, number>>
        readonly clientAddressKept: boolean
      }
    >
  >
}

class Demo {
  readonly child: ChildProcess
  readonly ended: Promise<number | string>
  stdout = ''
  stderr = ''

  constructor(context: TestContext, args: readonly string[], more: SpawnOptions = {}) {
    const [name, value] = MARK.split('=')
    const env = { ...process.env, [name!]: value }
    const options: SpawnOptions = { env, stdio: ['ignore', 'pipe', 'pipe'], ...more }
    this.child = spawn(join(ROOT, 'demo'), args, options)
    context.after(() => {
      this.child.kill('SIGKILL')
      clearLab(this.child.pid)
    })
    this.child.stdout!.on('data', (data) => (this.stdout += String(data)))
    this.child.stderr!.on('data', (data) => (this.stderr += String(data)))
    this.ended = new Promise((resolve) =>
      this.child.once('close', (code, signal) => resolve(code ?? signal!)),
    )
  }

  /** Resolves when it has printed that. */
  async said(pattern: RegExp): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const look = () => pattern.test(this.stdout) && resolve()
      this.child.stdout!.on('data', look)
      this.child.once('close', () => reject(new Error(`never said ${pattern}: ${this.stderr}`)))
      look()
    })
  }

  namespaces(): string[] {
    return listNamespaces().filter((name) => name.startsWith(`sluice-${this.child.pid}-`))
  }

  hasLeftNothing(): boolean {
    const folder = `/run/sluice-lab/${this.child.pid}`
    const instances = listInstances().filter((name) => name.startsWith(`sluice-${this.child.pid}-`))
    const left = [...this.namespaces(), ...marked(), ...instances]
    return left.length === 0 && !existsSync(folder)
  }
}

/** Living processes that the demonstration started. One that has ended has no environment left. */
function marked(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(MARK)
    } catch {
      return false
    }
  })
}

function checkSummary(demo: Demo): void {
  const summary = JSON.parse(demo.stdout.trimEnd().split('\n').at(-1)!) as Summary
  assert.equal(summary.ok, true)
  assert.match(summary.engine, /^(v8|kernel)$/)
  assert.deepEqual(Object.keys(summary.modes), MODES)
  for (const [name, mode] of Object.entries(summary.modes)) {
    assert.equal(mode.ok, true, name)
    assert.equal(mode.failed, 0, name)
    assert.equal(mode.clientAddressKept, name !== 'fullnat', name)
    const served = Object.values(mode.servers)
    assert.equal(served.length, 4, name)
    assert.ok(
      served.every((count) => count > 50),
      `${name}: ${served.join()}`,
    )
    assert.equal(
      served.reduce((sum, count) => sum + count),
      mode.requests,
      name,
    )
  }
  assert.match(demo.stderr, /PASS {2}every request was answered/)
  assert.doesNotMatch(demo.stderr, /FAIL/)
}

describe('./demo', { skip: notRoot }, () => {
  for (const family of ['IPv4', 'IPv6']) {
    it(`keeps its promises in every mode in ${family}, says so in JSON, and leaves nothing`, async (context) => {
      const more = family === 'IPv6' ? ['--ipv6'] : []
      const demo = new Demo(context, ['--mode', 'all', '--json', ...more])
      assert.equal(await demo.ended, 0, demo.stderr)
      assert.ok(demo.hasLeftNothing(), demo.namespaces().join())
      checkSummary(demo)
    })
  }

  it('leaves nothing when Ctrl-C ends it in mid-traffic', async (context) => {
    const demo = new Demo(context, ['--mode', 'nat'])
    await demo.said(/traffic to/)
    assert.equal(demo.namespaces().length, 7)
    demo.child.kill('SIGINT')
    assert.equal(await demo.ended, 130)
    await until('nothing left', () => demo.hasLeftNothing())
  })

  it('leaves nothing when it is killed in mid-traffic', async (context) => {
    const demo = new Demo(context, ['--mode', 'nat'])
    await demo.said(/traffic to/)
    demo.child.kill('SIGKILL')
    assert.equal(await demo.ended, 'SIGKILL')
    await until('nothing left', () => demo.hasLeftNothing())
  })

  it('keeps everything running on request, until --clean', async (context) => {
    const demo = new Demo(context, ['--mode', 'nat', '--keep'])
    assert.equal(await demo.ended, 0, demo.stdout + demo.stderr)
    const command = /ip netns exec (\S+) (curl .*)\n/.exec(demo.stdout)!
    const page = inNamespace(command[1]!, () =>
      execFileSync('curl', ['-s', ...command[2]!.split(' ').slice(1)], { encoding: 'utf8' }),
    )
    assert.match(page, /^x-real-server: server[134]\r$/m)
    const clean = new Demo(context, ['--clean'])
    assert.equal(await clean.ended, 0)
    await until('nothing left', () => demo.hasLeftNothing())
  })

  it('says in one sentence that it needs root', async (context) => {
    const demo = new Demo(context, ['--mode', 'nat'], { uid: 65534 })
    assert.equal(await demo.ended, 77)
    assert.match(demo.stdout + demo.stderr, /^demo: [^\n]* root[^\n]*\n$/)
  })
})
