/**
 * The switches of IPVS under their names: each off, and on, and what packets or listings show of it. Those of
 * connection synchronisation have tests of their own.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { OneService } from '../../tests/dataplane/one-service.ts'
import { DIRECTOR_MAC, Laboratory } from '../../tests/goldens/laboratory.ts'
import { readCounters } from '../director/entries.ts'
import { listConnections, listService } from '../director/listing.ts'
import type { ServerSettings } from '../director/model.ts'
import { listSysctls, setSysctl, type SysctlName } from '../director/sysctls.ts'
import { icmpErrorFrame, sctpFrame, tcpFrame, udpFrame } from '../wire/flow.ts'
import { parseFrame } from '../wire/frame.ts'
import { SctpChunkType } from '../wire/sctp.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { reasonName } from './reason-text.ts'
import { servers, services, settings } from './tables.ts'

const OVER = { destinationMac: DIRECTOR_MAC.client }
const VIP = '10.0.0.100'
const KEY = { protocol: 'tcp', address: VIP, port: 80 } as const
const MINUTE_S = 60

/** Two real servers, 11 and 12; 12 has the first turn. */
function laboratory(persistenceTimeoutS = 0, server: Partial<ServerSettings> = {}): Laboratory {
  const lab = new Laboratory()
  lab.addService(KEY, 'rr', { persistenceTimeoutS })
  for (const n of [11, 12]) lab.addServer(KEY, { address: `192.168.10.${n}`, port: 80 }, server)
  return lab
}

function turn(lab: Laboratory, name: SysctlName, value: number, freePages = Infinity): void {
  lab.use()
  assert.equal(setSysctl(name, value), null)
  lab.director.defence.adjust(freePages)
  lab.director.keepNatServers()
}

/** The reason, and the last digit of the real server's MAC address where one got it. */
function send(lab: Laboratory, port: number, flags: number, to = `${VIP}:80`): string {
  const { reason, departed } = lab.send(
    'client',
    tcpFrame(`10.0.0.10:${port}`, to, { flags, over: OVER }),
  )
  const first = departed[0]
  return `${reasonName(reason)}${first?.at === 'server' ? ` ${first.bytes[5]! & 15}` : ''}`
}

const { syn: SYN, ack: ACK, rst: RST } = TcpFlag

/** Synchronisation's have theirs in director/sync/sync.test.ts and daemon/synchronisation.root.test.ts. */
type Elsewhere = `sync_${string}` | 'backup_only'
type Effects = { readonly [name in Exclude<SysctlName, Elsewhere>]: Effect }

const EFFECTS: Effects = {
  conn_reuse_mode: [
    'a SYN on an ended connection goes to the next server, or to the same',
    () => {
      for (const [mode, again] of [
        [1, 'toServer 1'],
        [0, 'toServer 2'],
      ] as const) {
        const lab = laboratory()
        turn(lab, 'conn_reuse_mode', mode)
        assert.equal(send(lab, 1, SYN), 'toServer 2')
        send(lab, 1, ACK)
        send(lab, 1, RST)
        assert.equal(send(lab, 1, SYN), again, `mode ${mode}`)
      }
    },
  ],
  expire_nodest_conn: [
    'what belongs to a removed server waits, or begins anew',
    () => {
      for (const [value, after] of [
        [0, 'serverGone'],
        [1, 'toServer 1'],
      ] as const) {
        const lab = laboratory()
        turn(lab, 'expire_nodest_conn', value)
        assert.equal(send(lab, 1, SYN), 'toServer 2')
        const gone = { address: '192.168.10.12', port: 80 }
        assert.equal(lab.director.deleteServer(KEY, gone), null)
        assert.equal(send(lab, 1, SYN), after)
      }
    },
  ],
  expire_quiescent_template: [
    'a client stays with a server of weight 0, or does not',
    () => {
      for (const [value, after] of [
        [0, 'toServer 2'],
        [1, 'toServer 1'],
      ] as const) {
        const lab = laboratory(300)
        turn(lab, 'expire_quiescent_template', value)
        assert.equal(send(lab, 1, SYN), 'toServer 2')
        const [newest] = lab.director.find(KEY)!.servers
        const quiet = { ...newest!.settings, weight: 0 }
        assert.equal(lab.director.editServer(KEY, newest!.key, quiet), null)
        assert.equal(send(lab, 2, SYN), after)
      }
    },
  ],
  cache_bypass: [
    'a mark whose service has no server lets packets go on',
    () => {
      const lab = new Laboratory()
      lab.addService({ firewallMark: 5, family: 4 })
      const any = { protocol: null, source: null, sourcePorts: null, destinationPorts: null }
      const rule = { ...any, mark: 5, destination: '10.7.0.0/16' }
      assert.equal(lab.director.marks.set([rule]), null)
      assert.equal(send(lab, 1, SYN, '10.7.1.1:80'), 'answeredUnreachable')
      turn(lab, 'cache_bypass', 1)
      assert.equal(send(lab, 1, SYN, '10.7.1.1:80'), 'bypassed')
    },
  ],
  schedule_icmp: [
    'an error about no connection opens one',
    () => {
      const lab = new Laboratory()
      const key = { protocol: 'udp', address: VIP, port: 53 } as const
      lab.addService(key)
      lab.addServer(key, { address: '192.168.10.11', port: 53 }, { forwarding: 'masquerade' })
      const data = new Uint8Array(20)
      const quoted = udpFrame(`${VIP}:53`, '10.0.0.10:4000', { data }).subarray(14)
      const error = icmpErrorFrame('10.0.0.10', VIP, { type: 3, code: 3, quoted, over: OVER })
      const reason = () => reasonName(lab.send('client', error).reason)
      assert.equal(reason(), 'icmpUnrelated')
      turn(lab, 'schedule_icmp', 1)
      assert.equal(reason(), 'icmpToServer')
    },
  ],
  nat_icmp_send: [
    "a NAT server's packet of no connection goes to the host, or is answered",
    () => {
      const lab = laboratory(0, { forwarding: 'masquerade' })
      const over = { destinationMac: DIRECTOR_MAC.server, sourceMac: '02:00:00:00:0b:11' }
      const stray = tcpFrame('192.168.10.11:80', '10.0.0.10:9', { flags: ACK, over })
      const reason = () => reasonName(lab.send('server', stray).reason)
      assert.equal(reason(), 'notOurs')
      turn(lab, 'nat_icmp_send', 1)
      assert.equal(reason(), 'answeredStray')
    },
  ],
  pmtu_disc: [
    'the outer header has DF if the inner one has, or never',
    () => {
      const lab = laboratory(0, { forwarding: 'tunnel' })
      for (const [value, inner, outer] of [
        [1, true, true],
        [1, false, false],
        [0, true, false],
      ] as const) {
        turn(lab, 'pmtu_disc', value)
        const over = { ...OVER, ip: { dontFragment: inner } }
        const frame = tcpFrame('10.0.0.10:7', `${VIP}:80`, { flags: SYN, over })
        const { ip } = parseFrame(lab.send('client', frame).departed[0]!.bytes)!
        assert.equal(ip!.version === 4 && ip!.dontFragment, outer, `${value}, ${inner}`)
      }
    },
  ],
  sloppy_tcp: [
    'a segment without SYN opens a connection; a reset never',
    () => {
      const lab = laboratory()
      assert.equal(send(lab, 1, ACK), 'notOpening')
      turn(lab, 'sloppy_tcp', 1)
      assert.equal(send(lab, 1, RST), 'notOpening')
      assert.equal(send(lab, 1, ACK), 'toServer 2')
    },
  ],
  sloppy_sctp: [
    'a chunk that is not INIT opens an association; ABORT never',
    () => {
      const lab = new Laboratory()
      const key = { protocol: 'sctp', address: VIP, port: 80 } as const
      lab.addService(key)
      lab.addServer(key, { address: '192.168.10.11', port: 80 })
      const reason = (type: number) => {
        const chunks = [{ type, flags: 0, value: new Uint8Array(12) }]
        const frame = sctpFrame('10.0.0.10:1', `${VIP}:80`, { tag: 1, chunks, over: OVER })
        return reasonName(lab.send('client', frame).reason)
      }
      assert.equal(reason(SctpChunkType.data), 'notOpening')
      turn(lab, 'sloppy_sctp', 1)
      assert.equal(reason(SctpChunkType.abort), 'notOpening')
      assert.equal(reason(SctpChunkType.data), 'toServer')
    },
  ],
  secure_tcp: [
    "the client's word alone establishes a NAT connection, or does not",
    () => {
      for (const [value, state] of [
        [0, 'ESTABLISHED'],
        [3, 'SYN_RECV'],
      ] as const) {
        const lab = laboratory(0, { forwarding: 'masquerade' })
        turn(lab, 'secure_tcp', value)
        send(lab, 1, SYN)
        send(lab, 1, ACK)
        assert.deepEqual(
          [...listConnections()].map((each) => each.state),
          [state],
        )
      }
    },
  ],
  drop_packet: [
    'while memory is short new connections are dropped',
    () => {
      const lab = laboratory()
      turn(lab, 'amemthresh', 1000)
      turn(lab, 'drop_packet', 1, 2000)
      assert.equal(droppedOf20(lab, 100), 0, 'enough of it')
      lab.director.defence.adjust(500)
      assert.equal(droppedOf20(lab, 200), 10, 'half of it: one of two')
      lab.director.defence.adjust(2000)
      assert.equal(droppedOf20(lab, 300), 0, 'enough again')
    },
  ],
  amemthresh: [
    'says which memory is short',
    () => {
      const lab = laboratory()
      turn(lab, 'drop_packet', 1, 512)
      assert.equal(
        droppedOf20(lab, 100),
        10,
        'of the 1024 pages that are the default half is there',
      )
      turn(lab, 'amemthresh', 512, 512)
      assert.equal(droppedOf20(lab, 200), 0, 'as much as there must be')
    },
  ],
  am_droprate: [
    'with drop_packet=3 one of so many new connections is dropped',
    () => {
      const lab = laboratory()
      for (const [rate, dropped] of [
        [10, 2],
        [4, 5],
        [1, 20],
      ] as const) {
        turn(lab, 'am_droprate', rate)
        turn(lab, 'drop_packet', 3)
        settings.row(0).addDropCount(-settings.row(0).dropCount)
        assert.equal(droppedOf20(lab, 1000 * rate), dropped, `1 of ${rate}`)
      }
    },
  ],
  drop_entry: [
    'half-open connections go before their time',
    () => {
      for (const [value, left] of [
        [0, 20],
        [3, 0],
      ] as const) {
        const lab = laboratory()
        turn(lab, 'drop_entry', value)
        for (let port = 1001; port <= 1020; port++) send(lab, port, SYN)
        for (let part = 0; part < 32; part++) lab.director.defence.run(Infinity, part / 32)
        assert.equal([...listConnections()].length, left)
      }
    },
  ],
  run_estimation: [
    'counters of listings are as of now, or stand still',
    () => {
      const lab = laboratory()
      const entry = lab.director.find(KEY)!
      const packets = () => {
        const { counters, servers } = listService(entry)
        return [counters.inPackets, ...servers.map((server) => server.counters.inPackets)]
      }
      send(lab, 1, SYN)
      assert.deepEqual(packets().map(Number), [1, 1, 0])
      for (const one of entry.servers) one.estimator.update(readCounters(servers.row(one.row)))
      entry.estimator.update(readCounters(services.row(entry.row)))
      turn(lab, 'run_estimation', 0)
      send(lab, 1, ACK)
      assert.deepEqual(packets().map(Number), [1, 1, 0], 'as the estimator saw them last')
      turn(lab, 'run_estimation', 1)
      assert.deepEqual(packets().map(Number), [2, 2, 0])
    },
  ],
  lblc_expiration: ['says when lblc forgets a destination', () => checkForgetting('lblc')],
  lblcr_expiration: ['says when lblcr forgets a destination', () => checkForgetting('lblcr')],
}

type Effect = readonly [string, () => void]

/** Of 20 clients, how many are dropped? */
function droppedOf20(lab: Laboratory, firstPort: number): number {
  const reasons = Array.from({ length: 20 }, (_, i) => send(lab, firstPort + i, SYN))
  return reasons.filter((reason) => reason === 'overloaded').length
}

/** In the thirtieth minute, if nobody asked for it in so many seconds. */
function checkForgetting(scheduler: 'lblc' | 'lblcr'): void {
  for (const [seconds, left] of [
    [20 * MINUTE_S, 0],
    [40 * MINUTE_S, 1],
  ] as const) {
    const service = new OneService(scheduler, [1])
    turn(service.lab, `${scheduler}_expiration`, seconds)
    service.choose('10.50.0.1')
    for (let slept = 0; slept < 30 * MINUTE_S; slept += 30) service.lab.sleep(30)
    assert.equal(settings.row(0).localities, left, `${seconds} s`)
  }
}

for (const [name, [what, check]] of Object.entries(EFFECTS)) it(`${name}: ${what}`, check)

it('every switch that acts has a test here, but for synchronisation', () => {
  new Laboratory().use()
  const acting = listSysctls().filter(({ why }) => why === null)
  const names = acting.map(({ name }) => name).filter((name) => !/^sync_|^backup_only$/.test(name))
  assert.deepEqual(names.sort(), Object.keys(EFFECTS).sort())
})
