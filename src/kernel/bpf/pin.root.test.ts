import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { openCounters, openSender, type Counters } from '../../../tests/kernel/counting-programs.ts'
import { notRoot, until } from '../../../tests/kernel/own-network.ts'
import { createTwoHosts, type TwoHosts } from '../../../tests/kernel/two-hosts.ts'
import { mountBpfFilesystem, unmountBpfFilesystem } from './filesystem.ts'
import { linkInfo, mapInfo, openById, programInfo } from './info.ts'
import { attachXdp, replaceProgram } from './link.ts'
import { createMap } from './map.ts'
import { openPinned, pin, repin, unpin } from './pin.ts'
import { close } from '../ffi.ts'
import { inNamespace } from '../netns.ts'

/** The kernel itself may put two lists there. */
const isPin = (name: string) => !name.endsWith('.debug')

function isMap(id: number): boolean {
  const fd = openById('map', id)
  if (fd !== undefined) close(fd)
  return fd !== undefined
}

describe('pins', { skip: notRoot }, () => {
  let folder = ''
  let hosts: TwoHosts
  let counters: Counters
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-bpf-'))
    mountBpfFilesystem(folder)
    hosts = await createTwoHosts()
    counters = openCounters()
  })
  after(() => {
    counters?.close()
    hosts?.remove()
    unmountBpfFilesystem(folder)
    rmdirSync(folder)
  })

  it('keep maps', async () => {
    const path = join(folder, 'map')
    const map = createMap({
      type: 'array',
      name: 'kept',
      valueSize: 40,
      entries: 3,
      isMappable: true,
    })
    pin(map, path)
    const { id } = mapInfo(map)
    close(map)
    const opened = openPinned(path, 'map')!
    assert.throws(() => openPinned(path, 'program'), {
      message: `open ${path}: invalid argument (EINVAL): it is no BPF program`,
    })
    assert.deepEqual(mapInfo(opened), {
      id,
      type: 2,
      name: 'kept',
      keySize: 4,
      valueSize: 40,
      entries: 3,
      flags: 1 << 10,
    })
    assert.throws(() => pin(opened, path), { call: `pin ${path}`, code: 'EEXIST' })
    assert.equal(unpin(path), true)
    assert.equal(unpin(path), false)
    assert.equal(openPinned(path, 'map'), undefined)
    close(opened)
    await until('the map is gone', () => !isMap(id))
  })

  it('change hands in one step', () => {
    const path = join(folder, 'program')
    const [one, other] = [counters.load('xdp', 0), counters.load('xdp', 1)]
    pin(one, path)
    repin(other, path)
    const opened = openPinned(path, 'program')!
    assert.equal(programInfo(opened).id, programInfo(other).id)
    assert.equal(programInfo(opened).name, 'count_1')
    close(opened)
    assert.deepEqual(readdirSync(folder).filter(isPin), ['program'])
    unpin(path)
  })

  it('keep programs on their interfaces, in folders of their own', async () => {
    const instance = join(folder, 'web')
    mkdirSync(instance)
    const path = join(instance, 'link-2')
    const [first, second] = [counters.load('xdp', 2), counters.load('xdp', 3)]
    const link = inNamespace(hosts.a.namespace, () =>
      attachXdp(first, hosts.a.eth0.index, 'native'),
    )
    pin(link, path)
    close(link)
    const sender = openSender(hosts.b)
    sender.send()
    await until('the program counts with nobody there', () => counters.count(2) === 1)
    const adopted = openPinned(path, 'link')!
    replaceProgram(adopted, second, first)
    assert.equal(linkInfo(adopted).program, programInfo(second).id)
    sender.send()
    await until('the new program counts', () => counters.count(3) === 1)
    sender.close()
    close(adopted)
    unpin(path)
    rmdirSync(instance)
    const isAttached = () => 'xdp' in hosts.a.ipJson('link show dev eth0')[0]!
    await until('the program is gone', () => !isAttached())
  })

  it('are only in a bpffs', () => {
    const map = createMap({ type: 'array', name: 'kept', valueSize: 4, entries: 1 })
    assert.throws(() => pin(map, join(tmpdir(), 'no-bpffs')), { code: 'EPERM' })
    assert.throws(() => pin(map, join(folder, 'absent/map')), { code: 'ENOENT' })
    close(map)
  })
})
