import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut } from '../../tests/packets/golden-frames.ts'
import { syncMessages } from '../../tests/packets/sync-messages.ts'
import { hexToBytes } from '../base/hex.ts'
import { wordsToIp } from '../base/ip.ts'
import { Random } from '../base/random.ts'
import { parseSyncMessage, SyncFlag, type SyncMessage, type SyncRecord } from './sync-message.ts'
import { SyncWriter } from './sync-writer.ts'

const FORWARDING = ['masq', 'local', 'tunnel', 'direct', 'bypass']

/** 'tcp state 1 masq 10.1.0.10:40080 > 10.1.0.100:80 > 10.2.0.20:8080 900 s'. */
function textOf(record: SyncRecord): string {
  const { flags, firewallMark } = record
  const end = (words: SyncRecord['client'], port: number) => `${wordsToIp(...words)} ${port}`
  const ends = [
    end(record.client, record.clientPort),
    end(record.virtual, record.virtualPort),
    end(record.server, record.serverPort),
  ]
  const words = [
    `ip${record.family} ${record.protocol} state ${record.state}`,
    FORWARDING[flags & SyncFlag.forwarding]!,
    ...((flags & SyncFlag.template) === 0 ? [] : ['template']),
    ...((flags & SyncFlag.inactive) === 0 ? [] : ['inactive']),
    ...((flags & SyncFlag.noOutput) === 0 ? [] : ['noOutput']),
    `${ends.join(' > ')} ${record.timeoutS} s`,
    ...(firewallMark === 0 ? [] : [`mark ${firewallMark}`]),
    ...(record.engine === undefined
      ? []
      : [`${record.engine.name} ${new TextDecoder().decode(record.engine.data)}`]),
  ]
  return words.join(' ')
}

/** What the kernel's own messages say. */
const TOLD: Readonly<Record<string, readonly [0 | 1, ...string[]]>> = {
  established: [1, 'ip4 6 state 1 masq 10.1.0.10 40080 > 10.1.0.100 80 > 10.2.0.20 8080 900 s'],
  closing: [
    1,
    'ip4 6 state 7 masq inactive 10.1.0.10 40080 > 10.1.0.100 80 > 10.2.0.20 8080 60 s',
    'ip4 6 state 5 masq inactive 10.1.0.10 40080 > 10.1.0.100 80 > 10.2.0.20 8080 120 s',
  ],
  persistent: [
    1,
    'ip4 6 state 0 masq template inactive 10.1.0.10 0 > 10.1.0.100 82 > 10.2.0.20 8080 300 s',
    'ip4 6 state 1 masq 10.1.0.10 40082 > 10.1.0.100 82 > 10.2.0.20 8080 900 s',
  ],
  udp: [1, 'ip4 17 state 0 masq inactive 10.1.0.10 45353 > 10.1.0.100 53 > 10.2.0.20 5353 300 s'],
  ipv6: [1, 'ip6 6 state 1 masq fd00:1::10 40080 > fd00:1::100 80 > fd00:2::20 8080 900 s'],
  marked: [
    1,
    'ip4 0 state 0 masq template inactive 10.1.0.10 0 > 0.0.0.7 0 > 10.2.0.20 0 60 s mark 7',
    'ip4 6 state 1 masq 10.1.0.10 44444 > 10.1.0.100 4444 > 10.2.0.20 4444 900 s mark 7',
  ],
  assured: [
    1,
    'ip4 0 state 1 masq template inactive 10.1.0.10 0 > 0.0.0.7 0 > 10.2.0.20 0 60 s mark 7',
  ],
  direct: [
    1,
    'ip4 6 state 1 direct noOutput 10.0.0.10 42081 > 10.0.0.100 81 > 192.168.10.12 81 900 s',
  ],
  old: [
    0,
    'ip4 6 state 1 masq 10.0.0.10 42082 > 10.0.0.100 82 > 192.168.10.11 8080 0 s',
    'ip4 6 state 1 masq template inactive 10.0.0.10 0 > 10.0.0.100 82 > 192.168.10.11 8080 0 s',
  ],
}

/** The same records written by us. */
function emit({ version, syncId, records }: SyncMessage): Uint8Array {
  const writer = new SyncWriter(version, syncId, 65507)
  for (const record of records) assert.equal(writer.put(record), true)
  return writer.take()
}

test("the kernel's messages are read, and written as it wrote them", () => {
  const recorded = syncMessages()
  assert.deepEqual([...recorded.keys()], Object.keys(TOLD))
  for (const [name, bytes] of recorded) {
    const message = parseSyncMessage(bytes)!
    const { version, syncId, skipped, problem } = message
    assert.deepEqual({ syncId, skipped, problem }, { syncId: 5, skipped: 0, problem: null }, name)
    assert.deepEqual([version, ...message.records.map(textOf)], TOLD[name], name)
    assert.deepEqual(emit(message), bytes, name)
  }
})

test('a message that is cut is none, and of one that lies about its records those before count', () => {
  for (const [name, bytes] of syncMessages()) {
    for (const cut of everyCut(bytes)) assert.equal(parseSyncMessage(cut), undefined, name)
    const [first, ...rest] = parseSyncMessage(bytes)!.records
    for (const length of everyLengthOf(bytes)) {
      const shorter = bytes.slice(0, length)
      new DataView(shorter.buffer).setUint16(2, length)
      const message = parseSyncMessage(shorter)
      if (message === undefined) continue
      assert.notEqual(message.problem, null, `${name} ${length}`)
      assert.ok(message.records.length <= rest.length, `${name} ${length}`)
      if (message.records.length > 0) assert.deepEqual(message.records[0], first)
    }
  }
})

/** From the header on. */
function everyLengthOf(bytes: Uint8Array): number[] {
  return Array.from(bytes, (_, length) => length).slice(8)
}

/** A record of version 1 with something behind its addresses, as hex; and whether another follows. */
function withOptions(options: string, type = '00'): Uint8Array {
  const fixed = '000000010000000100500050000000070000003c0a01000a0a0100640a020014'
  const size = 36 + options.length / 2
  const hex = (n: number) => n.toString(16).padStart(4, '0')
  const pad = '00'.repeat(-size & 3)
  const record = `${type}06${hex(size)}${fixed}${options}${pad}`
  const last = `00060024${fixed}`
  const length = 8 + (record.length + last.length) / 2
  return hexToBytes(`0005${hex(length)}02010000${record}${last}`)!
}

test('options of a record', () => {
  const numbers = '0118' + '00'.repeat(24)
  const cases: [string, string, number, number, string | null][] = [
    ['sequence numbers', numbers, 2, 0, null],
    ["an engine's data and name", '0203616263' + '0303736970', 2, 0, null],
    ['unknown, may be passed over', '4901ff', 2, 0, null],
    ['unknown, must be understood', '0901ff', 1, 1, null],
    ['empty', '0200', 0, 0, 'an option is empty, or longer than its record'],
    ['too long', '0210aa', 0, 0, 'an option is empty, or longer than its record'],
    ['cut', '02', 0, 0, 'an option is cut'],
    ['numbers twice', numbers + numbers, 0, 0, 'sequence numbers of a wrong length'],
    ['numbers too short', '010400000000', 0, 0, 'sequence numbers of a wrong length'],
    ['data twice', '020161020161', 0, 0, 'data of a persistence engine twice'],
    ['name twice', '030161030161', 0, 0, 'name of a persistence engine twice'],
    ['a long name', '0311' + '61'.repeat(17), 0, 0, 'name of a persistence engine too long'],
  ]
  for (const [what, options, records, skipped, problem] of cases) {
    const message = parseSyncMessage(withOptions(options))!
    assert.deepEqual(
      [message.records.length, message.skipped, message.problem],
      [records, skipped, problem],
      what,
    )
  }
  const [first] = parseSyncMessage(withOptions('0203616263' + '0303736970'))!.records
  assert.deepEqual(first!.engine, { name: 'sip', data: new TextEncoder().encode('abc') })
  assert.equal(parseSyncMessage(withOptions('', '02'))!.problem, 'a record of an unknown type')
  assert.equal(
    parseSyncMessage(withOptions('', '01'))!.problem,
    'a record is shorter than its addresses',
  )
})

test('whatever comes in does no harm', () => {
  const random = new Random(1)
  const recorded = [...syncMessages().values(), withOptions('0203616263' + '0303736970')]
  for (let i = 0; i < 20_000; i++) {
    const bytes = recorded[random.below(recorded.length)]!.slice(0, random.below(200))
    for (let n = random.below(6); n > 0 && bytes.length > 0; n--) {
      bytes[random.below(bytes.length)] = random.below(256)
    }
    if (bytes.length >= 4) new DataView(bytes.buffer).setUint16(2, bytes.length)
    const message = parseSyncMessage(bytes)
    if (message === undefined) continue
    assert.ok(message.records.length <= 255)
    for (const { family, protocol, state, engine } of message.records) {
      assert.ok(family === 4 || family === 6)
      assert.ok(protocol < 256 && state < 65536)
      assert.ok((engine?.data.length ?? 1) > 0)
    }
  }
})
