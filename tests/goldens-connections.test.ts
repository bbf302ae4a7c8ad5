/**
 * States, timers and counts of connections against Linux IPVS (tests/goldens/conn-*.jsonl): after each frame, what left
 * the director and what ipvsadm listed.
 */
import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { replayCase } from './goldens/case-replay.ts'
import { readRecording, type GoldenEvent } from './goldens/recordings.ts'

/** By case and number of the event: what we do otherwise on purpose. docs/differences.md has a line for each. */
const DIFFERENT: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  'big-numbers': {
    9: 'how fast the datagrams came is not recorded',
    10: 'how fast the datagrams came is not recorded',
  },
  'local-node': {
    12: 'masquerading to another address or port of the host itself',
    14: 'what the host itself answers does not pass the packet path: no CLOSE by its RST',
  },
  'change-forwarding': { 10: 'after an edit from NAT to direct routing IPVS sent nothing' },
}

const FILES = [
  'conn-dr-tun',
  'conn-misc',
  'conn-nat',
  'conn-random',
  'conn-sip',
  'conn-stories',
  'conn-sysctl',
  'conn-udp',
]

/** Cases that are about netfilter: our packet path comes before it, and knows no rule of it. */
const NETFILTER = ['conntrack-0', 'masq-snat']

for (const file of FILES) {
  describe(`${file}.jsonl`, () => {
    for (const [name, events] of readRecording(`${file}.jsonl`)) {
      if (!NETFILTER.includes(name)) it(name, () => checkCase(name, events))
    }
  })
}

async function checkCase(name: string, events: readonly GoldenEvent[]): Promise<void> {
  const differences = await replayCase(events)
  const different = DIFFERENT[name] ?? {}
  assert.deepEqual(
    differences.filter(({ n }) => !(n in different)),
    [],
  )
  assert.deepEqual(
    differences.map(({ n }) => n),
    Object.keys(different).map(Number),
    'what is listed as different and is not must come off the list',
  )
}
