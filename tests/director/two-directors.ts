/**
 * Two directors without a network between them, for tests of connection synchronisation: what the scan of one finds,
 * the other learns.
 */
import assert from 'node:assert/strict'
import * as tables from '../../src/dataplane/tables.ts'
import { listConnections } from '../../src/director/listing.ts'
import type { ServerSettings, ServiceKey, ServiceSettings } from '../../src/director/model.ts'
import { recount } from '../../src/director/recount.ts'
import type { SyncLearner } from '../../src/director/sync/learner.ts'
import type { SyncScan } from '../../src/director/sync/scan.ts'
import { setSysctl, type SysctlName } from '../../src/director/sysctls.ts'
import { tcpFrame } from '../../src/wire/flow.ts'
import type { SyncRecord } from '../../src/wire/sync-message.ts'
import { TcpFlag } from '../../src/wire/tcp.ts'
import { DIRECTOR_MAC, Laboratory } from '../goldens/laboratory.ts'

export const { syn, ack, fin } = TcpFlag
export const WEB: ServiceKey = { protocol: 'tcp', address: '10.0.0.100', port: 80 }
export const DNS: ServiceKey = { protocol: 'udp', address: '10.0.0.100', port: 53 }
export const CLIENT = '10.0.0.10:40000'

export interface Servers {
  readonly service: ServiceKey
  readonly settings?: Partial<ServiceSettings>
  readonly servers: readonly (readonly [string, number, Partial<ServerSettings>?])[]
}

export function laboratory(...services: readonly Servers[]): Laboratory {
  const lab = new Laboratory()
  for (const { service, settings, servers } of services) {
    lab.addService(service, 'rr', settings)
    for (const [address, port, how] of servers) {
      lab.addServer(service, { address, port }, { forwarding: 'masquerade', ...how })
    }
  }
  return lab
}

export const ONE: Servers = { service: WEB, servers: [['192.168.10.11', 8080]] }
export const TWO: Servers = { service: WEB, servers: [...ONE.servers, ['192.168.10.12', 8080]] }

/** Client's SYN, server's answer (with masquerading), client's ACK. */
export function establish(
  lab: Laboratory,
  client = CLIENT,
  virtual = '10.0.0.100:80',
  server = '',
): void {
  lab.send('client', tcpFrame(client, virtual, { flags: syn }))
  if (server !== '') lab.send('server', answerFrame(server, client, syn | ack))
  lab.send('client', tcpFrame(client, virtual, { flags: ack }))
}

/** A segment of a real server's. */
export function answerFrame(from: string, to: string, flags: number, data = ''): Uint8Array {
  return tcpFrame(from, to, { flags, data, over: { destinationMac: DIRECTOR_MAC.server } })
}

/** Everything that the scan has to tell now. */
export function scan(lab: Laboratory, of: SyncScan): SyncRecord[] {
  lab.use()
  const records: SyncRecord[] = []
  of.run(Infinity, Infinity, (record) => records.push(record))
  return records
}

export function learn(lab: Laboratory, learner: SyncLearner, records: readonly SyncRecord[]): void {
  lab.use()
  for (const record of records) learner.take(record)
}

export function listed(lab: Laboratory) {
  lab.use()
  const all = [...listConnections()].map(({ expiresS, ...rest }) => ({ ...rest, expiresS }))
  return all.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

/** Connections of the service's servers, most recently added first: active, inactive, persistent. */
export function counts(lab: Laboratory, service: ServiceKey = WEB): number[][] {
  lab.use()
  assert.equal(
    recount(() => undefined),
    0,
    'every count is right',
  )
  return lab.director.find(service)!.servers.map(({ row }) => {
    const { active, inactive, persistent } = tables.servers.row(row)
    return [active, inactive, persistent]
  })
}

export function setSwitches(lab: Laboratory, values: Partial<Record<SysctlName, number>>): void {
  lab.use()
  for (const [name, value] of Object.entries(values)) assert.equal(setSysctl(name, value), null)
}

export function zeros(learner: SyncLearner): SyncLearner['counts'] {
  return Object.fromEntries(Object.keys(learner.counts).map((key) => [key, 0])) as never
}
