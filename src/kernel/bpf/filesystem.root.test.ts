import assert from 'node:assert/strict'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { notRoot } from '../../../tests/kernel/own-network.ts'
import {
  findBpfFilesystem,
  isBpfFilesystem,
  mountBpfFilesystem,
  parseBpfMounts,
  unmountBpfFilesystem,
} from './filesystem.ts'

const MOUNTINFO = `22 27 0:21 / /proc rw,relatime - proc proc rw
41 23 0:33 / /sys/fs/bpf rw,nosuid shared:11 - bpf bpf rw,mode=700
42 23 0:34 / /run/a\\040b rw,nosuid - bpf none rw
43 23 0:34 /folder /mnt rw - bpf none rw
44 23 0:35 / /a rw - tmpfs bpf rw

`

describe('mounts of bpffs', () => {
  it('are found among others', () => {
    assert.deepEqual(parseBpfMounts(MOUNTINFO), [
      { device: '0:33', path: '/sys/fs/bpf' },
      { device: '0:34', path: '/run/a b' },
    ])
    assert.deepEqual(parseBpfMounts('nonsense'), [])
  })
})

describe('bpffs', { skip: notRoot }, () => {
  it('is mounted, found and unmounted', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-bpf-'))
    assert.equal(isBpfFilesystem(folder), false)
    mountBpfFilesystem(join(folder, 'new'))
    assert.equal(isBpfFilesystem(join(folder, 'new')), true)
    const { path, isLasting } = findBpfFilesystem()
    assert.ok(isBpfFilesystem(path), path)
    assert.equal(typeof isLasting, 'boolean')
    unmountBpfFilesystem(join(folder, 'new'))
    assert.equal(isBpfFilesystem(join(folder, 'new')), false)
    rmdirSync(join(folder, 'new'))
    rmdirSync(folder)
  })
})
