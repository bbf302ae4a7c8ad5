/**
 * Builds the laboratory of a mode: networks, hosts, addresses and routes, and on the director what an operator adds,
 * the VIP and FULLNAT's local addresses. Processes are not started here.
 */
import type { Host } from './host.ts'
import type { Lan } from './lan.ts'
import { HOST_BITS, PREFIX_BITS, type HostPlan, type Mode } from './modes.ts'

/** Into an empty LAN of the mode's family, which the caller takes down. Throws KernelError: EPERM without root. */
export function buildMode(lan: Lan, mode: Mode): void {
  const plans = [...mode.hosts, ...mode.servers]
  const networks = new Set(plans.flatMap(({ addresses }) => Object.keys(addresses)))
  for (const network of networks) lan.addNetwork(network)
  for (const plan of plans) furnish(lan, lan.addHost(plan.name), plan, mode)
  const director = lan.host('director')
  for (const ip of [mode.vip, ...mode.locals])
    director.addAddress(mode.vipNetwork, ip, HOST_BITS[mode.family])
}

function furnish(lan: Lan, host: Host, plan: HostPlan, { family }: Mode): void {
  const { addresses, gateway, isRouter } = plan
  for (const [network, ip] of Object.entries(addresses)) {
    lan.plug(host, network)
    host.addAddress(network, ip, PREFIX_BITS[family])
  }
  if (gateway !== undefined) host.setDefaultRoute(gateway)
  if (isRouter === true) host.forward()
}
