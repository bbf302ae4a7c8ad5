import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { Change } from './change.ts'
import { Journal } from './journal.ts'

const setting: Change = {
  kind: 'setting',
  name: 'net.ipv4.conf.eth0.arp_ignore',
  before: '0',
  after: '1',
}
const address: Change = { kind: 'address', ip: '10.0.0.100' }

function freshPath(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-journal-'))
  context.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'sluice', 'journal.jsonl')
}

describe('a journal', () => {
  it('is read by the next run unless it was removed', (context) => {
    const path = freshPath(context)
    const first = Journal.open(path)!
    assert.deepEqual(first.read(), [])
    first.add(setting)
    first.add(address)
    assert.deepEqual(first.read(), [setting, address])
    first.close()
    const second = Journal.open(path)!
    assert.deepEqual(second.read(), [setting, address])
    assert.equal(statSync(path).mode & 0o777, 0o600)
    second.remove()
    assert.ok(!existsSync(path))
  })

  it('is one run’s at a time', (context) => {
    const path = freshPath(context)
    const first = Journal.open(path)!
    assert.equal(Journal.open(path), undefined)
    first.close()
    const second = Journal.open(path)
    assert.ok(second)
    second.close()
  })

  it('leaves out what cannot be read', (context) => {
    const path = freshPath(context)
    const journal = Journal.open(path)!
    journal.add(address)
    appendFileSync(
      path,
      'null\n7\n[]\n{"kind":"setting","name":"n","before":0}\n{"kind":"address"}\n',
    )
    journal.add(setting)
    appendFileSync(path, '{"kind":"addr')
    assert.deepEqual(journal.read(), [address, setting])
    journal.close()
  })
})
