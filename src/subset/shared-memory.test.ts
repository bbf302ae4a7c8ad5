/**
 * Two threads with the same memory count in the same rows: nothing may be lost.
 */
import assert from 'node:assert/strict'
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { mapShared } from '../kernel/ffi.ts'
import { isMemoryShared, shareMemory } from './shared-memory.ts'
import { row } from './struct.ts'
import { table, TableSet } from './table.ts'

const Count = row('count', {
  before: 'u32',
  hits: 'atomic',
  ticket: 'atomic',
  own: 'u32',
  sum: 'u64',
})
const counts = table('counts', Count, 2)
const countAt = counts.cursor()

const TURNS = 200_000
const BYTES = 4096
/** Passes 2^32 often. */
const STEP = 0xfffff123

interface Task {
  readonly path: string
}

/** What each of the two does; how often it drew a ticket. */
function count(): number {
  let drawn = 0
  for (let i = 0; i < TURNS; i++) {
    const one = countAt.at(1)!
    one.addHits(1)
    one.addSum(STEP)
    const { ticket } = one
    if (one.swapTicket(ticket, ticket + 1)) drawn++
  }
  return drawn
}

function useMemory(path: string): () => void {
  const fd = openSync(path, 'r+')
  const { buffer, unmap } = mapShared(fd, BYTES)
  closeSync(fd)
  new TableSet([counts], [{ capacity: 2, bytes: new DataView(buffer), base: 0 }]).use()
  return unmap
}

if (isMainThread) {
  test('two threads count in one memory', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-shared-'))
    try {
      const path = join(folder, 'memory')
      const fd = openSync(path, 'w')
      ftruncateSync(fd, BYTES)
      closeSync(fd)
      const unmap = useMemory(path)
      assert.equal(isMemoryShared(), false)
      shareMemory()
      shareMemory()
      assert.equal(isMemoryShared(), true)
      const task: Task = { path }
      const worker = new Worker(new URL(import.meta.url), { workerData: task })
      const other = new Promise<number>((resolve, reject) => {
        worker.once('message', resolve).once('error', reject)
      })
      await new Promise((resolve) => worker.once('online', resolve))
      const drawn = count() + (await other)
      const { before, hits, ticket, own, sum } = counts.row(1)
      assert.deepEqual([before, hits, own, sum], [0, 2 * TURNS, 0, 2 * TURNS * STEP])
      assert.equal(ticket, drawn)
      assert.deepEqual([counts.row(0).hits, counts.row(0).sum], [0, 0])
      unmap()
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('one thread sees what it saw before: values before a change, wraps, failures', () => {
    const local = Count.local()
    assert.equal(local.addHits(3), 0)
    assert.equal(local.addHits(0xffffffff), 3)
    assert.equal(local.hits, 2)
    assert.equal(local.addHits(-3), 2)
    assert.equal(local.hits, 0xffffffff)
    assert.equal(local.swapHits(0xffffffff, 7), true)
    assert.equal(local.swapHits(0xffffffff, 9), false)
    assert.equal(local.hits, 7)
    local.sum = 2 ** 40 + 5
    local.addSum(0xffffffff)
    assert.equal(local.sum, 2 ** 40 + 2 ** 32 + 4)
  })
} else {
  useMemory((workerData as Task).path)
  shareMemory()
  parentPort!.postMessage(count())
}
