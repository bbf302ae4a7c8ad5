/**
 * Which frames take the short cut. That they fare there as on the long way is forward.fuzz.test.ts's.
 */
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { DIRECTOR_MAC, INTERFACE, Laboratory, type Side } from '../../tests/goldens/laboratory.ts'
import { packetOf } from '../../tests/packets/packet-of.ts'
import type { ForwardingMethod } from '../director/model.ts'
import { tcpFrame, udpFrame, type TcpFrameOptions } from '../wire/flow.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { flow, forward } from './main.ts'
import { LONG_WAY, Outcome, takeShortCut } from './short-cut.ts'
import { settings, connections } from './tables.ts'
import { nextTcpState, TcpSide, TcpState, writeTcpTransitions } from './tcp.ts'
import { Reason } from './verdict.ts'

const VIP = '10.0.0.100'
/** Another for each service: connections of one client's port begin at one line, and but one can stand there. */
const clientOf = (port: number) => `10.0.0.10:${4000 + port}`
const SERVER = '192.168.10.11:8080'
const PORTS = { masquerade: 80, direct: 81, tunnel: 82, fullnat: 83, local: 84 } as const

describe('the short cut', () => {
  beforeEach(() => {
    const lab = new Laboratory()
    for (const protocol of ['tcp', 'udp'] as const) {
      for (const [forwarding, port] of Object.entries(PORTS)) {
        if (forwarding === 'fullnat' || forwarding === 'local') continue
        const key = { protocol, address: VIP, port }
        lab.addService(key)
        const own = forwarding === 'masquerade' ? 8080 : port
        const method = forwarding as ForwardingMethod
        lab.addServer(key, { address: '192.168.10.11', port: own }, { forwarding: method })
      }
    }
    for (const port of [80, 81, 82]) {
      pass(
        'client',
        tcpFrame(clientOf(port), `${VIP}:${port}`, { flags: TcpFlag.syn, ...from('client') }),
      )
      pass(
        'client',
        tcpFrame(clientOf(port), `${VIP}:${port}`, { flags: TcpFlag.ack, ...from('client') }),
      )
      pass('client', udpFrame(clientOf(port), `${VIP}:${port}`, { data: DATA, ...from('client') }))
    }
    const flags = TcpFlag.syn | TcpFlag.ack
    pass('server', tcpFrame(SERVER, clientOf(80), { flags, ...from('server') }))
    pass('server', udpFrame(SERVER, clientOf(80), { data: DATA, ...from('server') }))
  })

  for (const [method, port] of [
    ['NAT', 80],
    ['direct routing', 81],
    ['the tunnel', 82],
  ] as const) {
    it(`is for requests by ${method}`, () => {
      assert.equal(request(port, {}), Reason.toServer)
      const frame = udpFrame(clientOf(port), `${VIP}:${port}`, { data: DATA, ...from('client') })
      assert.equal(take('client', frame), Reason.toServer)
    })
  }

  it('is for answers by NAT', () => {
    const tcp = tcpFrame(SERVER, clientOf(80), { flags: TcpFlag.ack, ...from('server') })
    assert.equal(take('server', tcp), Reason.toClient)
    const udp = udpFrame(SERVER, clientOf(80), { data: DATA, ...from('server') })
    assert.equal(take('server', udp), Reason.toClient)
  })

  it('is for what goes to others', () => {
    const frame = tcpFrame(clientOf(80), '10.0.0.99:80', { flags: TcpFlag.syn, ...from('client') })
    assert.equal(take('client', frame), Reason.notOurs)
  })

  it('is for options of TCP', () => {
    const options = [{ type: 'timestamps', value: 1, echo: 2 }] as const
    assert.equal(request(80, { options }), Reason.toServer)
  })

  const LONG: Readonly<Record<string, TcpFrameOptions>> = {
    'a SYN': { flags: TcpFlag.syn },
    'a FIN': { flags: TcpFlag.fin | TcpFlag.ack },
    'an RST': { flags: TcpFlag.rst },
    'a segment without flags': { flags: 0 },
    'what dies here': { over: { ip: { timeToLive: 1 } } },
    'a fragment': { over: { ip: { fragmentOffset: 64 } } },
    'another host’s frame': { over: { destinationMac: '02:00:00:00:00:99' } },
  }
  for (const [name, options] of Object.entries(LONG)) {
    it(`is not for ${name}`, () => assert.equal(request(80, options), LONG_WAY))
  }

  it('is not for connections that have expired, nor for other routes', () => {
    const { routeGeneration } = settings.row(0)
    settings.row(0).routeGeneration = (routeGeneration + 1) & 0xfff
    assert.equal(request(80, {}), LONG_WAY)
    settings.row(0).routeGeneration = routeGeneration
    assert.equal(request(80, {}), Reason.toServer)
    for (let row = 0; row < connections.memory.capacity; row++) connections.row(row).expires = 0
    assert.equal(request(80, {}), LONG_WAY)
  })

  it('may take it that an acknowledgement leaves an established connection so', () => {
    for (const isSecure of [false, true]) {
      writeTcpTransitions(isSecure)
      for (const side of Object.values(TcpSide)) {
        const next = nextTcpState(side, TcpFlag.ack | TcpFlag.psh, TcpState.established)
        assert.equal(next, TcpState.established)
      }
    }
    writeTcpTransitions(false)
  })
})

const DATA = new Uint8Array(20)

function from(side: Side) {
  return { over: { destinationMac: DIRECTOR_MAC[side] } }
}

function request(port: number, { over, ...options }: TcpFrameOptions): number {
  const layers = { ...from('client').over, ...over }
  const frame = { flags: TcpFlag.ack, data: DATA, ...options, over: layers }
  return take('client', tcpFrame(clientOf(port), `${VIP}:${port}`, frame))
}

/** The reason, or LONG_WAY. */
function take(side: Side, frame: Uint8Array): number {
  const outcome = takeShortCut(packetOf(frame, INTERFACE[side]), flow)
  return outcome === LONG_WAY ? outcome : outcome & Outcome.reasonMask
}

function pass(side: Side, frame: Uint8Array): void {
  const reason = forward(packetOf(frame, INTERFACE[side]))
  assert.ok(reason === Reason.toServer || reason === Reason.toClient, `${reason}`)
}
