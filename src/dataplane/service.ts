/**
 * From destination to virtual service (ip_vs_service_find, net/netfilter/ipvs/ip_vs_ctl.c): by firewall mark first;
 * then by exact address, protocol and port; then FTP's service for what may be its data; then port 0 of that address.
 *
 * Ours are ranges of ports, between FTP and port 0. A range is cut into blocks of 2^n ports that begin at a multiple
 * of 2^n, and each block stands in the index by its first port: 8000 … 8100 are blocks of 64, 32, 4 and 1. A port
 * belongs to one block of each size; sizes that no service has are not looked for.
 */
import { u32 } from '../subset/integers.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { markOf } from './classify.ts'
import type { Flow } from './flow.ts'
import { foldAddress, hashAddress } from './hash.ts'
import { PORT_BLOCK_SIZES, SERVICE_PROBES_MAX } from './limits.ts'
import { addressRoles, NONE, serviceIndex, services, settings, type Service } from './tables.ts'

export const FTP_PORT = 21
export const FTP_DATA_PORT = 20
const FIRST_UNPRIVILEGED_PORT = 1024

const slotAt = serviceIndex.cursor()
const markSlotAt = serviceIndex.cursor()
const candidateAt = services.cursor()
const markedAt = services.cursor()
const settingsAt = settings.cursor()
const blockSettingsAt = settings.cursor()
const rolesAt = addressRoles.cursor()

/** What an address may be to us: bits of Role. */
export function rolesOf(address0: u32, address1: u32, address2: u32, address3: u32): u32 {
  const entry = rolesAt.at(foldAddress(address0, address1, address2, address3))
  return entry === null ? 0 : entry.roles
}

/** Row of the service that `flow` is addressed to, or NONE. Its firewall mark into `flow.mark`. */
export function findService(flow: Flow): u32 {
  const common = settingsAt.at(0)
  if (common === null) return NONE
  const seed: u32 = common.hashSeed
  const mask: u32 = common.serviceMask
  if (common.marks !== 0) {
    flow.mark = markOf(flow, common.marks, seed)
    const marked: u32 = flow.mark === 0 ? NONE : findMarked(flow, seed, mask)
    if (marked !== NONE) return marked
  }
  const exact: u32 = findBlock(flow, flow.destinationPort, 0, seed)
  if (exact !== NONE) return exact
  if (common.ftpServices !== 0 && isFtpData(flow)) {
    const ftp: u32 = findBlock(flow, FTP_PORT, 0, seed)
    if (ftp !== NONE) return ftp
  }
  if (common.portBlocks !== 0) {
    const ranged: u32 = findRange(flow, common.portBlocks, seed)
    if (ranged !== NONE) return ranged
  }
  if (common.portZeroServices === 0) return NONE
  return findBlock(flow, 0, 0, seed)
}

/** May this be one of FTP's data connections? Its control connection's service takes them. */
function isFtpData(flow: Flow): boolean {
  if (flow.protocol !== Protocol.tcp) return false
  return flow.destinationPort === FTP_DATA_PORT || flow.destinationPort >= FIRST_UNPRIVILEGED_PORT
}

/** By the block of each size that the port belongs to. @apart */
function findRange(flow: Flow, sizes: u32, seed: u32): u32 {
  for (let bits: u32 = 0; bits < PORT_BLOCK_SIZES; bits++) {
    if (((sizes >>> bits) & 1) === 0) continue
    const first: u32 = (flow.destinationPort >>> bits) << bits
    const found: u32 = findBlock(flow, first, u32(bits + 1), seed)
    if (found !== NONE) return found
  }
  return NONE
}

/** The service on `port` (`size` 0), or that of a range with the block of 2^(`size` - 1) ports from `port` on. */
function findBlock(flow: Flow, port: u32, size: u32, seed: u32): u32 {
  const common = blockSettingsAt.at(0)
  if (common === null) return NONE
  const hash: u32 = hashService(
    seed,
    flow.destination0,
    flow.destination1,
    flow.destination2,
    flow.destination3,
    port,
    flow.protocol,
    size,
  )
  for (let i: u32 = 0; i < SERVICE_PROBES_MAX; i++) {
    const slot = slotAt.at(u32((hash + i) & common.serviceMask))
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
    service.protocol === flow.protocol &&
    service.address2 === flow.destination2 &&
    service.address1 === flow.destination1 &&
    service.address0 === flow.destination0 &&
    (service.lastPort === 0
      ? service.port === port
      : service.port <= flow.destinationPort && flow.destinationPort <= service.lastPort)
  )
}

/** The service of the flow's firewall mark and family. */
function findMarked(flow: Flow, seed: u32, mask: u32): u32 {
  const hash: u32 = hashMark(seed, flow.mark, flow.family)
  for (let i: u32 = 0; i < SERVICE_PROBES_MAX; i++) {
    const slot = markSlotAt.at(u32((hash + i) & mask))
    if (slot === null || slot.service === 0) return NONE
    if (slot.service === NONE) continue // was removed; the probe goes on
    const row: u32 = u32(slot.service - 1)
    const service = markedAt.at(row)
    if (service === null || service.firewallMark !== flow.mark) continue
    if (service.family === flow.family) return row
  }
  return NONE
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
  size: u32,
): u32 {
  const word: u32 = u32(((size & 0xff) << 24) | u32((port << 8) | protocol))
  return hashAddress(seed, address0, address1, address2, address3, word)
}

/** The same for a firewall mark: that of an IPv4 address, of a protocol that is none. */
export function hashMark(seed: u32, mark: u32, family: u32): u32 {
  return hashAddress(seed, 0, 0, 0xffff, mark, family)
}
