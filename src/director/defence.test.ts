/**
 * drop_entry: which connections go before their time, when, and how many of them (update_defense_level,
 * ip_vs_random_dropentry; net/netfilter/ipvs).
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DIRECTOR_MAC, Laboratory } from '../../tests/goldens/laboratory.ts'
import { BUSY } from '../dataplane/connection.ts'
import { PROBES_MAX } from '../dataplane/limits.ts'
import * as tables from '../dataplane/tables.ts'
import { sctpFrame, tcpFrame, udpFrame } from '../wire/flow.ts'
import { SctpChunkType } from '../wire/sctp.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { setSysctl, sysctl } from './sysctls.ts'

const OVER = { destinationMac: DIRECTOR_MAC.client }
const VIP = '10.0.0.100'
const AMPLE = 5000
const SHORT = 100
/** Of the connection table, in one second. */
const PARTS = 32
const SERVER = { address: '192.168.10.11', port: 80 }
const { syn: SYN, ack: ACK, fin: FIN } = TcpFlag
const { Status } = tables

type Protocol = 'tcp' | 'udp' | 'sctp'

function laboratory(protocol: Protocol = 'tcp', persistenceTimeoutS = 0): Laboratory {
  const lab = new Laboratory({ capacities: { connections: 1024 + PROBES_MAX } })
  const key = { protocol, address: VIP, port: 80 }
  lab.addService(key, 'rr', { persistenceTimeoutS })
  lab.addServer(key, SERVER)
  lab.use()
  assert.equal(setSysctl('amemthresh', 1000), null)
  return lab
}

function turn(value: number): void {
  assert.equal(setSysctl('drop_entry', value), null)
}

const clientOf = (n: number) => `172.16.${n >>> 8}.${n & 0xff}:4000`

/** Each of so many clients sends segments with these flags. */
function sendTcp(lab: Laboratory, clients: number, ...flags: readonly number[]): void {
  for (let n = 1; n <= clients; n++) {
    for (const each of flags) {
      lab.send('client', tcpFrame(clientOf(n), `${VIP}:80`, { flags: each, over: OVER }))
    }
  }
}

function sendChunks(lab: Laboratory, clients: number, ...types: readonly number[]): void {
  for (let n = 1; n <= clients; n++) {
    for (const type of types) {
      const chunks = [{ type, flags: 0, value: new Uint8Array(16) }]
      lab.send('client', sctpFrame(clientOf(n), `${VIP}:80`, { tag: 1, chunks, over: OVER }))
    }
  }
}

function sendDatagrams(lab: Laboratory, clients: number): void {
  for (let n = 1; n <= clients; n++) {
    lab.send('client', udpFrame(clientOf(n), `${VIP}:80`, { over: OVER }))
  }
}

/** Once through the whole table, each part of it in a second of its own; but no time passes. */
function sweep(lab: Laboratory, freePages: number): void {
  for (let part = 0; part < PARTS; part++) lab.director.defence.run(freePages, part / PARTS)
}

/** Connections that are there, and what server and table say of them: which must be the same. */
function left(lab: Laboratory): number {
  lab.use()
  const server = tables.servers.row([...lab.director.services.values()][0]!.servers[0]!.row)
  let lines = 0
  let templates = 0
  for (let row = 0; row < tables.connections.memory.capacity; row++) {
    const { owner, status } = tables.connections.row(row)
    if (owner <= BUSY || (status & Status.ended) !== 0) continue
    if ((status & Status.template) !== 0) templates++
    else lines++
  }
  assert.equal(server.active + server.inactive, lines)
  assert.equal(server.persistent, templates)
  assert.equal(tables.settings.row(0).connections, lines + templates)
  return lines
}

describe('when', () => {
  const cases: readonly (readonly [string, number, number, number, number])[] = [
    ['0: never', 0, SHORT, 0, 100],
    ['1: nothing while memory is ample', 1, AMPLE, 1, 100],
    ['1: while memory is short, and then it is 2', 1, SHORT, 2, 0],
    ['2: while memory is short', 2, SHORT, 2, 0],
    ['2: is 1 again, and idle, when memory is ample', 2, AMPLE, 1, 100],
    ['1: memory that is just enough is not short', 1, 1000, 1, 100],
    ['1: one page less is', 1, 999, 2, 0],
    ['3: always', 3, AMPLE, 3, 0],
  ]
  for (const [what, value, freePages, becomes, still] of cases) {
    it(what, () => {
      const lab = laboratory()
      sendTcp(lab, 100, SYN)
      turn(value)
      assert.equal(left(lab), 100)
      sweep(lab, freePages)
      assert.equal(sysctl('drop_entry'), becomes)
      assert.equal(left(lab), still)
    })
  }

  it('memory that was short and is ample again ends it at once', () => {
    const lab = laboratory()
    turn(1)
    sendTcp(lab, 10, SYN)
    sweep(lab, SHORT)
    assert.equal(left(lab), 0)
    sendTcp(lab, 10, SYN)
    sweep(lab, AMPLE)
    assert.equal(left(lab), 10)
    assert.equal(sysctl('drop_entry'), 1)
  })
})

describe('how many', () => {
  it('a thirty-second part of the table in a second, wherever chance has it begin', () => {
    const lab = laboratory()
    turn(3)
    sendTcp(lab, 800, SYN)
    const lines = tables.settings.row(0).connectionMask + 1
    for (const random of [0.3, 0.999, 0]) {
      const first = Math.floor(random * lines)
      const part = Array.from({ length: lines / PARTS }, (_, i) => (first + i) % lines)
      const isInUse = (row: number) => {
        const { owner, status } = tables.connections.row(row)
        return owner > BUSY && (status & Status.ended) === 0
      }
      const hit = part.filter(isInUse).length
      const before = left(lab)
      lab.director.defence.run(AMPLE, random)
      assert.ok(hit > 0)
      assert.equal(left(lab), before - hit)
    }
  })
})

describe('which', () => {
  const cases: readonly (readonly [string, Protocol, (lab: Laboratory) => void, number])[] = [
    ['TCP, half open: all', 'tcp', (lab) => sendTcp(lab, 60, SYN), 0],
    ['TCP, open: none', 'tcp', (lab) => sendTcp(lab, 60, SYN, ACK), 60],
    ['TCP, closing: none', 'tcp', (lab) => sendTcp(lab, 60, SYN, ACK, FIN | ACK), 60],
    ['SCTP, INIT: all', 'sctp', (lab) => sendChunks(lab, 60, SctpChunkType.init), 0],
    [
      'SCTP, open: none',
      'sctp',
      (lab) => sendChunks(lab, 60, SctpChunkType.init, SctpChunkType.cookieEcho),
      60,
    ],
    ['UDP, just heard of: none', 'udp', (lab) => sendDatagrams(lab, 60), 60],
  ]
  for (const [what, protocol, prepare, still] of cases) {
    it(what, () => {
      const lab = laboratory(protocol)
      turn(3)
      prepare(lab)
      assert.equal(left(lab), 60)
      sweep(lab, AMPLE)
      assert.equal(left(lab), still)
    })
  }

  it('UDP, idle for a minute: every fourth', () => {
    const lab = laboratory('udp')
    sendDatagrams(lab, 60)
    lab.sleep(59)
    turn(3)
    sweep(lab, AMPLE)
    assert.equal(left(lab), 60)
    lab.sleep(2) // which looks at a part of the table itself
    sweep(lab, AMPLE)
    const after = left(lab)
    assert.ok(after <= 45 && after >= 43, `${after} of 60 are left`)
  })

  it('a template goes with its last connection, unless its client was heard of', () => {
    for (const [flags, isKept] of [
      [[SYN], false],
      [[SYN, ACK], true],
    ] as const) {
      const lab = laboratory('tcp', 300)
      turn(3)
      sendTcp(lab, 20, ...flags)
      sweep(lab, AMPLE)
      left(lab)
      assert.equal(tables.settings.row(0).connections, isKept ? 40 : 0)
    }
  })
})
