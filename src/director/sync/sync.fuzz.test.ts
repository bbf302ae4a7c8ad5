/**
 * Records, packets, time and edits in any order: the counts of servers and table are always those of the lines, and
 * what one director tells another that has the same services is never refused.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { laboratory, scan, TWO, WEB, type Servers } from '../../../tests/director/two-directors.ts'
import type { Laboratory } from '../../../tests/goldens/laboratory.ts'
import { Random } from '../../base/random.ts'
import { tcpFrame } from '../../wire/flow.ts'
import { SyncFlag, type SyncRecord } from '../../wire/sync-message.ts'
import { recount } from '../recount.ts'
import { SyncLearner } from './learner.ts'
import { SyncScan } from './scan.ts'

const SERVERS: Servers = { ...TWO, settings: { persistenceTimeoutS: 5 } }
const STEPS = 2000
/** Looked at after so many steps. */
const STEPS_A_LOOK = 20
const CLIENTS = 12
const FLAGS = [0, SyncFlag.inactive, SyncFlag.template, SyncFlag.template | SyncFlag.inactive, 0x83]

function randomRecord(random: Random): SyncRecord {
  const flags = FLAGS[random.below(FLAGS.length)]!
  const isTemplate = (flags & SyncFlag.template) !== 0
  return {
    family: 4,
    protocol: random.oneIn(20) ? 17 : 6,
    flags,
    state: random.below(isTemplate ? 2 : 12),
    client: [0, 0, 0xffff, 0x0a00000a],
    clientPort: isTemplate ? 0 : 1024 + random.below(CLIENTS),
    virtual: [0, 0, 0xffff, 0x0a000064],
    virtualPort: random.oneIn(20) ? 81 : 80,
    server: [0, 0, 0xffff, 0xc0a80a0b + random.below(3)],
    serverPort: random.oneIn(20) ? 80 : 8080,
    firewallMark: 0,
    timeoutS: random.below(9),
  }
}

function sendPacket(lab: Laboratory, random: Random): void {
  const flags = [2, 16, 17, 4][random.below(4)]!
  const from = `10.0.0.10:${1024 + random.below(CLIENTS)}`
  lab.send('client', tcpFrame(from, '10.0.0.100:80', { flags }))
}

/** A server leaves, or comes back. */
function editServers(lab: Laboratory, random: Random): void {
  const server = { address: `192.168.10.${11 + random.below(2)}`, port: 8080 }
  if (lab.director.deleteServer(WEB, server) !== null) {
    lab.addServer(WEB, server, { forwarding: random.oneIn(2) ? 'direct' : 'masquerade' })
  }
}

test('counts are right whatever comes', () => {
  for (let seed = 1; seed <= 3; seed++) {
    const random = new Random(seed)
    const lab = laboratory(SERVERS)
    const learner = new SyncLearner(lab.director)
    for (let step = 0; step < STEPS; step++) {
      const what = random.below(10)
      if (what < 5) learner.take(randomRecord(random))
      else if (what < 8) sendPacket(lab, random)
      else if (what === 8 && random.oneIn(4)) lab.sleep(random.below(4))
      else if (what === 9 && random.oneIn(4)) {
        editServers(lab, random)
        learner.serversChanged()
        learner.tryWaiting()
      }
      if (step % STEPS_A_LOOK !== 0) continue
      assert.equal(
        recount(() => undefined),
        0,
        `seed ${seed}, step ${step}`,
      )
    }
    for (const name of ['created', 'updated', 'older', 'waiting', 'unknown'] as const) {
      assert.ok(learner.counts[name] > 0, `seed ${seed}: ${name}`)
    }
  }
})

test('what is told is learnt', () => {
  const random = new Random(1)
  const [one, other] = [laboratory(SERVERS), laboratory(SERVERS)]
  const [scanner, learner] = [new SyncScan(), new SyncLearner(other.director)]
  for (let step = 0; step < STEPS; step++) {
    one.use()
    sendPacket(one, random)
    if (!random.oneIn(5)) continue
    const records = scan(one, scanner)
    other.use()
    for (const record of records) learner.take(record)
    for (const lab of [one, other]) {
      lab.use()
      if (random.oneIn(5)) lab.sleep(1)
      assert.equal(
        recount(() => undefined),
        0,
      )
    }
  }
  const { created, updated, ...others } = learner.counts
  assert.ok(created > 5 && updated > 100, JSON.stringify(learner.counts))
  assert.deepEqual(Object.values(others), Object.values(others).fill(0))
})
