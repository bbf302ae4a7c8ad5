/**
 * One virtual service with real servers 1, 2, 3… in the golden laboratory, and the question of all schedulers' tests:
 * who gets the next flows?
 */
import assert from 'node:assert/strict'
import { ipToWords } from '../../src/base/ip.ts'
import { clearFlow, Flow } from '../../src/dataplane/flow.ts'
import { flow } from '../../src/dataplane/main.ts'
import { pickServer } from '../../src/dataplane/schedule.ts'
import { NONE, servers, services, type Server } from '../../src/dataplane/tables.ts'
import type { Outcome } from '../../src/director/model.ts'
import type { ServerKey, ServerSettings, ServiceKey } from '../../src/director/model.ts'
import { tcpFrame } from '../../src/wire/flow.ts'
import { TcpFlag } from '../../src/wire/tcp.ts'
import { DIRECTOR_MAC, Laboratory, type LaboratoryOptions } from '../goldens/laboratory.ts'

const OVER = { destinationMac: DIRECTOR_MAC.client }

const DEFAULTS: ServerSettings = {
  forwarding: 'direct',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnel: { type: 'ipip', port: 0, checksum: 'none' },
}

export interface ServiceOptions {
  /** 1: fallback, 2: port. */
  readonly flags?: number
  readonly port?: number
  readonly family?: 4 | 6
  readonly laboratory?: LaboratoryOptions
}

export class OneService {
  readonly lab: Laboratory
  readonly key: Extract<ServiceKey, { readonly port: number }>
  readonly #scheduler: string
  readonly #flags: number
  #clients = 0

  /** Servers 1, 2, … are added in this order, with these weights. */
  constructor(scheduler: string, weights: readonly number[], options: ServiceOptions = {}) {
    const { flags = 0, port = 80, family = 4 } = options
    this.lab = new Laboratory(options.laboratory)
    const address = family === 4 ? '10.0.0.100' : '2001:db8:a::100'
    this.key = { protocol: 'tcp', address, port }
    this.#scheduler = scheduler
    this.#flags = flags
    accept(this.lab.director.addService(this.key, this.#settings(scheduler)))
    weights.forEach((weight, i) => this.add(i + 1, { weight }))
  }

  #settings(scheduler: string) {
    return {
      scheduler,
      schedulerFlags: this.#flags,
      persistenceTimeoutS: 0,
      netmask: this.key.address.includes(':') ? 128 : 0xffffffff,
      onePacket: false,
      persistenceEngine: null,
    }
  }

  /** `ipvsadm -E`. */
  editService(scheduler = this.#scheduler): void {
    accept(this.lab.director.editService(this.key, this.#settings(scheduler)))
  }

  add(n: number, settings: Partial<ServerSettings> = {}): void {
    accept(this.lab.director.addServer(this.key, this.#server(n), { ...DEFAULTS, ...settings }))
  }

  edit(n: number, settings: Partial<ServerSettings>): void {
    accept(this.lab.director.editServer(this.key, this.#server(n), { ...DEFAULTS, ...settings }))
  }

  remove(n: number): void {
    accept(this.lab.director.deleteServer(this.key, this.#server(n)))
  }

  #server(n: number): ServerKey {
    const address = this.key.address.includes(':')
      ? `2001:db8:b::${10 + n}`
      : `192.168.10.${10 + n}`
    return { address, port: 80 }
  }

  /** Active and inactive connections of server n. */
  counts(n: number): [active: number, inactive: number] {
    const { active, inactive } = this.serverRow(n)
    return [active, inactive]
  }

  isOverloaded(n: number): boolean {
    return this.serverRow(n).overloaded !== 0
  }

  /** The row of server n, to be written at will. */
  serverRow(n: number): Server {
    const { address } = this.#server(n)
    const entry = this.lab.director
      .find(this.key)!
      .servers.find(({ key }) => key.address === address)
    return servers.row(entry!.row)
  }

  /** Whom does the scheduler choose for a flow to this address, whatever the service's? No connection is opened. */
  choose(destination: string): number | null {
    const asked = Flow.local()
    clearFlow(asked)
    asked.service = this.#row
    asked.family = destination.includes(':') ? 6 : 4
    ;[asked.destination0, asked.destination1, asked.destination2, asked.destination3] =
      ipToWords(destination)
    return numberOf(pickServer(services.row(this.#row), asked))
  }

  get #row(): number {
    return this.lab.director.find(this.key)!.row
  }

  /** Who gets a SYN of this client, '10.0.0.10:40000'? Null: nobody. */
  open(client: string): number | null {
    return this.#send(client, TcpFlag.syn)
  }

  /** As `open`, and the client goes on: an active connection in any state. */
  establish(client: string): number | null {
    const server = this.open(client)
    if (server !== null) this.#send(client, TcpFlag.ack)
    return server
  }

  /** Its client resets a connection, which then ends in 10 s. */
  reset(client: string): void {
    this.#send(client, TcpFlag.rst)
  }

  /** Who gets the next `count` flows, each of another client: '321-', - for nobody. They stay open. */
  openNext(count: number): string {
    const choices = Array.from({ length: count }, () => this.open(this.nextClient()))
    return choices.map((server) => server ?? '-').join('')
  }

  /** A client that has not asked yet. */
  nextClient(): string {
    const i = this.#clients++
    const host = i % 60_000
    return this.key.address.includes(':')
      ? `[2001:db8:c::${host.toString(16)}]:${1024 + Math.floor(i / 60_000)}`
      : `172.16.${host >>> 8}.${host & 0xff}:${1024 + Math.floor(i / 60_000)}`
  }

  #send(client: string, flags: number): number | null {
    const { address, port } = this.key
    const virtual = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
    this.lab.send('client', tcpFrame(client, virtual, { flags, over: OVER }))
    return numberOf(flow.server)
  }
}

function numberOf(row: number): number | null {
  if (row === NONE) return null
  const { address3, family } = servers.row(row)
  // The last group of an IPv6 address is read as written: ::11 is server 1.
  return (family === 4 ? address3 & 0xff : Number((address3 & 0xffff).toString(16))) - 10
}

function accept(outcome: Outcome): void {
  assert.equal(outcome, null)
}
