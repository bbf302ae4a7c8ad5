/**
 * Builds the laboratory of a mode: networks, hosts, addresses and routes, and on the director what an operator adds,
 * the VIP and FULLNAT's local addresses. Processes are not started here.
 */
import type { Host } from './host.ts'
import type { Lan } from './lan.ts'
import { BITS, type HostPlan, type Mode } from './modes.ts'

/** Into an empty LAN. Whatever happens, the caller takes it down. Throws KernelError: EPERM without root. */
export function buildMode(lan: Lan, mode: Mode): void {
  const plans = [...mode.hosts, ...mode.servers]
  const networks = new Set(plans.flatMap(({ addresses }) => Object.keys(addresses)))
  for (const network of networks) lan.addNetwork(network)
  for (const plan of plans) furnish(lan, lan.addHost(plan.name), plan)
  const director = lan.host('director')
  for (const ip of [mode.vip, ...mode.locals]) director.addAddress(mode.vipNetwork, ip, 32)
}

function furnish(lan: Lan, host: Host, { addresses, gateway, isRouter }: HostPlan): void {
  for (const [network, ip] of Object.entries(addresses)) {
    lan.plug(host, network)
    host.addAddress(network, ip, BITS)
  }
  if (gateway !== undefined) host.setDefaultRoute(gateway)
  if (isRouter === true) host.set('net.ipv4.ip_forward', 1)
}
