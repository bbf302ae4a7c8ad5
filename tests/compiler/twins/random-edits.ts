/**
 * What a director's operator, its routes and its neighbours do while frames come: drawn once, applied to each
 * laboratory.
 */
import { formatPrefix, parsePrefix } from '../../../src/base/ip.ts'
import { Random } from '../../../src/base/random.ts'
import { NONE, settings } from '../../../src/dataplane/tables.ts'
import type { ServerEntry, ServiceEntry } from '../../../src/director/entries.ts'
import type { Route } from '../../../src/director/hops/routes.ts'
import { listSysctls, setSysctl } from '../../../src/director/sysctls.ts'
import { writeTimeouts } from '../../../src/director/timeouts.ts'
import { INTERFACE, ROUTES, SERVERS, type Laboratory, type Side } from '../../goldens/laboratory.ts'
import { drawServer, drawServerSettings, drawService, saidOf } from './random-services.ts'
import { FURTHER as MARKED_ADDRESSES } from '../../packets/wild-services.ts'
import type { Edit } from './twins.ts'

/** A device that need not be there. */
const CUTTER = 9
/** Bytes of IP packet. */
const NARROW = 300
const MTUS = [1500, 1500, 1400, 1280, 576, NARROW, 9000]
const SYSCTL_VALUES = [0, 0, 1, 1, 2, 3]
/** Seconds, pages, rates. */
const NUMBERS = /_expiration$|^am/

/** From here on much is too long for its way to the servers, and there is a device where it can be cut. */
export function setNarrow(lab: Laboratory): void {
  lab.setMtu('server', NARROW)
  lab.hops.setTakesXdp(INTERFACE.server, true)
  settings.row(0).cutter = CUTTER
}

/** One of IPVS's sysctls is written. */
export function drawSwitch(random: Random): Edit {
  const [choice, seconds] = [random.below(1 << 16), 1 + random.below(20)]
  const flag = random.pick(SYSCTL_VALUES)
  return {
    says: `sysctl ${choice} = ${flag} or ${seconds}`,
    apply() {
      const applying = listSysctls().filter(({ value }) => value !== null)
      const { name } = applying[choice % applying.length]!
      return `${name} ${saidOf(setSysctl(name, NUMBERS.test(name) ? seconds : flag))}`
    },
  }
}

/** What is seldom set by lot, or means nothing without something else. */
function drawSpecialSwitch(random: Random): Edit {
  const [name, value] = random.pick(SPECIAL)
  const rate = 1 + random.below(6)
  return {
    says: `sysctl ${name} = ${value}, am_droprate = ${rate}`,
    apply(lab) {
      const said = [setSysctl(name, value), setSysctl('am_droprate', rate)].map(saidOf)
      if (name === 'cache_bypass') said.push(...giveWayRound(lab))
      return said.join()
    },
  }
}

/** What has a firewall mark finds no server, but a way on. */
function giveWayRound({ director, hops }: Laboratory): string[] {
  MARKED_ADDRESSES.forEach((ip) => {
    const mac = '02:00:00:00:0c:0f'
    hops.changeNeighbour({ interfaceIndex: INTERFACE.client, ip, mac, state: 'permanent' })
  })
  return [...director.services.values()]
    .filter(({ key }) => 'firewallMark' in key)
    .flatMap(({ key, servers }) => servers.map((each) => director.deleteServer(key, each.key)))
    .map(saidOf)
}

const SPECIAL = [
  ['cache_bypass', 1],
  ['cache_bypass', 1],
  ['drop_packet', 3],
  ['drop_packet', 0],
  ['nat_icmp_send', 1],
  ['schedule_icmp', 1],
  ['sloppy_tcp', 1],
  ['expire_nodest_conn', 1],
  ['expire_nodest_conn', 0],
] as const

/** Some routes are gone, and some lead elsewhere; mostly all are there again. */
function drawRoutes(random: Random): Edit {
  const left = random.oneIn(2) ? ROUTES : ROUTES.filter(() => !random.oneIn(6))
  const further = FURTHER_ROUTES.filter(() => random.oneIn(8))
  return {
    says: `${left.length} routes, further ${further.map(({ prefix }) => formatPrefix(prefix)).join()}`,
    apply: (lab) => lab.hops.apply({ routes: [...left, ...further] }).join(),
  }
}

function elsewhere(prefix: string, gateway: string, mtu?: number): Route {
  const nexthops = [{ gateway, interfaceIndex: INTERFACE.server }] as const
  const facts = { prefix: parsePrefix(prefix)!, metric: 0, preferredSource: undefined }
  return { kind: 'forward', ...facts, nexthops, mtu }
}

const FURTHER_ROUTES: readonly Route[] = [
  { kind: 'unreachable', prefix: parsePrefix('192.168.10.12/32')!, metric: 0 },
  { kind: 'unreachable', prefix: parsePrefix('2001:db8:b::12/128')!, metric: 0 },
  { kind: 'unreachable', prefix: parsePrefix('10.0.0.8/29')!, metric: 0 },
  elsewhere('203.0.113.0/24', '192.168.10.19'),
  elsewhere('192.168.10.12/31', '192.168.10.18', 900),
  elsewhere('2001:db8:b::12/127', '2001:db8:b::18', 1300),
]

/** Anything that may happen while frames come; `mayCross`: see random-services.ts. */
export function drawEdit(random: Random, mayCross: boolean): Edit {
  return random.pick(DRAWS)(random, mayCross)
}

const DRAWS: readonly ((random: Random, mayCross: boolean) => Edit)[] = [
  drawSwitch,
  drawSpecialSwitch,
  drawSpecialSwitch,
  drawRoutes,
  drawMtu,
  drawNeighbour,
  drawNeighbour,
  drawWay,
  drawCutter,
  drawTimeouts,
  drawServerEdit,
  drawServerEdit,
  drawServerAddition,
  drawServerAddition,
  drawServerRemoval,
  drawServiceReplacement,
  drawZero,
]

function drawMtu(random: Random): Edit {
  const side: Side = random.oneIn(3) ? 'client' : 'server'
  const bytes = random.pick(MTUS)
  return { says: `MTU of ${side} ${bytes}`, apply: (lab) => done(lab.setMtu(side, bytes)) }
}

function drawNeighbour(random: Random): Edit {
  const side: Side = random.oneIn(4) ? 'client' : 'server'
  const numbers = {
    client: [2, 10, 101],
    server: Array.from({ length: SERVERS }, (_, i) => 11 + i),
  }
  const number = random.pick(numbers[side])
  const four = side === 'client' ? '10.0.0.' : '192.168.10.'
  const six = side === 'client' ? '2001:db8:a::' : '2001:db8:b::'
  const ip = `${random.oneIn(2) ? four : six}${number}`
  const key = { interfaceIndex: INTERFACE[side], ip }
  if (random.oneIn(4)) {
    return { says: `forget neighbour ${ip}`, apply: (lab) => done(lab.hops.removeNeighbour(key)) }
  }
  const mac = `02:00:00:00:0c:${(16 + random.below(64)).toString(16)}`
  const state = random.pick(['permanent', 'reachable', 'stale', 'incomplete', 'failed'] as const)
  const neighbour = {
    ...key,
    mac: state === 'incomplete' || state === 'failed' ? undefined : mac,
    state,
  }
  return {
    says: `neighbour ${ip} ${state} ${mac}`,
    apply: (lab) => String(lab.hops.changeNeighbour(neighbour)),
  }
}

/** What an interface's driver can do with frames from XDP. */
function drawWay(random: Random): Edit {
  const side: Side = random.oneIn(2) ? 'client' : 'server'
  const [takes, sendsBack] = [random.oneIn(2), random.oneIn(2)]
  return {
    says: `${side} takes ${takes}, sends back ${sendsBack}`,
    apply({ hops }) {
      hops.setTakesXdp(INTERFACE[side], takes)
      return done(hops.setSendsBack(INTERFACE[side], sendsBack))
    },
  }
}

function drawCutter(random: Random): Edit {
  const cutter = random.pick([0, CUTTER, CUTTER, NONE])
  return { says: `cutter ${cutter}`, apply: () => done((settings.row(0).cutter = cutter)) }
}

function drawTimeouts(random: Random): Edit {
  const [tcp, tcpFin, udp] = [random.below(30), random.below(8), random.below(30)]
  return {
    says: `timeouts ${tcp} ${tcpFin} ${udp}`,
    apply: () => done(writeTimeouts({ tcp, tcpFin, udp })),
  }
}

/** Chosen when it is applied: which services there are depends on edits before, which may be left out. */
interface Choice {
  readonly service: number
  readonly server: number
}

function drawChoice(random: Random): Choice {
  return { service: random.below(1 << 16), server: random.below(1 << 16) }
}

function chooseService({ director }: Laboratory, choice: Choice): ServiceEntry | undefined {
  const all = [...director.services.values()]
  return all[choice.service % Math.max(1, all.length)]
}

function chooseServer(entry: ServiceEntry | undefined, choice: Choice): ServerEntry | undefined {
  return entry?.servers[choice.server % Math.max(1, entry.servers.length)]
}

function drawServerEdit(random: Random): Edit {
  const choice = drawChoice(random)
  const drawn = drawServerSettings(random, 'direct')
  return {
    says: `edit server ${JSON.stringify(choice)} ${JSON.stringify(drawn)}`,
    apply(lab) {
      const entry = chooseService(lab, choice)
      const server = chooseServer(entry, choice)
      if (entry === undefined || server === undefined) return 'nobody'
      const settings = { ...drawn, forwarding: server.settings.forwarding }
      return saidOf(lab.director.editServer(entry.key, server.key, settings))
    },
  }
}

function drawServerAddition(random: Random, mayCross: boolean): Edit {
  const choice = drawChoice(random)
  const seed = random.next32()
  return {
    says: `add to service ${JSON.stringify(choice)} a server by ${seed}`,
    apply(lab) {
      const entry = chooseService(lab, choice)
      if (entry === undefined) return 'no service'
      const method = entry.servers[0]?.settings.forwarding ?? 'direct'
      return drawServer(new Random(seed), entry.key, mayCross, method).apply(lab)
    },
  }
}

function drawServerRemoval(random: Random): Edit {
  const choice = drawChoice(random)
  return {
    says: `remove server ${JSON.stringify(choice)}`,
    apply(lab) {
      const entry = chooseService(lab, choice)
      const server = chooseServer(entry, choice)
      if (entry === undefined || server === undefined) return 'nobody'
      return saidOf(lab.director.deleteServer(entry.key, server.key))
    },
  }
}

/** Takes a service out, and puts another in its place. */
function drawServiceReplacement(random: Random, mayCross: boolean): Edit {
  const choice = drawChoice(random)
  const seed = random.next32()
  return {
    says: `replace service ${JSON.stringify(choice)} by ${seed}`,
    apply(lab) {
      const entry = chooseService(lab, choice)
      if (entry === undefined) return 'no service'
      const { key } = entry
      const removed = saidOf(lab.director.deleteService(key))
      const added = drawService(new Random(seed), key, mayCross)
      return [removed, ...added.map((each) => each.apply(lab))].join()
    },
  }
}

function drawZero(random: Random): Edit {
  const choice = drawChoice(random)
  return {
    says: `zero the counters of ${JSON.stringify(choice)}`,
    apply: (lab) => saidOf(lab.director.zero(chooseService(lab, choice)?.key)),
  }
}

/** What has nothing to say for itself. */
function done(_result: unknown): string {
  return 'done'
}
