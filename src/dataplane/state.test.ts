import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DIRECTOR_MAC, Laboratory, type Side } from '../../tests/goldens/laboratory.ts'
import { readCounters } from '../director/entries.ts'
import { listConnections } from '../director/listing.ts'
import type { ForwardingMethod, ServiceKey, ServiceProtocol } from '../director/model.ts'
import { tcpFrame, udpFrame } from '../wire/flow.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { servers, services } from './tables.ts'

const { syn: SYN, ack: ACK, fin: FIN, rst: RST } = TcpFlag
const CLIENT = '10.0.0.10:40000'
const VIRTUAL = '10.0.0.100:80'
const REAL = '192.168.10.11:8080'
const DATA = 'x'.repeat(60)

/** One service, one server, one client. */
class Pair {
  readonly lab = new Laboratory()
  readonly key: ServiceKey
  readonly #protocol: ServiceProtocol

  constructor(protocol: ServiceProtocol, forwarding: ForwardingMethod) {
    this.key = { protocol, address: '10.0.0.100', port: 80 }
    this.#protocol = protocol
    this.lab.addService(this.key)
    this.lab.addServer(this.key, this.server, { forwarding })
  }

  readonly server = { address: '192.168.10.11', port: 8080 }

  get #entry() {
    return this.lab.director.find(this.key)!
  }

  ask(flags = 0, data = ''): void {
    this.#send('client', CLIENT, VIRTUAL, flags, data)
  }

  answer(flags = 0, data = ''): void {
    this.#send('server', REAL, CLIENT, flags, data)
  }

  #send(at: Side, from: string, to: string, flags: number, data: string): void {
    const over = { destinationMac: DIRECTOR_MAC[at] }
    const isTcp = this.#protocol === 'tcp'
    const frame = isTcp
      ? tcpFrame(from, to, { flags, data, over })
      : udpFrame(from, to, { data, over })
    this.lab.send(at, frame)
  }

  /** State and seconds left of the connection, connections of the server: 'ESTABLISHED 900, 1 active, 0 inactive'. */
  get state(): string {
    const [connection] = [...listConnections()]
    const { active, inactive } = servers.row(this.#entry.servers[0]!.row)
    const text = connection === undefined ? 'none' : `${connection.state} ${connection.expiresS}`
    return `${text}, ${active} active, ${inactive} inactive`
  }

  get counters() {
    const service = readCounters(services.row(this.#entry.row))
    const server = readCounters(servers.row(this.#entry.servers[0]!.row))
    return { service, server }
  }
}

describe('each packet moves its connection on', () => {
  it('TCP through NAT, by both sides', () => {
    const pair = new Pair('tcp', 'masquerade')
    pair.ask(SYN)
    assert.equal(pair.state, 'SYN_RECV 60, 1 active, 0 inactive')
    pair.answer(SYN | ACK)
    pair.ask(ACK)
    assert.equal(pair.state, 'ESTABLISHED 900, 1 active, 0 inactive')
    pair.answer(FIN | ACK)
    assert.equal(pair.state, 'FIN_WAIT 120, 0 active, 1 inactive')
    pair.ask(FIN | ACK)
    assert.equal(pair.state, 'TIME_WAIT 120, 0 active, 1 inactive')
    pair.lab.sleep(121)
    assert.equal(pair.state, 'none, 0 active, 0 inactive')
  })

  it('TCP past us, by the client alone', () => {
    const pair = new Pair('tcp', 'direct')
    pair.ask(SYN)
    pair.ask(ACK)
    assert.equal(pair.state, 'ESTABLISHED 900, 1 active, 0 inactive')
    pair.ask(FIN | ACK)
    assert.equal(pair.state, 'FIN_WAIT 120, 0 active, 1 inactive')
  })

  it('and back among the active, if it is opened again', () => {
    const pair = new Pair('tcp', 'masquerade')
    pair.ask(SYN)
    pair.ask(FIN | ACK)
    pair.answer(SYN | ACK)
    assert.equal(pair.state, 'SYN_SENT 120, 1 active, 0 inactive')
    pair.ask(RST)
    assert.equal(pair.state, 'CLOSE 10, 0 active, 1 inactive')
  })

  it('and its end: 900 s from the last packet, whichever side it is of', () => {
    const pair = new Pair('tcp', 'masquerade')
    pair.ask(SYN)
    pair.ask(ACK)
    pair.lab.sleep(500)
    assert.equal(pair.state, 'ESTABLISHED 400, 1 active, 0 inactive')
    pair.answer(ACK)
    assert.equal(pair.state, 'ESTABLISHED 900, 1 active, 0 inactive')
  })

  it('UDP is never active', () => {
    const pair = new Pair('udp', 'masquerade')
    pair.ask()
    assert.equal(pair.state, 'UDP 300, 0 active, 1 inactive')
    pair.lab.sleep(100)
    pair.answer()
    assert.equal(pair.state, 'UDP 300, 0 active, 1 inactive')
    pair.lab.sleep(301)
    assert.equal(pair.state, 'none, 0 active, 0 inactive')
  })
})

describe('counters', () => {
  it('are of IP packets, by direction, for server and service alike', () => {
    const pair = new Pair('tcp', 'masquerade')
    pair.ask(SYN)
    pair.answer(SYN | ACK)
    pair.ask(ACK, DATA)
    const counted = { connections: 1, inPackets: 2, outPackets: 1, inBytes: 140, outBytes: 40 }
    assert.deepEqual(pair.counters, { service: counted, server: counted })
  })

  it('count no packet of a server that was removed', () => {
    const pair = new Pair('tcp', 'masquerade')
    pair.ask(SYN)
    assert.equal(pair.lab.director.deleteServer(pair.key, pair.server), null)
    pair.answer(SYN | ACK)
    pair.ask(ACK)
    pair.lab.addServer(pair.key, pair.server, { forwarding: 'masquerade' })
    const counted = { connections: 1, inPackets: 1, outPackets: 0, inBytes: 40, outBytes: 0 }
    assert.deepEqual(pair.counters, { service: counted, server: counted })
  })
})
