/**
 * The switches of IPVS that no recording and no other test turns: each off, and on.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { DIRECTOR_MAC, Laboratory } from '../../tests/goldens/laboratory.ts'
import { setSysctl, type SysctlName } from '../director/sysctls.ts'
import { icmpErrorFrame, tcpFrame, udpFrame } from '../wire/flow.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { reasonName } from './reason-text.ts'

const OVER = { destinationMac: DIRECTOR_MAC.client }
const VIP = '10.0.0.100'
const KEY = { protocol: 'tcp', address: VIP, port: 80 } as const

function laboratory(): Laboratory {
  const lab = new Laboratory()
  lab.addService(KEY)
  for (const n of [11, 12]) lab.addServer(KEY, { address: `192.168.10.${n}`, port: 80 })
  return lab
}

function turn(lab: Laboratory, name: SysctlName, value: number, freePages = Infinity): void {
  lab.use()
  assert.equal(setSysctl(name, value), null)
  lab.director.defence.adjust(freePages)
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

it('conn_reuse_mode: a SYN on an ended connection goes to the next server, or to the same', () => {
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
})

it('expire_nodest_conn: what belongs to a removed server waits, or begins anew', () => {
  for (const [value, after] of [
    [0, 'serverGone'],
    [1, 'toServer 1'],
  ] as const) {
    const lab = laboratory()
    turn(lab, 'expire_nodest_conn', value)
    assert.equal(send(lab, 1, SYN), 'toServer 2')
    assert.equal(lab.director.deleteServer(KEY, { address: '192.168.10.12', port: 80 }), null)
    assert.equal(send(lab, 1, SYN), after)
  }
})

it('cache_bypass: a mark whose service has no server lets packets go on', () => {
  const lab = new Laboratory()
  lab.addService({ firewallMark: 5, family: 4 })
  const rule = { mark: 5, protocol: null, source: null, sourcePorts: null, destinationPorts: null }
  assert.equal(lab.director.marks.set([{ ...rule, destination: '10.7.0.0/16' }]), null)
  assert.equal(send(lab, 1, SYN, '10.7.1.1:80'), 'answeredUnreachable')
  turn(lab, 'cache_bypass', 1)
  assert.equal(send(lab, 1, SYN, '10.7.1.1:80'), 'bypassed')
})

it('schedule_icmp: an error about no connection opens one', () => {
  const lab = new Laboratory()
  const key = { protocol: 'udp', address: VIP, port: 53 } as const
  lab.addService(key)
  lab.addServer(key, { address: '192.168.10.11', port: 53 }, { forwarding: 'masquerade' })
  const quoted = udpFrame(`${VIP}:53`, '10.0.0.10:4000', { data: new Uint8Array(20) }).subarray(14)
  const error = icmpErrorFrame('10.0.0.10', VIP, { type: 3, code: 3, quoted, over: OVER })
  const reason = () => reasonName(lab.send('client', error).reason)
  assert.equal(reason(), 'icmpUnrelated')
  turn(lab, 'schedule_icmp', 1)
  assert.equal(reason(), 'icmpToServer')
})

it('amemthresh, drop_packet: while memory is short new connections are dropped', () => {
  const lab = laboratory()
  turn(lab, 'amemthresh', 1000)
  turn(lab, 'drop_packet', 1, 2000)
  const dropped = (first: number) =>
    Array.from({ length: 20 }, (_, i) => send(lab, first + i, SYN)).filter(
      (reason) => reason === 'overloaded',
    ).length
  assert.equal(dropped(100), 0, 'enough of it')
  lab.director.defence.adjust(500)
  assert.equal(dropped(200), 10, 'half of it: one of two')
  lab.director.defence.adjust(2000)
  assert.equal(dropped(300), 0, 'enough again')
})
