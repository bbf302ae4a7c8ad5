/**
 * FULLNAT's local ports: one chosen for each new connection, and the way back from a server's answer.
 *
 * A reply to (LIP, local port) does not carry the client, so each FULLNAT connection has a second entry here, under
 * (protocol, RIP, RPORT, LIP, local port). Because the real server is part of the key, one local port serves every
 * server at once: a local address is good for 60 536 connections to each (Taobao's pool, ip_vs_laddr.c, gave it
 * 60 536 in all). Ports are walked in a circle per server, so that one rests as long as possible before it is
 * used again.
 *
 * Probing, `owner` and `reach` are as in connection.ts.
 */
import { div, isAtOrAfter, modulo, u32 } from '../subset/integers.ts'
import { now } from '../subset/clock.ts'
import { BUSY, isFromServer, serverPortOf } from './connection.ts'
import type { Flow } from './flow.ts'
import { hashAddress, mix } from './hash.ts'
import { LOCAL_PORT_FIRST, LOCAL_PORT_LAST, LOCAL_PORT_TRIES_MAX, PROBES_MAX } from './limits.ts'
import { poolWord } from './pool.ts'
import {
  connections,
  Forwarding,
  localPorts,
  locals,
  NONE,
  servers,
  settings,
  Status,
  type Connection,
  type Local,
  type Server,
  type Service,
} from './tables.ts'

const LOCAL_PORTS = LOCAL_PORT_LAST - LOCAL_PORT_FIRST + 1

const entryAt = localPorts.cursor()
const takenAt = localPorts.cursor()
const freeAt = localPorts.cursor()
const homeAt = localPorts.cursor()
const releasedAt = localPorts.cursor()
const lineAt = connections.cursor()
const takenLineAt = connections.cursor()
const takenServerAt = servers.cursor()
const serverAt = servers.cursor()
const localAt = locals.cursor()
const chosenLocalAt = locals.cursor()
const exhaustedLocalAt = locals.cursor()
const freedLocalAt = locals.cursor()
const settingsAt = settings.cursor()
const bindSettingsAt = settings.cursor()
const soughtAt = localPorts.cursor()
const soughtLocalAt = locals.cursor()
const soughtSettingsAt = settings.cursor()
const assuredAt = localPorts.cursor()
const assuredServerAt = servers.cursor()

const FULLNAT = Forwarding.fullnat << Status.forwardingShift
const REPLY_MASK = Status.protocolMask | Status.forwardingMask | Status.template | Status.ended

function hashLocal(
  seed: u32,
  server: Server,
  serverPort: u32,
  local: Local,
  localPort: u32,
  protocol: u32,
): u32 {
  return hashReply(
    seed,
    u32(server.address0 ^ server.address1 ^ server.address2 ^ server.address3),
    serverPort,
    local.address0,
    local.address1,
    local.address2,
    local.address3,
    localPort,
    protocol,
  )
}

function hashReply(
  seed: u32,
  serverFold: u32,
  serverPort: u32,
  local0: u32,
  local1: u32,
  local2: u32,
  local3: u32,
  localPort: u32,
  protocol: u32,
): u32 {
  const ports: u32 = mix(mix(seed, u32((serverPort << 16) | localPort)), serverFold)
  const hash: u32 = hashAddress(ports, local0, local1, local2, local3, protocol)
  return hash < 2 ? u32(hash + 2) : hash
}

/** The line of the FULLNAT connection whose answer this is, or NONE. */
export function findLocalReply(flow: Flow): u32 {
  const common = settingsAt.at(0)
  if (common === null) return NONE
  const hash: u32 = hashReply(
    common.hashSeed,
    u32(flow.source0 ^ flow.source1 ^ flow.source2 ^ flow.source3),
    flow.sourcePort,
    flow.destination0,
    flow.destination1,
    flow.destination2,
    flow.destination3,
    flow.destinationPort,
    flow.protocol,
  )
  const home: u32 = u32(hash & common.localPortMask)
  let reach: u32 = 0
  for (let i: u32 = 0; i < PROBES_MAX; i++) {
    if (i > reach) break
    const entry = entryAt.at(home + i)
    if (entry === null) break
    if (i === 0) reach = entry.reach & 0xff
    if (entry.owner === hash && isReplyOf(entry.connection, flow)) return entry.connection
  }
  return NONE
}

function isReplyOf(connection: u32, flow: Flow): boolean {
  const line = lineAt.at(connection)
  if (line === null || line.owner < 2) return false
  if (line.binding >>> 16 !== flow.destinationPort) return false
  if ((line.status & REPLY_MASK) !== (FULLNAT | flow.protocol)) return false
  if (isAtOrAfter(now(), line.expires)) return false
  const local = localAt.at(localRowOf(line))
  const server = serverAt.at(line.server)
  if (local === null || server === null) return false
  return (
    local.address3 === flow.destination3 &&
    local.address2 === flow.destination2 &&
    local.address1 === flow.destination1 &&
    local.address0 === flow.destination0 &&
    isFromServer(server, line, flow)
  )
}

/**
 * Gives a new connection a local address of `service` and a port that nothing else uses towards its server.
 * `template`: the line of what controls it, or NONE. False: none of LOCAL_PORT_TRIES_MAX tries found one free.
 *
 * @apart
 */
export function bindLocalPort(
  service: Service,
  server: Server,
  connection: u32,
  line: Connection,
  template: u32,
): boolean {
  const common = bindSettingsAt.at(0)
  const count: u32 = service.locals === 0 ? 0 : poolWord(service.locals)
  if (common === null || count === 0) return false
  const serverPort: u32 = serverPortOf(server, line)
  const protocol: u32 = line.status & Status.protocolMask
  for (let i: u32 = 0; i < LOCAL_PORT_TRIES_MAX; i++) {
    const turn: u32 = server.addNextLocal(1)
    const row: u32 = poolWord(u32(service.locals + 1 + modulo(turn, count)))
    const port: u32 = LOCAL_PORT_FIRST + (div(turn, count) % LOCAL_PORTS)
    const local = chosenLocalAt.at(row)
    if (local === null) return false
    const hash: u32 = hashLocal(common.hashSeed, server, serverPort, local, port, protocol)
    const home: u32 = u32(hash & common.localPortMask)
    if (isTaken(home, hash, row, port, server, line)) continue
    // The line's own field first: whoever finds the entry checks it.
    line.binding = u32((port << 16) | row)
    if (!insertEntry(home, hash, connection, template)) continue
    local.addConnections(1)
    return true
  }
  line.binding = 0
  countExhausted(service)
  return false
}

function countExhausted(service: Service): void {
  const local = exhaustedLocalAt.at(poolWord(u32(service.locals + 1)))
  if (local !== null) local.addExhausted(1)
}

/** Does another connection to the same server use this local address and port already? */
function isTaken(
  home: u32,
  hash: u32,
  row: u32,
  port: u32,
  server: Server,
  line: Connection,
): boolean {
  let reach: u32 = 0
  for (let i: u32 = 0; i < PROBES_MAX; i++) {
    if (i > reach) return false
    const entry = takenAt.at(home + i)
    if (entry === null) return true
    if (i === 0) reach = entry.reach & 0xff
    if (entry.owner !== hash) continue
    const other = takenLineAt.at(entry.connection)
    if (other === null || other.owner < 2) continue
    if (other.binding !== u32((port << 16) | row)) continue
    if ((other.status & Status.protocolMask) !== (line.status & Status.protocolMask)) continue
    const peer = takenServerAt.at(other.server)
    if (peer === null || isSameServer(peer, other, server, line)) return true
  }
  return false
}

/** Two rows, of two services perhaps, may stand for one address and port. */
function isSameServer(a: Server, lineA: Connection, b: Server, lineB: Connection): boolean {
  return (
    serverPortOf(a, lineA) === serverPortOf(b, lineB) &&
    a.address3 === b.address3 &&
    a.address2 === b.address2 &&
    a.address1 === b.address1 &&
    a.address0 === b.address0
  )
}

function insertEntry(home: u32, hash: u32, connection: u32, template: u32): boolean {
  for (let i: u32 = 0; i < PROBES_MAX; i++) {
    const entry = freeAt.at(home + i)
    if (entry === null) return false
    if (entry.owner !== 0 || !entry.swapOwner(0, BUSY)) continue
    entry.connection = connection
    entry.template = u32(template + 1)
    extendReach(home, i)
    entry.swapOwner(BUSY, hash) // an atomic step: what stands above is seen before
    return true
  }
  return false
}

function extendReach(home: u32, distance: u32): void {
  if (distance === 0) return
  const entry = homeAt.at(home)
  if (entry === null) return
  for (let i: u32 = 0; i < PROBES_MAX; i++) {
    const was: u32 = entry.reach
    const reach: u32 = (was & 0xff) < distance ? distance : was & 0xff
    if (entry.swapReach(was, u32((u32(was & 0xffffff00) + 0x100) | reach))) return
  }
}

/**
 * Gives a FULLNAT connection's local port back; before its line is freed. The template that controls it, or NONE.
 *
 * @apart
 */
export function releaseLocalPort(connection: u32, line: Connection, server: Server): u32 {
  const local = freedLocalAt.at(localRowOf(line))
  const place: u32 = findEntry(connection, line, server)
  const entry = releasedAt.at(place)
  if (local === null || entry === null) return NONE
  const template: u32 = u32(entry.template - 1)
  entry.owner = 0
  local.addConnections(NONE)
  return template
}

/** The template that controls the FULLNAT connection on line `connection`, or NONE. */
export function findLocalTemplate(connection: u32, line: Connection): u32 {
  const server = assuredServerAt.at(line.server)
  if (server === null) return NONE
  const entry = assuredAt.at(findEntry(connection, line, server))
  return entry === null ? NONE : u32(entry.template - 1)
}

/** Where the entry of the connection on line `connection` stands, or NONE. */
function findEntry(connection: u32, line: Connection, server: Server): u32 {
  const common = soughtSettingsAt.at(0)
  const local = soughtLocalAt.at(localRowOf(line))
  const port: u32 = line.binding >>> 16
  if (common === null || local === null || port === 0) return NONE
  const protocol: u32 = line.status & Status.protocolMask
  const hash: u32 = hashLocal(
    common.hashSeed,
    server,
    serverPortOf(server, line),
    local,
    port,
    protocol,
  )
  const home: u32 = u32(hash & common.localPortMask)
  for (let i: u32 = 0; i < PROBES_MAX; i++) {
    const entry = soughtAt.at(home + i)
    if (entry === null) return NONE
    if (entry.owner === hash && entry.connection === connection) return u32(home + i)
  }
  return NONE
}

/** The row in `locals` of a FULLNAT connection's address. */
export function localRowOf(line: Connection): u32 {
  return line.binding & 0xffff
}
