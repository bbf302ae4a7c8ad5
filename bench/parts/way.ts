/**
 * One way through a director: a generator in one namespace, the director in a second, a sink in a third, cables
 * between. What arrives at the sink is counted and dropped, nobody answers.
 *
 *   generator ── net1 ── director, with the VIP ── net2 ── sink
 */
import { readFileSync } from 'node:fs'
import { getLink } from '../../src/kernel/netlink/link.ts'
import { replaceNeighbour } from '../../src/kernel/netlink/neighbour.ts'
import type { Host } from '../../src/lab/host.ts'
import type { Lan } from '../../src/lab/lan.ts'

export const VIP = '10.1.0.100'
export const SERVER = '10.2.0.11'
export const PORT = 5000
/** USER_HZ, of /proc/PID/stat. */
const TICKS_A_SECOND = 100

export interface ForwardingSite {
  readonly generator: Host
  readonly director: Host
  readonly sink: Host
}

/** Seconds of CPU, user and system, that a process has taken; of none, 0. */
export function cpuOf(pid: number | undefined): number {
  if (pid === undefined) return 0
  const [user, system] = timesOf(pid)
  return user! + system!
}

/** The same of programs that this one started and that have ended. */
export function cpuOfChildren(): number {
  const [, , user, system] = timesOf('self')
  return user! + system!
}

function timesOf(pid: number | 'self'): number[] {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return fields.slice(11, 15).map((ticks) => Number(ticks) / TICKS_A_SECOND)
}

export function forwardingSite(lan: Lan): ForwardingSite {
  for (const network of ['net1', 'net2']) lan.addNetwork(network)
  const site = {
    generator: lan.addHost('generator'),
    director: lan.addHost('director'),
    sink: lan.addHost('sink'),
  }
  lan.plug(site.generator, 'net1')
  lan.plug(site.director, 'net1')
  lan.plug(site.director, 'net2')
  lan.plug(site.sink, 'net2')
  site.director.addAddress('net1', '10.1.0.1', 24)
  site.director.addAddress('net1', VIP, 32)
  site.director.addAddress('net2', '10.2.0.1', 24)
  site.director.set('net.ipv4.ip_forward', 1)
  // The sink has no address.
  const mac = getLink(site.sink.socket, 'net2')!.mac!
  const interfaceIndex = site.director.indexOf('net2')
  replaceNeighbour(site.director.socket, { interfaceIndex, ip: SERVER, mac })
  return site
}
