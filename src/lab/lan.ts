/**
 * A LAN of network namespaces: hosts, and networks into which they are plugged.
 *
 *   client ──cable──┐                    Each host is a namespace `PREFIX-NAME`; so is the switch. A network is a
 *                 [net1]  a bridge       bridge in it; a cable a veth pair, whose end at the host is called like
 *   director ─────┘  └ in the switch     the network.
 *
 * Nothing of it is seen in the machine's own network. `takeDown` removes all of it, processes too, however far
 * building got; leftovers.ts does so for a lab whose process is gone.
 */
import { closeSync } from 'node:fs'
import { addLink, addVeth, changeLink } from '../kernel/netlink/link.ts'
import { openNamespace } from '../kernel/netns.ts'
import { changeOffloads } from '../kernel/packet/offload.ts'
import { Host, type Family } from './host.ts'
import { clearNamespaces } from './leftovers.ts'

const SWITCH = 'switch'

export class Lan {
  readonly prefix: string
  readonly #family: Family
  readonly #hosts = new Map<string, Host>()
  readonly #networks = new Set<string>()

  /** `prefix`: what the namespaces' names begin with; nobody else's may. All hosts speak one family of IP. */
  constructor(prefix: string, family: Family = 4) {
    this.prefix = prefix
    this.#family = family
  }

  get hosts(): readonly Host[] {
    return [...this.#hosts.values()]
  }

  /** Throws KernelError: EPERM without root, EEXIST. */
  addHost(name: string): Host {
    const host = Host.create(name, `${this.prefix}-${name}`, this.#family)
    this.#hosts.set(name, host)
    return host
  }

  /** Throws if there is none. */
  host(name: string): Host {
    const host = this.#hosts.get(name)
    if (host === undefined) throw new Error(`the lab has no host ${name}`)
    return host
  }

  addNetwork(name: string): void {
    const central = this.#hosts.get(SWITCH) ?? this.#addSwitch()
    addLink(central.socket, 'bridge', { name })
    central.raise(name)
    this.#networks.add(name)
  }

  /** It only passes frames on. */
  #addSwitch(): Host {
    const host = Host.create(SWITCH, `${this.prefix}-${SWITCH}`, undefined)
    this.#hosts.set(SWITCH, host)
    return host
  }

  /** Gives the host an interface, called like the network, in the network. */
  plug(host: Host, network: string): void {
    const central = this.host(SWITCH)
    const port = `${host.name}-${network}`
    const namespace = openNamespace(host.namespace)
    try {
      addVeth(central.socket, { name: port }, { name: network, namespace })
    } finally {
      closeSync(namespace)
    }
    changeLink(central.socket, central.indexOf(port), { master: central.indexOf(network) })
    central.raise(port)
    host.raise(network)
  }

  /**
   * Makes the far end of the host's cable fit for XDP on this one: it sends frames with whole checksums, and perhaps
   * takes frames that XDP sends (veth does so where GRO is on).
   */
  readyForXdp(hostName: string, network: string, takesXdp = true): void {
    const port = `${hostName}-${network}`
    changeOffloads(this.host(SWITCH).socket, port, { txChecksum: false, gro: takesXdp })
  }

  /** Ends every process in the lab and removes its namespaces, and with them all interfaces. Twice is harmless. */
  takeDown(): void {
    for (const host of this.#hosts.values()) host.close()
    this.#hosts.clear()
    clearNamespaces(`${this.prefix}-`)
  }
}
