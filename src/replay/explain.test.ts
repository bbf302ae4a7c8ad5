import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import {
  readTranscripts,
  replayTranscript,
  writeTranscript,
} from '../../tests/scenarios/transcript.ts'
import { parseRules } from '../cli/ipvsadm/rules.ts'
import * as tables from '../dataplane/tables.ts'
import { now } from '../subset/clock.ts'
import { tcpFrame } from '../wire/flow.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { explain } from './explain.ts'
import { implyLan } from './implied-lan.ts'
import { refuseQuestion, type Question } from './probe.ts'
import { World } from './world.ts'

describe('explain tells what it told (UPDATE_GOLDENS=1 writes it anew)', () => {
  for (const transcript of readTranscripts('explain-')) {
    it(transcript.name, () => {
      const text = replayTranscript(transcript)
      if (process.env['UPDATE_GOLDENS'] === '1') writeTranscript({ ...transcript, text })
      else assert.equal(text, transcript.text)
    })
  }
})

const VIP = '10.0.0.100:80'
const CLIENT = '10.0.0.10'

function worldOf(rulesText: string): World {
  const rules = parseRules(rulesText)
  const lan = implyLan([], rules, [CLIENT])
  const world = new World(lan, { connections: 100, neighbours: 100, rules: rules.length })
  assert.deepEqual(world.furnish(rules), { refused: [], problems: [] })
  return world
}

/** A SYN from the client's `port`, as it comes in. */
function synTo(world: World, port: number): Uint8Array {
  const over = { destinationMac: world.lan.interfaces[0]!.mac }
  return tcpFrame(`${CLIENT}:${port}`, VIP, { flags: TcpFlag.syn, over })
}

function questionFrom(port: number): Question {
  const client = { address: CLIENT, port }
  return { client, virtual: { address: '10.0.0.100', port: 80 }, protocol: 'tcp' }
}

/** A digest of every byte of every table. */
function digestOf(world: World): string {
  const hash = createHash('sha256')
  for (const table of tables.TABLES) {
    const { bytes, base, capacity } = world.tables.memoryOf(table)
    const at = bytes.byteOffset + base
    hash.update(new Uint8Array(bytes.buffer, at, capacity * table.struct.size))
  }
  return hash.digest('hex')
}

const METHODS = ['-m', '-g', '-i', '-b']

describe('explain', () => {
  for (const method of METHODS) {
    it(`leaves the tables as they are, to the byte (${method})`, () => {
      const world = worldOf(`
        -A -t ${VIP} -s wrr
        -a -t ${VIP} -r 10.0.1.11:80 ${method}
        -a -t ${VIP} -r 10.0.1.12:80 ${method} -w 2
        -P -t ${VIP} -z 10.0.1.1`)
      world.run(synTo(world, 1))
      const before = digestOf(world)
      for (const port of [1, 2, 3]) {
        const { verdict } = explain(world.tables, questionFrom(port))
        assert.equal(verdict, 'send')
      }
      assert.equal(digestOf(world), before)
      // The packet would have changed them.
      world.run(synTo(world, 2))
      assert.notEqual(digestOf(world), before)
    })

    it(`foretells what then happens (${method})`, () => {
      const world = worldOf(`
        -A -t ${VIP} -s wlc
        -a -t ${VIP} -r 10.0.1.11:80 ${method}
        -a -t ${VIP} -r 10.0.1.12:80 ${method} -w 2
        -a -t ${VIP} -r 10.0.1.13:80 ${method} -x 2
        -P -t ${VIP} -z 10.0.1.1`)
      for (let port = 1; port <= 20; port++) {
        const { verdict, reason, service, server } = explain(world.tables, questionFrom(port))
        const happened = world.run(synTo(world, port))
        assert.deepEqual(
          [verdict, reason, service, server],
          [happened.verdict, happened.reason, happened.service, happened.server],
        )
      }
    })
  }

  it('leaves the tables in use, and the time', () => {
    const world = worldOf(`-A -t ${VIP} -s rr`)
    world.advanceTo(77)
    explain(world.tables, questionFrom(1))
    assert.equal(tables.connections.memory, world.tables.memoryOf(tables.connections))
    assert.equal(now(), 77)
  })

  it('tells of many candidates only some, but always the chosen one', () => {
    const servers = Array.from({ length: 50 }, (_, i) => `-a -t ${VIP} -r 10.0.1.${i + 1}:80 -m`)
    // The first that was added is the last of the list.
    const rules = servers.map((rule, i) => `${rule} -w ${i === 0 ? 1 : 0}`)
    const world = worldOf([`-A -t ${VIP} -s wlc`, ...rules].join('\n'))
    const { steps, server } = explain(world.tables, questionFrom(1))
    const candidates = steps.filter(({ step }) => step === 'candidate').map(({ text }) => text)
    assert.equal(server, '10.0.1.1:80')
    assert.equal(candidates.length, 34)
    assert.match(candidates.at(-2)!, /^10\.0\.1\.1:80 .*: chosen$/)
    assert.equal(candidates.at(-1), 'and 17 more')
  })

  const wrong: readonly [string, Partial<Question>, string][] = [
    [
      'two families',
      { client: { address: '2001:db8::1', port: 1 } },
      'client and virtual address are of different families',
    ],
    [
      'an address that is not written as we do',
      { client: { address: '2001:DB8::1', port: 1 } },
      '2001:DB8::1 is no IP address as we write it',
    ],
    ['port 0', { virtual: { address: '10.0.0.100', port: 0 } }, '0 is no port: write 1 to 65535'],
  ]
  for (const [what, change, message] of wrong) {
    it(`has no answer for ${what}`, () => {
      const question = { ...questionFrom(1), ...change }
      assert.deepEqual(refuseQuestion(question), { errno: 'EINVAL', message })
      assert.throws(() => explain(worldOf('').tables, question), { message })
    })
  }
})
