import { test } from 'node:test'
import assert from 'node:assert/strict'
import { explainNoDaemon, explainRefusal } from './errors.ts'

test('a refusal has the text of the call, of the errno, or its own', () => {
  assert.equal(explainRefusal('service.add', 'EEXIST', 'm'), 'Service already exists')
  assert.equal(explainRefusal('service.delete', 'ESRCH', 'm'), 'No such service')
  assert.equal(explainRefusal('server.delete', 'ESRCH', 'm'), 'Service not defined')
  assert.equal(explainRefusal('local.add', 'EEXIST', 'm'), 'Local address already exists')
  assert.equal(explainRefusal('server.edit', 'ERANGE', 'm'), 'Numerical result out of range')
  assert.equal(explainRefusal('server.add', 'ENOSPC', 'the table is full'), 'the table is full')
})

test('why there is no daemon', () => {
  assert.equal(
    explainNoDaemon('EACCES', '/s'),
    "Can't initialize ipvs: Permission denied (you must be root)\n" +
      'Are you sure that IP Virtual Server is built in the kernel or as module?',
  )
  const texts = ['ENOENT', 'ECONNREFUSED', 'EIO'].map((errno) => explainNoDaemon(errno, '/s'))
  assert.equal(new Set(texts).size, 3)
  for (const text of texts)
    assert.match(text, /^Can't initialize ipvs: the Sluice daemon .*\/s[^\n]*$/)
})
