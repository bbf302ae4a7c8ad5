/**
 * From a record of connection synchronisation to the real server it names (ip_vs_find_dest, net/netfilter/ipvs).
 */
import { IpTexts } from '../../base/ip-texts.ts'
import { Protocol } from '../../wire/ip-protocol.ts'
import { SyncFlag, type SyncRecord } from '../../wire/sync-message.ts'
import { isAvailable } from '../../dataplane/connection.ts'
import { FTP_DATA_PORT, FTP_PORT } from '../../dataplane/service.ts'
import * as tables from '../../dataplane/tables.ts'
import type { Director } from '../director.ts'
import type { ServiceEntry } from '../entries.ts'
import { lastPortOf } from '../entries.ts'
import type { ServiceProtocol } from '../model.ts'

const FIRST_UNPRIVILEGED_PORT = 1024
const PROTOCOLS = new Map<number, ServiceProtocol>([
  [Protocol.tcp, 'tcp'],
  [Protocol.udp, 'udp'],
  [Protocol.sctp, 'sctp'],
])
/** Servers whose rows are remembered. */
const HINTS_MAX = 1 << 16

export class SyncServers {
  readonly #director: Director
  readonly #texts = new IpTexts()
  /** By service and server; what they say is looked at before it is believed. */
  readonly #hints = new Map<string, number>()

  constructor(director: Director) {
    this.#director = director
  }

  /** Row of the server, or NONE: it is not configured. */
  find(record: SyncRecord): number {
    const entry = this.#serviceOf(record)
    if (entry === undefined) return tables.NONE
    const { flags, firewallMark, serverPort, server } = record
    const address = this.#texts.of(server[0], server[1], server[2], server[3])
    const isMasqueraded = (flags & SyncFlag.forwarding) === tables.Forwarding.masquerade
    const ports = firewallMark !== 0 && !isMasqueraded ? [0, serverPort] : [serverPort, 0]
    for (const port of ports) {
      const found = this.#serverOf(entry, address, port)
      if (found !== tables.NONE) return found
    }
    return this.#serverOfRange(entry, record, address)
  }

  #serviceOf(record: SyncRecord): ServiceEntry | undefined {
    const { firewallMark, family, virtual, virtualPort: port } = record
    if (firewallMark !== 0) {
      const marked = this.#director.find({ firewallMark, family })
      if (marked !== undefined) return marked
    }
    const protocol = PROTOCOLS.get(record.protocol)
    if (protocol === undefined) return undefined
    const address = this.#texts.of(virtual[0], virtual[1], virtual[2], virtual[3])
    const exact = this.#director.find({ protocol, address, port })
    if (exact !== undefined) return exact
    const mayBeFtp = port === FTP_DATA_PORT || port >= FIRST_UNPRIVILEGED_PORT
    if (protocol === 'tcp' && mayBeFtp) {
      const ftp = this.#director.find({ protocol, address, port: FTP_PORT })
      if (ftp !== undefined) return ftp
    }
    const range = this.#director.ports.rangeAround(protocol, address, port)
    const ranged = range && this.#director.find({ protocol, address, ...range })
    return ranged ?? this.#director.find({ protocol, address, port: 0 })
  }

  #serverOf(entry: ServiceEntry, address: string, port: number): number {
    const hint = `${entry.row} ${port} ${address}`
    const row = this.#hints.get(hint)
    if (row !== undefined && this.#isStill(row, entry.row, address, port)) return row
    const found = entry.servers.find(({ key }) => key.port === port && key.address === address)
    if (found === undefined) return tables.NONE
    if (this.#hints.size >= HINTS_MAX) this.#hints.clear()
    this.#hints.set(hint, found.row)
    return found.row
  }

  #isStill(row: number, service: number, address: string, port: number): boolean {
    const server = tables.servers.row(row)
    if (server.service !== service || server.port !== port || !isAvailable(server)) return false
    const { address0, address1, address2, address3 } = server
    return this.#texts.of(address0, address1, address2, address3) === address
  }

  /** Ours: a server whose port is the first of its service's range gets the whole range. */
  #serverOfRange(entry: ServiceEntry, record: SyncRecord, address: string): number {
    if ('firewallMark' in entry.key || lastPortOf(entry.key) === 0) return tables.NONE
    if (record.serverPort !== record.virtualPort) return tables.NONE
    return this.#serverOf(entry, address, entry.key.port)
  }
}
