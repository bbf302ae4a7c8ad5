/**
 * The demonstration of one mode: builds its lab, has Sluice forward real traffic while servers come and go, measures.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { buildMode } from './build-mode.ts'
import { startCommand } from './commands.ts'
import { Director, type AttachChoice, type EngineChoice } from './director.ts'
import type { Evidence, Phase, Volume } from './evidence.ts'
import type { Host } from './host.ts'
import type { Lan } from './lan.ts'
import {
  ADDED,
  addressOf,
  bracketed,
  DRAINED,
  ECHO_PORT,
  FIRST_SERVERS,
  HTTP_PORT,
  type HostPlan,
  type Mode,
} from './modes.ts'
import { startRealServer } from './real-server.ts'
import { Traffic } from './traffic.ts'

export interface ModeOptions {
  readonly engine: EngineChoice
  readonly attach: AttachChoice
  /** For sockets, logs and configurations of this mode. */
  readonly folder: string
  readonly isKept: boolean
  /** Told what happens, while it happens. */
  onProgress(text: string): void
}

export interface ModeOutcome {
  readonly evidence: Evidence
  /** The engine that ran. */
  readonly engine: string
  /** Where it sat, on each of the director's interfaces. */
  readonly attached: readonly string[]
}

/** In an empty LAN, which the caller takes down. Throws Lacking, KernelError, and Error if it cannot go on. */
export async function runMode(lan: Lan, mode: Mode, options: ModeOptions): Promise<ModeOutcome> {
  const { folder, onProgress } = options
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  onProgress(`building ${mode.hosts.length + mode.servers.length} hosts`)
  buildMode(lan, mode)
  onProgress('starting the director, and nginx and a UDP service on each real server')
  const plan = mode.hosts.find(({ name }) => name === 'director')!
  const interfaces = Object.keys(plan.addresses)
  const { engine: wish, attach } = options
  if (attach === 'xdp') for (const network of interfaces) lan.readyForXdp('director', network)
  const [director] = await Promise.all([
    Director.start(lan.host('director'), interfaces, wish, folder, { attach }),
    ...mode.servers.map((server) => startServer(lan.host(server.name), mode, server, options)),
  ])
  await configure(director, mode)
  const measured = await runTraffic(lan, mode, director, options)
  const counted = readCounters(await director.ipvsadm('-L -n --stats --exact'))
  const { engine, attached } = await director.engine()
  const stoppedCleanly = options.isKept ? undefined : await director.stop()
  return { engine, attached, evidence: { mode, ...measured, counted, stoppedCleanly } }
}

async function startServer(
  host: Host,
  mode: Mode,
  plan: HostPlan,
  { folder, attach }: ModeOptions,
): Promise<void> {
  const { directReply, vip } = mode
  if (directReply !== undefined) {
    const args = ['realserver', '--vip', vip, '--mode', directReply, '--name', host.namespace]
    if (directReply === 'tun') args.push('--attach', attach)
    await startCommand(host, 'sluice', args, `${folder}/${plan.name}.log`)
  }
  await startRealServer(host, folder, directReply === undefined ? addressOf(plan) : vip)
}

/** Both services with the first servers, as `ipvsadm -S` would have saved them. */
async function configure(director: Director, mode: Mode): Promise<void> {
  const rules = servicesOf(mode).flatMap((service) => [
    `-A ${service} -s rr`,
    ...mode.servers.slice(0, FIRST_SERVERS).map((server) => `-a ${pairOf(mode, service, server)}`),
  ])
  await director.ipvsadm('-R', `${rules.join('\n')}\n`)
  for (const service of servicesOf(mode)) {
    for (const local of mode.locals) await director.ipvsadm(`-P ${service} -z ${local}`)
  }
}

async function runTraffic(
  lan: Lan,
  mode: Mode,
  director: Director,
  { folder, onProgress }: ModeOptions,
): Promise<Pick<Evidence, 'results' | 'client' | 'director'>> {
  const [drained, added] = [mode.servers[DRAINED]!, mode.servers[ADDED]!]
  const measured = [lan.host('client'), lan.host('director')]
  const before = measured.map(readVolume)
  const traffic = Traffic.start(lan.host('client'), mode.vip, `${folder}/client.log`)
  const run = async (phase: Phase, what: string) => {
    onProgress(what)
    await traffic.run(phase)
  }
  const change = async (verb: string, server: HostPlan, more: string) => {
    for (const service of servicesOf(mode)) {
      await director.ipvsadm(`${verb} ${pairOf(mode, service, server)} ${more}`)
    }
  }
  await run('steady', `traffic to ${mode.vip}, to three real servers`)
  traffic.enter('draining')
  await change('-e', drained, '-w 0')
  await run('drained', `${drained.name} is drained (weight 0), while traffic flows`)
  traffic.enter('adding')
  await change('-a', added, '-w 1')
  await run('added', `${added.name} is added, while traffic flows`)
  await traffic.stop()
  const after = measured.map(readVolume)
  const [client, directorVolume] = after.map((end, index) => difference(end, before[index]!))
  return { results: traffic.results, client: client!, director: directorVolume! }
}

function servicesOf({ vip }: Mode): string[] {
  return [`-t ${bracketed(vip)}:${HTTP_PORT}`, `-u ${bracketed(vip)}:${ECHO_PORT}`]
}

function pairOf(mode: Mode, service: string, server: HostPlan): string {
  const port = service.slice(service.lastIndexOf(':') + 1)
  return `${service} -r ${bracketed(addressOf(server))}:${port} ${mode.forwardingFlag}`
}

/** What crossed the host's cables so far, by /proc/net/dev: `NAME: bytes packets … (8 columns) bytes packets …`. */
function readVolume(host: Host): Volume {
  const text = host.run(() => readFileSync('/proc/thread-self/net/dev', 'utf8'))
  const rows = [...text.matchAll(/^ *net\d+: *(.*)$/gm)].map(([, row]) =>
    row!.split(/ +/).map(Number),
  )
  const sum = (column: number) => rows.reduce((total, row) => total + row[column]!, 0)
  return { received: sum(0), sent: sum(8) }
}

function difference(end: Volume, start: Volume): Volume {
  return { received: end.received - start.received, sent: end.sent - start.sent }
}

/** The connections of both services, out of `ipvsadm -L -n --stats --exact`. */
function readCounters(listing: string): Evidence['counted'] {
  const connections = (protocol: string) =>
    Number(new RegExp(`^${protocol} +\\S+ +(\\d+)`, 'm').exec(listing)?.[1])
  return { tcp: connections('TCP'), udp: connections('UDP') }
}
