/**
 * From destination to virtual service: exact address, protocol and port first, then FTP's service for what may be its
 * data, then port 0 of that address (ip_vs_service_find, net/netfilter/ipvs/ip_vs_ctl.c).
 */
import { u32 } from '../subset/integers.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import type { Flow } from './flow.ts'
import { foldAddress, hashAddress } from './hash.ts'
import { SERVICE_PROBES_MAX } from './limits.ts'
import { addressRoles, NONE, serviceIndex, services, settings, type Service } from './tables.ts'

export const FTP_PORT = 21
export const FTP_DATA_PORT = 20
const FIRST_UNPRIVILEGED_PORT = 1024

const slotAt = serviceIndex.cursor()
const candidateAt = services.cursor()
const settingsAt = settings.cursor()
const rolesAt = addressRoles.cursor()

/** What an address may be to us: bits of Role. */
export function rolesOf(address0: u32, address1: u32, address2: u32, address3: u32): u32 {
  const entry = rolesAt.at(foldAddress(address0, address1, address2, address3))
  return entry === null ? 0 : entry.roles
}

/** Row of the service that `flow` is addressed to, or NONE. */
export function findService(flow: Flow): u32 {
  const common = settingsAt.at(0)
  if (common === null) return NONE
  const exact: u32 = findServicePort(
    flow,
    flow.destinationPort,
    common.hashSeed,
    common.serviceMask,
  )
  if (exact !== NONE) return exact
  if (common.ftpServices !== 0 && isFtpData(flow)) {
    const ftp: u32 = findServicePort(flow, FTP_PORT, common.hashSeed, common.serviceMask)
    if (ftp !== NONE) return ftp
  }
  if (common.portZeroServices === 0) return NONE
  return findServicePort(flow, 0, common.hashSeed, common.serviceMask)
}

/** May this be one of FTP's data connections? Its control connection's service takes them. */
function isFtpData(flow: Flow): boolean {
  if (flow.protocol !== Protocol.tcp) return false
  return flow.destinationPort === FTP_DATA_PORT || flow.destinationPort >= FIRST_UNPRIVILEGED_PORT
}

function findServicePort(flow: Flow, port: u32, seed: u32, mask: u32): u32 {
  const hash: u32 = hashService(
    seed,
    flow.destination0,
    flow.destination1,
    flow.destination2,
    flow.destination3,
    port,
    flow.protocol,
  )
  for (let i: u32 = 0; i < SERVICE_PROBES_MAX; i++) {
    const slot = slotAt.at(u32((hash + i) & mask))
    if (slot === null || slot.service === 0) return NONE
    if (slot.service === NONE) continue // was removed; the probe goes on
    const row: u32 = u32(slot.service - 1)
    const service = candidateAt.at(row)
    if (service !== null && isAddressedTo(service, flow, port)) return row
  }
  return NONE
}

function isAddressedTo(service: Service, flow: Flow, port: u32): boolean {
  return (
    service.address3 === flow.destination3 &&
    service.port === port &&
    service.protocol === flow.protocol &&
    service.address2 === flow.destination2 &&
    service.address1 === flow.destination1 &&
    service.address0 === flow.destination0
  )
}

/** Where the search for a service begins; the control plane enters services by the same. */
export function hashService(
  seed: u32,
  address0: u32,
  address1: u32,
  address2: u32,
  address3: u32,
  port: u32,
  protocol: u32,
): u32 {
  return hashAddress(seed, address0, address1, address2, address3, u32((port << 8) | protocol))
}
