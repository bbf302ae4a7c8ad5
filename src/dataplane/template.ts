/**
 * Templates: persistence (`-p`) keeps a client, or a network of clients, with its real server.
 *
 * A template is a line of the connection table that no packet finds by itself (ip_vs_sched_persist, ip_vs_ct_in_get,
 * ip_vs_check_template; net/netfilter/ipvs/ip_vs_core.c, ip_vs_conn.c):
 *
 *                        protocol  client            virtual side       every connection of the client to
 *   a port, a range      its own   network : 0       VIP : first port   this port, these ports
 *   port 0, FTP          its own   network : 0       VIP : 0            the address
 *   a firewall mark      0         network : 0       mark : 0           whatever has the mark
 *
 * With the persistence engine sip the number of the call stands in the place of the client's port (call.ts): each has
 * a template of its own.
 *
 * Its time begins anew with each connection opened by it. One that is over while connections it opened still live
 * (`binding` counts them) goes on for TEMPLATE_REST_S at a time. One whose server cannot be had any more is moved to
 * port 65535, where nobody looks.
 *
 * Only the control plane ends a template: it writes DEAD in the place of a count of 0, and frees the line a pass later.
 */
import { isAtOrAfter, u16, u32 } from '../subset/integers.ts'
import { now, TICKS_PER_SECOND } from '../subset/clock.ts'
import { row, type ViewOf } from '../subset/struct.ts'
import { call } from './call.ts'
import { BUSY, claimLine, forwardingOf, hashClient, isAvailable } from './connection.ts'
import type { Flow } from './flow.ts'
import { PROBES_MAX, STATUS_TRIES_MAX } from './limits.ts'
import { findLocalTemplate } from './local-port.ts'
import { FTP_PORT } from './service.ts'
import { Switch } from './switch.ts'
import {
  connections,
  Forwarding,
  NONE,
  servers,
  settings,
  Status,
  type Connection,
  type Server,
  type Service,
} from './tables.ts'
import { TEMPLATE_REST_S } from './timeout.ts'

/** State of a template whose client has shown that it is there: IP_VS_CTPL_S_ASSURED. */
export const TEMPLATE_ASSURED = 1
/** `binding` of a template that is no more. */
export const DEAD = 0x80000000
/** Virtual port of a template that nobody shall find. */
export const NOWHERE = 0xffff

const REST_TICKS = TEMPLATE_REST_S * TICKS_PER_SECOND
const TEMPLATE_MASK = Status.protocolMask | Status.template | Status.ended

/** Of the template that a flow asks for. */
const Key = row('templateKey', {
  client0: 'u32',
  client1: 'u32',
  client2: 'u32',
  client3: 'u32',
  virtual0: 'u32',
  virtual1: 'u32',
  virtual2: 'u32',
  virtual3: 'u32',
  hash: 'u32',
  virtualPort: 'u16',
  protocol: 'u8',
  spare0: 'u8',
  clientPort: 'u16',
  spare1: 'u16',
})
type Key = ViewOf<typeof Key>

const key = Key.local()
const keySettingsAt = settings.cursor()
const knownAt = connections.cursor()
const knownServerAt = servers.cursor()
const candidateAt = connections.cursor()
const findSettingsAt = settings.cursor()
const insertedAt = connections.cursor()
const insertSettingsAt = settings.cursor()
const heldAt = connections.cursor()
const releasedAt = connections.cursor()
const assuredAt = connections.cursor()

/**
 * The server that a persistent service's template has for this client, and the template into `flow.template`; NONE:
 * there is none that still holds. `storeTemplate` makes the one that was looked for.
 */
export function recallServer(service: Service, flow: Flow): u32 {
  const common = keySettingsAt.at(0)
  if (common === null) return NONE
  writeKey(service, flow, common.hashSeed)
  const found: u32 = findTemplate()
  const line = knownAt.at(found)
  if (line === null) return NONE
  const server = knownServerAt.at(line.server)
  const expiresQuiescent: boolean = (common.switches & Switch.expireQuiescentTemplate) !== 0
  if (server === null || !isAvailable(server) || (expiresQuiescent && server.weight === 0)) {
    line.virtualPort = NOWHERE
    return NONE
  }
  flow.template = found
  return line.server
}

function writeKey(service: Service, flow: Flow, seed: u32): void {
  const isMarked: boolean = service.firewallMark !== 0
  const isOfPort: boolean = flow.destinationPort === service.port || service.lastPort !== 0
  const hasPort: boolean = isOfPort && service.port !== FTP_PORT
  if (flow.family === 4) {
    key.client0 = 0
    key.client1 = 0
    key.client2 = 0xffff
    key.client3 = u32(flow.source3 & service.netmask)
  } else {
    key.client0 = u32(flow.source0 & prefixWord(service.netmask, 0))
    key.client1 = u32(flow.source1 & prefixWord(service.netmask, 32))
    key.client2 = u32(flow.source2 & prefixWord(service.netmask, 64))
    key.client3 = u32(flow.source3 & prefixWord(service.netmask, 96))
  }
  key.virtual0 = flow.destination0
  key.virtual1 = flow.destination1
  key.virtual2 = flow.destination2
  key.virtual3 = flow.destination3
  key.virtualPort = hasPort ? service.port : 0
  key.protocol = flow.protocol
  if (isMarked) {
    // IPv4: 0.0.0.MARK; IPv6: MARK in the first word.
    key.virtual0 = flow.family === 4 ? 0 : service.firewallMark
    key.virtual1 = 0
    key.virtual2 = flow.family === 4 ? 0xffff : 0
    key.virtual3 = flow.family === 4 ? service.firewallMark : 0
    key.virtualPort = 0
    key.protocol = 0
  }
  // With the engine sip: which call.
  key.clientPort = u16(call.row)
  key.hash = hashClient(
    seed,
    key.client0,
    key.client1,
    key.client2,
    key.client3,
    key.clientPort,
    key.protocol,
  )
}

/** The word of a prefix of `bits` bits that begins at bit `first`. */
function prefixWord(bits: u32, first: u32): u32 {
  if (bits <= first) return 0
  if (bits - first >= 32) return 0xffffffff
  return u32(0xffffffff << ((32 - (bits - first)) & 31))
}

function findTemplate(): u32 {
  const common = findSettingsAt.at(0)
  if (common === null) return NONE
  const home: u32 = u32(key.hash & common.connectionMask)
  let reach: u32 = 0
  for (let i: u32 = 0; i < PROBES_MAX; i++) {
    if (i > reach) break
    const line = candidateAt.at(home + i)
    if (line === null) break
    if (i === 0) reach = line.reach & 0xff
    if (line.owner === key.hash && isSought(line)) return u32(home + i)
  }
  return NONE
}

function isSought(line: Connection): boolean {
  return (
    (line.status & TEMPLATE_MASK) === (Status.template | key.protocol) &&
    line.client3 === key.client3 &&
    line.virtual3 === key.virtual3 &&
    line.virtualPort === key.virtualPort &&
    line.client2 === key.client2 &&
    line.virtual2 === key.virtual2 &&
    line.client1 === key.client1 &&
    line.virtual1 === key.virtual1 &&
    line.client0 === key.client0 &&
    line.virtual0 === key.virtual0 &&
    line.clientPort === key.clientPort &&
    isTemplateAlive(line)
  )
}

/** One that is over is not, as long as a connection that it opened lives. */
export function isTemplateAlive(line: Connection): boolean {
  const controlled: u32 = line.binding
  if (controlled >= DEAD) return false
  return controlled !== 0 || !isAtOrAfter(now(), line.expires)
}

/**
 * Makes the template that `recallServer` did not find, for row `serverIndex`, and notes it in `flow.template`. False:
 * there is no room for it.
 */
export function storeTemplate(
  service: Service,
  flow: Flow,
  serverIndex: u32,
  server: Server,
): boolean {
  const common = insertSettingsAt.at(0)
  if (common === null || common.connections >= common.connectionsMax) return false
  const row: u32 = claimLine(key.hash)
  const line = insertedAt.at(row)
  if (line === null) return false
  line.client0 = key.client0
  line.client1 = key.client1
  line.client2 = key.client2
  line.client3 = key.client3
  line.virtual0 = key.virtual0
  line.virtual1 = key.virtual1
  line.virtual2 = key.virtual2
  line.virtual3 = key.virtual3
  line.clientPort = key.clientPort
  line.virtualPort = key.virtualPort
  line.server = serverIndex
  line.status = Status.template | key.protocol
  line.expires = u32(now() + service.persistence)
  line.binding = 0
  line.clientHop = service.persistence
  line.swapOwner(BUSY, key.hash) // an atomic step: what stands above is seen before
  common.addConnections(1)
  server.addPersistent(1)
  flow.template = row
  return true
}

/** One more connection is controlled by template `index`, whose time begins anew. False: it has just ended. */
export function holdTemplate(index: u32): boolean {
  const line = heldAt.at(index)
  if (line === null) return false
  const was: u32 = line.addBinding(1)
  if (was >= DEAD) {
    line.addBinding(NONE)
    return false
  }
  if (isAtOrAfter(now(), line.expires)) line.clientHop = REST_TICKS
  line.expires = u32(now() + line.clientHop)
  return true
}

/** One less. */
export function releaseTemplate(index: u32): void {
  const line = releasedAt.at(index)
  if (line !== null) line.addBinding(NONE)
}

/** The template that controls the connection on line `connection`, or NONE. */
export function templateOf(connection: u32, line: Connection): u32 {
  if ((line.status & Status.controlled) === 0) return NONE
  if (forwardingOf(line) === Forwarding.fullnat) return findLocalTemplate(connection, line)
  return u32(line.binding - 1)
}

/** The connection's client has been heard of by both sides, or answered: its template, if it has one, shows it. */
export function assureTemplate(connection: u32, line: Connection): void {
  if ((line.status & Status.controlled) !== 0) markAssured(connection, line)
}

/** @apart */
function markAssured(connection: u32, line: Connection): void {
  const template = assuredAt.at(templateOf(connection, line))
  if (template === null) return
  for (let i: u32 = 0; i < STATUS_TRIES_MAX; i++) {
    const was: u32 = template.status
    const state: u32 = TEMPLATE_ASSURED << Status.stateShift
    if ((was & state) !== 0 || (was & Status.template) === 0) return
    if (template.swapStatus(was, u32(was | state))) return
  }
}
