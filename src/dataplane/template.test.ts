import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DIRECTOR_MAC, Laboratory } from '../../tests/goldens/laboratory.ts'
import { listConnections } from '../director/listing.ts'
import type {
  ForwardingMethod,
  ServerSettings,
  ServiceKey,
  ServiceSettings,
} from '../director/model.ts'
import { tcpFrame, udpFrame } from '../wire/flow.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { PROBES_MAX } from './limits.ts'
import { flow } from './main.ts'
import { reasonName } from './reason-text.ts'
import { Switch } from './switch.ts'
import { NONE, servers, settings } from './tables.ts'

const { syn: SYN, ack: ACK, fin: FIN, rst: RST } = TcpFlag
const OVER = { over: { destinationMac: DIRECTOR_MAC.client } }
const BACK = { over: { destinationMac: DIRECTOR_MAC.server } }
const VIP = '10.0.0.100'
const CLIENT = '10.0.0.10'

interface Options extends Partial<ServiceSettings> {
  readonly protocol?: 'tcp' | 'udp'
  readonly port?: number
  readonly forwarding?: ForwardingMethod
  readonly serverPort?: number
  readonly capacities?: Readonly<Record<string, number>>
}

/** A persistent service on the VIP with servers 1, 2 and 3. */
class Persistent {
  readonly lab: Laboratory
  readonly key: Extract<ServiceKey, { readonly port: number }>
  readonly #settings: ServiceSettings
  readonly #forwarding: ForwardingMethod
  readonly #serverPort: number

  constructor(options: Options = {}) {
    const { protocol = 'tcp', port = 80, forwarding = 'masquerade', capacities } = options
    this.lab = new Laboratory(capacities === undefined ? {} : { capacities })
    this.key = { protocol, address: VIP, port }
    this.#forwarding = forwarding
    this.#serverPort = options.serverPort ?? port
    this.#settings = {
      scheduler: 'rr',
      schedulerFlags: 0,
      persistenceTimeoutS: 100,
      netmask: 0xffffffff,
      onePacket: false,
      persistenceEngine: null,
      ...options,
    }
    assert.equal(this.lab.director.addService(this.key, this.#settings), null)
    if (forwarding === 'fullnat') {
      const entry = this.lab.director.find(this.key)!
      assert.equal(this.lab.director.locals.add(entry, '192.168.10.200'), null)
    }
    for (const n of [1, 2, 3]) this.lab.addServer(this.key, this.server(n), { forwarding })
  }

  server(n: number) {
    return { address: `192.168.10.${10 + n}`, port: this.#serverPort }
  }

  editService(settings: Partial<ServiceSettings>): void {
    const edited = { ...this.#settings, ...settings }
    assert.equal(this.lab.director.editService(this.key, edited), null)
  }

  edit(n: number, settings: Partial<ServerSettings>): void {
    const edited: ServerSettings = {
      forwarding: this.#forwarding,
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
      tunnel: { type: 'ipip', port: 0, checksum: 'none' },
      ...settings,
    }
    assert.equal(this.lab.director.editServer(this.key, this.server(n), edited), null)
  }

  remove(n: number): void {
    assert.equal(this.lab.director.deleteServer(this.key, this.server(n)), null)
  }

  /** Who gets a packet from this port of the client; what became of it, if nobody. */
  ask(
    port: number,
    { client = CLIENT, to = this.key.port, flags = SYN as number } = {},
  ): number | string {
    const isTcp = this.key.protocol === 'tcp'
    const from = `${client}:${port}`
    const frame = isTcp
      ? tcpFrame(from, `${VIP}:${to}`, { flags, ...OVER })
      : udpFrame(from, `${VIP}:${to}`, OVER)
    const { reason } = this.lab.send('client', frame)
    return flow.connection === NONE
      ? reasonName(reason)
      : (servers.row(flow.server).address3 & 0xff) - 10
  }

  /** Server n's answer to a port of the client. */
  answer(n: number, port: number): void {
    const from = `192.168.10.${10 + n}:${this.#serverPort}`
    const isTcp = this.key.protocol === 'tcp'
    const frame = isTcp
      ? tcpFrame(from, `${CLIENT}:${port}`, { flags: SYN | ACK, ...BACK })
      : udpFrame(from, `${CLIENT}:${port}`, BACK)
    this.lab.send('server', frame)
  }

  /** 'client virtual server state seconds', templates only. */
  get templates(): string[] {
    const text = ({ address, port }: { address: string; port: number }) => `${address}:${port}`
    return [...listConnections()]
      .filter(({ client }) => client.port === 0)
      .map(({ client, virtual, server, state, expiresS }) =>
        [text(client), text(virtual), text(server), state, Math.round(expiresS)].join(' '),
      )
      .sort()
  }

  persistent(n: number): number {
    const entry = this.lab.director.find(this.key)!
    return servers.row(entry.servers.find(({ key }) => key.address.endsWith(`1${n}`))!.row)
      .persistent
  }
}

describe('a client stays', () => {
  it('with its server, whatever the scheduler says, and is counted as one', () => {
    const service = new Persistent()
    assert.deepEqual([service.ask(1), service.ask(2), service.ask(3)], [3, 3, 3])
    assert.equal(service.ask(1, { client: '10.0.0.11' }), 2)
    assert.deepEqual([service.persistent(3), service.persistent(2)], [1, 1])
  })

  it('for as long as the service said when it first came; each new connection begins it anew', () => {
    const service = new Persistent({ protocol: 'udp' })
    service.ask(1)
    service.lab.sleep(60)
    service.editService({ persistenceTimeoutS: 10 })
    assert.equal(service.ask(2), 3)
    assert.deepEqual(service.templates, ['10.0.0.10:0 10.0.0.100:80 192.168.10.13:80 NONE 100'])
    assert.equal(service.ask(1, { client: '10.0.0.11' }), 2)
    assert.match(service.templates[1]!, / 10$/)
  })

  it('as long as a connection lives: a minute more, and another', () => {
    const service = new Persistent({ protocol: 'udp', persistenceTimeoutS: 20 })
    service.ask(1)
    service.lab.sleep(25)
    assert.match(service.templates[0]!, /NONE 55$/)
    service.lab.sleep(60)
    assert.match(service.templates[0]!, /NONE 55$/)
    // Its time is a minute from now on.
    assert.equal(service.ask(2), 3)
    assert.match(service.templates[0]!, /NONE 60$/)
    service.lab.sleep(299)
    assert.equal(service.templates.length, 1)
    service.lab.sleep(62)
    assert.deepEqual([service.templates, service.persistent(3)], [[], 0])
    assert.equal(service.ask(3), 2)
  })

  it('also when the pause was noticed by its next packet, not by the sweep', () => {
    const service = new Persistent({ protocol: 'udp', persistenceTimeoutS: 20 })
    service.ask(1)
    service.lab.sleep(25)
    assert.equal(service.ask(2), 3)
    assert.match(service.templates[0]!, /NONE 60$/)
  })

  it('with a server of weight 0, unless expire_quiescent_template', () => {
    const service = new Persistent()
    assert.equal(service.ask(1), 3)
    service.edit(3, { weight: 0 })
    assert.equal(service.ask(2), 3)
    settings.row(0).switches |= Switch.expireQuiescentTemplate
    assert.equal(service.ask(3), 2)
    assert.deepEqual(service.templates, [
      '10.0.0.10:0 10.0.0.100:65535 192.168.10.13:65535 NONE 100',
      '10.0.0.10:0 10.0.0.100:80 192.168.10.12:80 NONE 100',
    ])
  })

  it('until its server is removed; who comes back gets a template of its own', () => {
    const service = new Persistent()
    assert.equal(service.ask(1), 3)
    service.remove(3)
    assert.equal(service.ask(2), 2)
    assert.match(service.templates[0]!, /10.0.0.100:65535 192.168.10.13:65535 NONE/)
    service.lab.addServer(service.key, service.server(3), { forwarding: 'masquerade' })
    assert.equal(service.ask(3), 2)
    service.lab.sleep(161)
    assert.deepEqual(service.templates, [])
  })

  it('on its connection after TIME_WAIT, too: it is not scheduled anew', () => {
    const service = new Persistent()
    assert.equal(service.ask(1), 3)
    service.ask(1, { flags: FIN | ACK })
    assert.equal(service.ask(1), 3)
    assert.equal(service.lab.director.counts.servers, 3)
    assert.equal([...listConnections()].length, 2)
  })
})

describe('a template', () => {
  it('is of a network, as wide as the netmask says', () => {
    const service = new Persistent({ netmask: 0xffffff00 })
    assert.equal(service.ask(1), 3)
    assert.equal(service.ask(1, { client: '10.0.0.200' }), 3)
    assert.equal(service.ask(1, { client: '10.0.1.10' }), 2)
  })

  it('is assured by an established connection, or an answered datagram', () => {
    const tcp = new Persistent()
    tcp.ask(1)
    tcp.answer(3, 1)
    assert.match(tcp.templates[0]!, / NONE /)
    tcp.ask(1, { flags: ACK })
    assert.match(tcp.templates[0]!, / ASSURED /)
    const udp = new Persistent({ protocol: 'udp' })
    udp.ask(1)
    assert.match(udp.templates[0]!, / NONE /)
    udp.answer(3, 1)
    assert.match(udp.templates[0]!, / ASSURED /)
  })

  it('serves FULLNAT as it serves the others', () => {
    const service = new Persistent({ forwarding: 'fullnat', persistenceTimeoutS: 20 })
    assert.deepEqual([service.ask(1), service.ask(2)], [3, 3])
    service.ask(1, { flags: ACK })
    assert.match(service.templates[0]!, / ASSURED /)
    service.ask(1, { flags: RST })
    service.ask(2, { flags: RST })
    service.lab.sleep(21)
    service.lab.sleep(60)
    assert.deepEqual(service.templates, [])
  })

  it('of all ports keeps the port asked for, whatever the server says', () => {
    const service = new Persistent({ port: 0, serverPort: 8080 })
    assert.equal(service.ask(1, { to: 443 }), 3)
    assert.equal(service.ask(2, { to: 80 }), 3)
    const ports = [...listConnections()].map(({ server }) => server.port)
    assert.deepEqual(ports.sort(), [0, 443, 80])
  })

  it('that finds no room refuses its connection, and nothing is left of it', () => {
    const capacities = { connections: 1 + PROBES_MAX }
    const service = new Persistent({ capacities })
    let asked = 0
    while (
      service.ask(1, { client: `10.1.${asked >>> 8}.${asked & 0xff}` }) !== 'connectionTableFull'
    )
      asked++
    assert.ok(asked >= PROBES_MAX / 2 - 1, `${asked}`)
    service.lab.sleep(61)
    service.lab.sleep(100)
    assert.deepEqual([settings.row(0).connections, ...listConnections()], [0])
    assert.deepEqual(
      [1, 2, 3].map((n) => service.persistent(n)),
      [0, 0, 0],
    )
  })
})

describe('FTP', () => {
  it('has its data connections with its control connection', () => {
    const service = new Persistent({ port: 21 })
    assert.equal(service.ask(1), 3)
    assert.equal(service.ask(2, { to: 40_000 }), 3)
    assert.equal(service.ask(3, { to: 20 }), 3)
    assert.deepEqual(service.templates, ['10.0.0.10:0 10.0.0.100:0 192.168.10.13:0 NONE 100'])
    assert.equal(service.ask(4, { to: 80 }), 'noService')
  })

  it('without persistence takes only its own port', () => {
    const service = new Persistent({ port: 21, persistenceTimeoutS: 0 })
    assert.equal(service.ask(1), 3)
    assert.equal(service.ask(2, { to: 40_000 }), 'noService')
  })

  it("never takes a server's own data connection for a client's", () => {
    assert.equal(new Persistent({ port: 21 }).ask(20, { to: 40_000 }), 'notOpening')
  })
})

describe('one-packet scheduling', () => {
  it('chooses for each datagram, and keeps nothing', () => {
    const service = new Persistent({ protocol: 'udp', persistenceTimeoutS: 0, onePacket: true })
    assert.deepEqual([service.ask(1), service.ask(1), service.ask(1)], [3, 2, 1])
    assert.deepEqual([settings.row(0).connections, ...listConnections()], [0])
    const { connections, inPackets } = servers.row(flow.server)
    assert.deepEqual([connections, inPackets], [1, 1])
  })

  it('with persistence keeps the client, but no connection', () => {
    const service = new Persistent({ protocol: 'udp', onePacket: true })
    assert.deepEqual([service.ask(1), service.ask(2)], [3, 3])
    assert.equal([...listConnections()].length, 1)
    service.lab.sleep(101)
    assert.deepEqual([settings.row(0).connections, ...listConnections()], [0])
  })

  it('is refused together with FULLNAT, whose answers it would lose', () => {
    const service = new Persistent({ protocol: 'udp', forwarding: 'fullnat' })
    const { director } = service.lab
    const settings = director.find(service.key)!.settings
    const outcome = director.editService(service.key, { ...settings, onePacket: true })
    assert.equal(outcome?.errno, 'EINVAL')
  })

  it('is for datagrams: TCP keeps its connections', () => {
    const service = new Persistent({ persistenceTimeoutS: 0, onePacket: true })
    assert.deepEqual([service.ask(1), service.ask(1)], [3, 3])
  })
})
