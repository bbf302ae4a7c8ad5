/**
 * A LAN in which one director forwards in all four ways, in IPv4 and IPv6, through real stacks on every side.
 *
 *   client, newcomer ─ net1 ─ router ─┬─ net2 ─┬─ director, with the VIP ─ net4 ─ inner ─ net5 ─ nat
 *                                     │        └─ dr
 *                                     └─ net3 ─┬─ tun
 *                                              └─ fullnat
 *
 * netN is 10.N.0.0/24 and fd00:N::/64. The router is the gateway of net1, net2 and net3, the director that of net4 and,
 * through `inner`, net5. So NAT and FULLNAT servers are behind one more router. The director's own stack forwards
 * packets, as on a router: it has every chance to answer, or forward, once more.
 */
import { mkdirSync } from 'node:fs'
import { ControlClient } from '../../src/control/client.ts'
import { addRoute } from '../../src/kernel/netlink/route.ts'
import { startCommand } from '../../src/lab/commands.ts'
import { Director, type AttachChoice, type EngineChoice } from '../../src/lab/director.ts'
import type { Family, Host } from '../../src/lab/host.ts'
import { Lan } from '../../src/lab/lan.ts'
import { clearLab, labFolder, labPrefix } from '../../src/lab/leftovers.ts'
import { bracketed, HOST_BITS, PREFIX_BITS } from '../../src/lab/modes.ts'

export const FAMILIES = [4, 6] as const
export const WAYS = ['nat', 'dr', 'tun', 'fullnat'] as const
export type Way = (typeof WAYS)[number]

/** Of `ipvsadm -a`, and where the real server is. */
const PLANS: Readonly<Record<Way, { flag: string; network: number; host: number }>> = {
  nat: { flag: '-m', network: 5, host: 11 },
  dr: { flag: '-g', network: 2, host: 12 },
  tun: { flag: '-i', network: 3, host: 13 },
  fullnat: { flag: '-b', network: 3, host: 14 },
}

/** Of every service, and every server behind. */
export const PORT = 8000

/** Short, so that a test can see them end. */
export const UDP_TIMEOUT_S = 2

export function at(family: Family, network: number, host: number): string {
  return family === 4 ? `10.${network}.0.${host}` : `fd00:${network}::${host}`
}

export const clientIp = (family: Family): string => at(family, 1, 2)
/** Each way has a VIP of its own, since stacks remember by address how wide a path is. */
export function vipOf(way: Way, family: Family): string {
  return at(family, 2, 100 + PLANS[way].host)
}
export const localOf = (family: Family): string => at(family, 2, 201)
export function serverIp(way: Way, family: Family): string {
  return at(family, PLANS[way].network, PLANS[way].host)
}
/** What the server of that way has its sockets on, to answer as the client expects. */
export function serviceIp(way: Way, family: Family): string {
  return way === 'dr' || way === 'tun' ? vipOf(way, family) : serverIp(way, family)
}

export class WaysLan {
  readonly client: Host
  readonly newcomer: Host
  readonly router: Host
  readonly director: Host
  readonly servers: Readonly<Record<Way, Host>>
  readonly #lan = new Lan(labPrefix(), 6)
  readonly #folder = labFolder()
  #running: Director | undefined
  #control: ControlClient | undefined

  private constructor() {
    for (const number of [1, 2, 3, 4, 5]) this.#lan.addNetwork(`net${number}`)
    this.client = this.#add('client', { 1: 2 }, [1, 1])
    this.newcomer = this.#add('newcomer', { 1: 3 }, [1, 1])
    this.router = this.#add('router', { 1: 1, 2: 1, 3: 1 })
    this.director = this.#add('director', { 2: 2, 4: 1 }, [2, 1])
    const inner = this.#add('inner', { 4: 2, 5: 1 }, [4, 1])
    const server = (way: Way, gateway: [number, number]) =>
      this.#add(way, { [PLANS[way].network]: PLANS[way].host }, gateway)
    this.servers = {
      nat: server('nat', [5, 1]),
      dr: server('dr', [2, 1]),
      tun: server('tun', [3, 1]),
      fullnat: server('fullnat', [3, 1]),
    }
    for (const host of [this.router, this.director, inner]) host.forward()
    for (const family of FAMILIES) {
      for (const ip of [...WAYS.map((way) => vipOf(way, family)), localOf(family)]) {
        this.director.addAddress('net2', ip, HOST_BITS[family])
      }
      const destination = { ip: at(family, 5, 0).replace(/::0$/, '::'), bits: PREFIX_BITS[family] }
      const nextHops = [{ gateway: at(family, 4, 2) }]
      addRoute(this.director.socket, { destination, nextHops })
    }
  }

  /** Networks by number, the host's number in each; its gateway as network and host. */
  #add(name: string, places: Readonly<Record<number, number>>, gateway?: [number, number]): Host {
    const host = this.#lan.addHost(name)
    // Or a stack answers some of our errors only.
    host.set('net.ipv4.icmp_ratelimit', 0)
    host.set('net.ipv6.icmp.ratelimit', 0)
    for (const [network, number] of Object.entries(places)) {
      this.#lan.plug(host, `net${network}`)
      for (const family of FAMILIES) {
        host.addAddress(`net${network}`, at(family, Number(network), number), PREFIX_BITS[family])
      }
    }
    if (gateway === undefined) return host
    for (const family of FAMILIES) host.setDefaultRoute(at(family, ...gateway))
    return host
  }

  /** With the director running and every service in place, TCP and UDP. Whatever happens, `takeDown` it. */
  static async build(engine: EngineChoice, attach: AttachChoice): Promise<WaysLan> {
    const lan = new WaysLan()
    await lan.#start(engine, attach)
    return lan
  }

  async #start(engine: EngineChoice, attach: AttachChoice): Promise<void> {
    if (attach === 'xdp') {
      this.#lan.readyForXdp('director', 'net2')
      this.#lan.readyForXdp('director', 'net4', false)
    }
    mkdirSync(this.#folder, { recursive: true })
    const [director] = await Promise.all([
      Director.start(this.director, ['net2', 'net4'], engine, this.#folder, { attach }),
      ...(['dr', 'tun'] as const).map((way) => {
        const vips = FAMILIES.flatMap((family) => ['--vip', vipOf(way, family)])
        const { namespace } = this.servers[way]
        const args = ['realserver', '--mode', way, ...vips, '--name', namespace, '--engine', engine]
        return startCommand(this.servers[way], 'sluice', args, `${this.#folder}/${way}.log`)
      }),
    ])
    this.#running = director
    this.#control = await ControlClient.connect(`${this.#folder}/sluice.sock`)
    await director.ipvsadm('-R', rules().join('\n'))
    await director.ipvsadm(`--set 0 0 ${UDP_TIMEOUT_S}`)
    for (const family of FAMILIES) {
      for (const option of ['-t', '-u']) {
        const service = serviceText(option, 'fullnat', family)
        await director.ipvsadm(`-P ${service} -z ${localOf(family)}`)
      }
    }
  }

  get control(): ControlClient {
    return this.#control!
  }

  ipvsadm(args: string): Promise<string> {
    return this.#running!.ipvsadm(args)
  }

  /** Of the tunnel to its server. */
  async setTunnel(family: Family, options: string): Promise<void> {
    for (const option of ['-t', '-u']) {
      const service = serviceText(option, 'tun', family)
      const server = `${bracketed(serverIp('tun', family))}:${PORT}`
      await this.ipvsadm(`-e ${service} -r ${server} -i ${options}`)
    }
  }

  /** Frames the director counted under a reason. */
  async counted(reason: string): Promise<number> {
    const { reasons } = await this.control.call('status', {})
    return reasons[reason] ?? 0
  }

  takeDown(): void {
    this.#control?.close()
    this.#lan.takeDown()
  }
}

/** Removes a lab however far building it got. */
export function clearWays(lan: WaysLan | undefined): void {
  lan?.takeDown()
  clearLab()
}

function serviceText(option: string, way: Way, family: Family): string {
  return `${option} ${bracketed(vipOf(way, family))}:${PORT}`
}

function rules(): string[] {
  return FAMILIES.flatMap((family) =>
    ['-t', '-u'].flatMap((option) =>
      WAYS.flatMap((way) => {
        const service = serviceText(option, way, family)
        const server = `${bracketed(serverIp(way, family))}:${PORT}`
        return [`-A ${service} -s rr`, `-a ${service} -r ${server} ${PLANS[way].flag}`]
      }),
    ),
  )
}
