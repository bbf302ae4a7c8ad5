import { test } from 'node:test'
import assert from 'node:assert/strict'
import { formatSchedulerFlags, parseSchedulerFlags } from './scheduler-flags.ts'

test('names are bits', () => {
  const cases: [string, string, number | string][] = [
    ['sh', '', 0],
    ['sh', 'sh-fallback', 1],
    ['sh', 'sh-port', 2],
    ['mh', 'mh-port,mh-fallback', 3],
    ['sh', 'flag-1,flag-3', 5],
    ['rr', 'flag-2', 2],
    ['rr', 'sh-port', "incompatible scheduler flag `sh-port'"],
    ['', 'mh-port', "incompatible scheduler flag `mh-port'"],
    ['sh', 'mh-port', "incompatible scheduler flag `mh-port'"],
    ['sh', 'flag-4', "invalid scheduler flag `flag-4'"],
    ['sh', 'sh-port,', 2],
    ['rr', ',flag-1,,flag-2', 3],
    ['sh', ',', "invalid scheduler flag `,'"],
  ]
  for (const [scheduler, text, wanted] of cases) {
    assert.equal(parseSchedulerFlags(scheduler, text), wanted, `${scheduler} ${text}`)
  }
})

test('bits are written by the names of the scheduler', () => {
  assert.equal(formatSchedulerFlags('rr', 7), 'flag-1,flag-2,flag-3')
  assert.equal(formatSchedulerFlags('sh', 7), 'sh-fallback,sh-port')
  assert.equal(formatSchedulerFlags('mh', 2), 'mh-port')
})
