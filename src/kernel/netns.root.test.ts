import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, readdirSync, readlinkSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import { notRoot } from '../../tests/kernel/own-network.ts'
import * as netns from './netns.ts'

const NAME = `slkn${process.pid}`
const own = () => readlinkSync('/proc/thread-self/ns/net')
const devices = () => execFileSync('cat', ['/proc/net/dev'], { encoding: 'utf8' })
const deviceNames = () => [...devices().matchAll(/^ *(\S+):/gm)].map((match) => match[1]!)

describe('namespace names', () => {
  it('are file names', () => {
    for (const good of ['director', 'a.b', '..a', 'Ä']) assert.ok(netns.isNamespaceName(good), good)
    for (const bad of ['', '.', '..', 'a/b', '../x', 'a\0', 'x'.repeat(256)]) {
      assert.ok(!netns.isNamespaceName(bad), bad)
    }
  })
})

describe('network namespaces', { skip: notRoot }, () => {
  after(() => {
    for (const name of netns.listNamespaces())
      if (name.startsWith(NAME)) netns.deleteNamespace(name)
  })

  it('are created, listed, entered, left and deleted', () => {
    const before = own()
    netns.createNamespace(NAME)
    assert.equal(own(), before)
    assert.ok(netns.listNamespaces().includes(NAME))
    const inside = netns.inNamespace(NAME, () => ({ link: own(), devices: deviceNames() }))
    assert.notEqual(inside.link, before)
    assert.deepEqual(inside.devices, ['lo'])
    assert.equal(own(), before)
    netns.deleteNamespace(NAME)
    assert.ok(!netns.listNamespaces().includes(NAME))
  })

  it("are iproute2's too", () => {
    netns.createNamespace(`${NAME}a`)
    const id = netns.inNamespace(`${NAME}a`, own)
    const seen = execFileSync('ip', ['netns', 'exec', `${NAME}a`, 'readlink', '/proc/self/ns/net'])
    assert.equal(seen.toString().trim(), id)
    execFileSync('ip', ['netns', 'delete', `${NAME}a`])
    execFileSync('ip', ['netns', 'add', `${NAME}b`])
    assert.notEqual(netns.inNamespace(`${NAME}b`, own), own())
    netns.deleteNamespace(`${NAME}b`)
    assert.doesNotMatch(execFileSync('ip', ['netns', 'list']).toString(), new RegExp(NAME))
  })

  it('are entered by descriptor also when the name is gone', () => {
    netns.createNamespace(NAME)
    const fd = netns.openNamespace(NAME)
    const id = netns.inNamespace(NAME, own)
    netns.deleteNamespace(NAME)
    assert.equal(netns.inNamespace(fd, own), id)
    closeSync(fd)
  })

  it('are left whatever happens inside', () => {
    netns.createNamespace(NAME)
    const before = own()
    const fail = () => {
      throw new Error('inside')
    }
    assert.throws(() => netns.inNamespace(NAME, fail), { message: 'inside' })
    assert.equal(own(), before)
    assert.throws(() => netns.inNamespace(NAME, async () => 1), /synchronous/)
    assert.equal(own(), before)
    netns.deleteNamespace(NAME)
  })

  it('need no name for a moment', () => {
    const before = own()
    const inside = netns.inScratchNamespace(() => ({ link: own(), devices: deviceNames() }))
    assert.notEqual(inside.link, before)
    assert.deepEqual(inside.devices, ['lo'])
    const fail = () => {
      throw new Error('inside')
    }
    assert.throws(() => netns.inScratchNamespace(fail), { message: 'inside' })
    assert.throws(() => netns.inScratchNamespace(async () => 1), /synchronous/)
    assert.equal(own(), before)
  })

  it('nest', () => {
    netns.createNamespace(`${NAME}x`)
    netns.createNamespace(`${NAME}y`)
    const outer = own()
    const [x, y, again] = netns.inNamespace(`${NAME}x`, () => [
      own(),
      netns.inNamespace(`${NAME}y`, own),
      own(),
    ])
    assert.equal(again, x)
    assert.equal(new Set([outer, x, y]).size, 3)
    netns.deleteNamespace(`${NAME}x`)
    netns.deleteNamespace(`${NAME}y`)
  })

  it('are refused in words', () => {
    netns.createNamespace(NAME)
    assert.throws(() => netns.createNamespace(NAME), { code: 'EEXIST' })
    netns.deleteNamespace(NAME)
    assert.throws(() => netns.deleteNamespace(NAME), { code: 'ENOENT' })
    assert.throws(() => netns.inNamespace(NAME, own), { code: 'ENOENT' })
    assert.throws(() => netns.inNamespace(-1, own), { code: 'EBADF' })
    assert.throws(() => netns.createNamespace('a/b'), /cannot name/)
  })

  it('are refused without privileges, and nothing is left', () => {
    process.seteuid!(65534)
    try {
      assert.throws(() => netns.createNamespace(NAME), /need root/)
      const fd = netns.openOwnNamespace()
      assert.throws(() => netns.inNamespace(fd, own), /need root/)
      closeSync(fd)
    } finally {
      process.seteuid!(0)
    }
    assert.ok(!netns.listNamespaces().includes(NAME))
  })

  it('leave no descriptor and no name after 200 rounds', () => {
    const count = () => readdirSync('/proc/self/fd').length
    const before = count()
    for (let round = 0; round < 200; round++) {
      netns.createNamespace(NAME)
      netns.inNamespace(NAME, () => undefined)
      netns.deleteNamespace(NAME)
    }
    assert.equal(count(), before)
    assert.ok(!netns.listNamespaces().includes(NAME))
  })
})
