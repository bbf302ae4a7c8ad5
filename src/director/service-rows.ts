/**
 * Rows of `services`: written from what was asked for. Counters and the scheduler's position are the packet path's.
 */
import * as tables from '../dataplane/tables.ts'
import { serviceFamily } from './check.ts'
import { clearRow, lastPortOf, protocolOf, writeAddress } from './entries.ts'
import type { ServiceKey } from './model.ts'
import { serviceKeyOf } from './server-rows.ts'
import type { ServiceSpec } from './spec.ts'

/** A fresh row that is not in use yet: its identity. */
export function beginServiceRow(row: number, key: ServiceKey, order: number): void {
  clearServiceRow(row)
  const service = tables.services.row(row)
  service.family = serviceFamily(key)
  service.protocol = protocolOf(key)
  service.order = order
  if ('firewallMark' in key) service.firewallMark = key.firewallMark
  else {
    writeAddress(service, key.address)
    service.port = key.port
    service.lastPort = lastPortOf(key)
  }
}

/** Writes what was asked for; with `flags`, last, that the service is there. */
export function writeServiceRow(service: tables.Service, spec: ServiceSpec): void {
  service.persistence = spec.persistence
  service.netmask = spec.netmask
  service.flags = spec.flags
}

/** The row is nobody's. */
export function clearServiceRow(row: number): void {
  tables.services.row(row).flags = 0
  clearRow(tables.services, row)
}

/** Whose row it is. Throws RangeError for one that nobody can have written. */
export function keyOfService(service: tables.Service): ServiceKey {
  const { address0, address1, address2, address3, firewallMark } = service
  const { port, lastPort, protocol, family } = service
  const words = [address0, address1, address2, protocol === 0 ? firewallMark : address3] as const
  return serviceKeyOf({ words, port, lastPort, protocol, family })
}
