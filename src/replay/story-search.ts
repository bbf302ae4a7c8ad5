/**
 * The first half of an explanation: whose packet it is, which connection, service and servers there were for it.
 *
 * Nothing here decides anything. The tables in use must be those from before the trial: the live ones. What the packet
 * path found stands in the trial; where it does not say what there was before, its own lookup is asked.
 */
import { ipToWords } from '../base/ip.ts'
import type { ExplainedStep } from '../control/protocol.ts'
import { findRequest } from '../dataplane/connection.ts'
import { Flow } from '../dataplane/flow.ts'
import { PoolOffset, poolWord, serverCount, serverRow } from '../dataplane/pool.ts'
import { SchedulerId } from '../dataplane/schedule.ts'
import {
  connections,
  NONE,
  Role,
  servers,
  ServiceFlag,
  services,
  type Server,
  type Service,
} from '../dataplane/tables.ts'
import { rolesOf } from '../dataplane/service.ts'
import { Reason } from '../dataplane/verdict.ts'
import { serverText } from '../director/check.ts'
import { listConnection } from '../director/listing.ts'
import { keyOfService } from '../director/service-rows.ts'
import { TICKS_PER_SECOND } from '../subset/clock.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { addressOf, nameServer, nameService } from './name.ts'
import type { Trial } from './probe.ts'
import { describeScheduler } from './scheduler-text.ts'
import { tellLocality } from './story-locality.ts'
import { tellMark } from './story-mark.ts'
import { hadTemplate, tellTemplate } from './story-template.ts'

/** Candidates told one by one; of more only their number. */
const CANDIDATES_TOLD_MAX = 32
const PORTS_TOLD_MAX = 16

/** Packet, address, connection, service, scheduler and its candidates. */
export function tellSearch(trial: Trial, interfaceName: string): ExplainedStep[] {
  const existing = connectionBefore(trial)
  return [
    tellPacket(trial, interfaceName),
    tellAddress(trial),
    ...tellMark(trial),
    ...tellConnection(trial, existing),
    ...(existing === NONE || trial.isOpened ? tellChoice(trial) : []),
  ]
}

function tellPacket({ question, before }: Trial, interfaceName: string): ExplainedStep {
  const { client, virtual, protocol } = question
  const what = { tcp: 'TCP SYN', udp: 'UDP datagram', sctp: 'SCTP INIT' }[protocol]
  const way = `from ${serverText(client)} to ${serverText(virtual)}`
  return { step: 'packet', text: `${what} ${way}, ${before.length} bytes, in by ${interfaceName}` }
}

function tellAddress({ question: { client, virtual }, isReply, mark }: Trial): ExplainedStep {
  if (isReply) {
    const text = `${client.address} is a real server's, whose answers come back through here`
    return { step: 'address', text }
  }
  const offered = servicesAt(virtual.address)
  if (offered.length > 0) {
    const text = `${virtual.address} is a virtual address, with ${offered.join('; ')}`
    return { step: 'address', text }
  }
  const [a, b, c, d] = ipToWords(virtual.address)
  if (mark !== 0) {
    const text = `${virtual.address} is no virtual address, but rules name it that give marks`
    return { step: 'address', text }
  }
  const isLocal = (rolesOf(a, b, c, d) & Role.local) !== 0
  const what = isLocal ? 'no virtual but a local address, for FULLNAT' : 'no virtual address'
  return { step: 'address', text: `${virtual.address} is ${what}` }
}

/** What an address offers: 'tcp 80, 443', 'every udp port'. */
function servicesAt(address: string): string[] {
  const ports = new Map<string, Ports[]>()
  for (let row = 0; row < services.memory.capacity; row++) {
    const service = services.row(row)
    if ((service.flags & ServiceFlag.hashed) === 0 || addressOf(service) !== address) continue
    const key = keyOfService(service)
    if ('firewallMark' in key) continue
    const { protocol, port, lastPort = port } = key
    ports.set(protocol, [...(ports.get(protocol) ?? []), [port, lastPort]])
  }
  return [...ports].map(([protocol, list]) => listPorts(protocol, list))
}

/** First and last. */
type Ports = readonly [number, number]

function listPorts(protocol: string, ports: readonly Ports[]): string {
  const inOrder = [...ports].sort(([a], [b]) => a - b)
  if (inOrder[0]![0] === 0) inOrder.push(inOrder.shift()!)
  const any = ports.length === 1 ? 'every port' : 'every other port'
  const told = inOrder.slice(0, PORTS_TOLD_MAX).map(([first, last]) => {
    if (first === 0) return any
    return first === last ? String(first) : `${first}-${last}`
  })
  const rest = inOrder.length - told.length
  return `${protocol} ${told.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

/** The connection the packet belongs to, as the packet path finds it; NONE. */
function connectionBefore({ question, isReply, connection }: Trial): number {
  if (isReply) return connection
  const flow = Flow.local()
  const { client, virtual, protocol } = question
  ;[flow.source0, flow.source1, flow.source2, flow.source3] = ipToWords(client.address)
  const destination = ipToWords(virtual.address)
  ;[flow.destination0, flow.destination1, flow.destination2, flow.destination3] = destination
  flow.sourcePort = client.port
  flow.destinationPort = virtual.port
  flow.protocol = Protocol[protocol]
  return findRequest(flow)
}

function tellConnection({ reason, isOpened, isReply }: Trial, row: number): ExplainedStep[] {
  const step = 'connection'
  if (row === NONE) {
    if (reason === Reason.notOurs) return []
    return [{ step, text: 'none is open from this client and port' }]
  }
  const { state, server, expiresS } = listConnection(connections.row(row))
  const is = `${state}, to ${serverText(server)}, for another ${Math.ceil(expiresS)} s`
  if (isOpened) return [{ step, text: `one is there (${is}), and this packet opens it anew` }]
  const whose = isReply ? 'an answer in one that is open' : 'one is open'
  return [{ step, text: `${whose} (${is}): no server needs to be chosen` }]
}

function tellChoice(trial: Trial): ExplainedStep[] {
  const { service: row, reason, question } = trial
  if (row === NONE) {
    if (reason !== Reason.noService) return []
    const { address, port } = question.virtual
    const text = `${address} has none for ${question.protocol} port ${port}, and none for every port`
    return [{ step: 'service', text }]
  }
  const service = services.row(row)
  const count = serverCount(service.pool)
  const named = `${nameService(row)}, with ${count} real server${count === 1 ? '' : 's'}`
  const scheduler = describeScheduler(poolWord(service.pool + PoolOffset.scheduler), service.flags)
  const told = [
    { step: 'service', text: `${named}${traitsOf(service)}` },
    ...tellTemplate(trial, service),
  ]
  if (hadTemplate(trial)) return told
  return [
    ...told,
    { step: 'scheduler', text: scheduler },
    ...tellLocality(row, question.virtual.address, question.virtual.port),
    ...tellCandidates(service, trial),
  ]
}

function traitsOf({ persistence, flags }: Service): string {
  const persistent = (flags & ServiceFlag.persistent) !== 0
  return (
    (persistent ? `, persistent for ${persistence / TICKS_PER_SECOND} s` : '') +
    ((flags & ServiceFlag.onePacket) !== 0 ? ', one packet a connection' : '')
  )
}

function tellCandidates({ pool }: Service, trial: Trial): ExplainedStep[] {
  const scheduler = poolWord(pool + PoolOffset.scheduler)
  const rows = [...Array(serverCount(pool)).keys()].map((position) => serverRow(pool, position))
  const told = rows.filter((row, i) => i < CANDIDATES_TOLD_MAX || row === trial.server)
  const steps = told.map((row) => {
    const name = nameServer(row, trial.question.virtual.port)
    const text = `${name}  ${describeServer(servers.row(row), scheduler, row === trial.server)}`
    return { step: 'candidate', text: row === trial.server ? `${text}: chosen` : text }
  })
  if (told.length === rows.length) return steps
  return [...steps, { step: 'candidate', text: `and ${rows.length - told.length} more` }]
}

function describeServer(server: Server, scheduler: number, isChosen: boolean): string {
  const { weight, active, inactive, overloaded, upperThreshold } = server
  const load = `weight ${weight}, ${active} active and ${inactive} inactive connections`
  if (weight === 0) return `${load}: gets no new ones, weight 0 drains`
  if (scheduler === SchedulerId.ovf && active > weight) {
    return `${load}: gets no new ones, it has more than weight`
  }
  if (overloaded === 0) return load
  // lblc's last server, which overload does not keep from it.
  if (isChosen) return `${load}, overloaded since it had ${upperThreshold}`
  return `${load}: gets no new ones, overloaded since it had ${upperThreshold}`
}
