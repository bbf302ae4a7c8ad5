import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { after, describe, it, type TestContext } from 'node:test'
import { notRoot, until } from '../../tests/kernel/own-network.ts'
import { listNamespaces } from '../kernel/netns.ts'
import { clearLab, clearLeftovers, labPids, labPrefix } from './leftovers.ts'

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
const moduleUrl = (name: string) => JSON.stringify(new URL(name + extension, import.meta.url).href)

/** A process that builds a lab with one host and a folder, does `more`, says so, and sits there. */
const program = (more: string) => `
  const { Lan } = await import(${moduleUrl('lan')})
  const { labPrefix, labFolder, keepLab } = await import(${moduleUrl('leftovers')})
  const { startGuardian } = await import(${moduleUrl('script')})
  const lan = new Lan(labPrefix() + '-test')
  labFolder()
  lan.addHost('one').start('sleep', ['1000'])
  ${more}
  console.log('built')
  setInterval(() => {}, 1000)
`

async function startLab(context: TestContext, more: string): Promise<ChildProcess> {
  const args = [...process.execArgv, '--input-type=module', '--eval', program(more)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  context.after(() => {
    child.kill('SIGKILL')
    clearLab(child.pid)
  })
  await once(child.stdout!, 'data')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const hasLab = (pid: number) =>
  listNamespaces().some((name) => name.startsWith(`${labPrefix(pid)}-`)) ||
  existsSync(`/run/sluice-lab/${pid}`)

describe('a lab whose process was killed', { skip: notRoot }, () => {
  after(() => clearLab())

  it('is removed by its guardian', async (context) => {
    const child = await startLab(context, 'startGuardian()')
    assert.ok(hasLab(child.pid!))
    await kill(child)
    await until('nothing left', () => !hasLab(child.pid!))
  })

  it('is removed by the next run, but not while it lives', async (context) => {
    const child = await startLab(context, '')
    assert.ok(labPids().includes(child.pid!))
    clearLeftovers('spare kept')
    assert.ok(hasLab(child.pid!))
    await kill(child)
    assert.ok(clearLeftovers('spare kept').includes(child.pid!))
    assert.ok(!hasLab(child.pid!))
  })

  it('is left if it was to be kept, until somebody asks', async (context) => {
    const child = await startLab(context, 'keepLab(); startGuardian()')
    await kill(child)
    clearLeftovers('spare kept')
    assert.ok(hasLab(child.pid!))
    assert.ok(clearLeftovers('also kept').includes(child.pid!))
    assert.ok(!hasLab(child.pid!))
  })
})
