/**
 * A million connections in a running daemon, made by a million datagrams from as many endpoints: what they cost it
 * when nothing happens (the table is swept once a second), what a listing of them all costs, and how much memory is
 * resident then.
 *
 *   generator ── veth ──► director: NAT to one real server ── veth ──► sink
 *
 * The peer is the same daemon without a connection.
 *
 *   npm run bench -- million [--connections=1000000] [--engine=kernel,v8]
 */
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ControlClient } from '../src/control/client.ts'
import { getLink } from '../src/kernel/netlink/link.ts'
import { launcher } from '../src/lab/commands.ts'
import { Director, type EngineChoice } from '../src/lab/director.ts'
import { Lan } from '../src/lab/lan.ts'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import type { GeneratorSpec } from './parts/generator.ts'
import { printTable } from './parts/measure.ts'
import {
  cpuOf,
  cpuOfChildren,
  forwardingSite,
  type ForwardingSite,
  PORT,
  SERVER,
  VIP,
} from './parts/way.ts'

const option = (name: string, usual: string) =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.split('=')[1] ?? usual
const CONNECTIONS = Number(option('connections', '1000000'))
const ENGINES = option('engine', 'kernel').split(',') as EngineChoice[]
/** Sweeps that are averaged. */
const SWEEPS = 10
const LISTINGS = 3
/** Frames get lost where they come faster than the V8 engine takes them. */
const PASSES_MAX = 10
const SOURCE = '10.1.16.1'

const lan = new Lan(labPrefix())
try {
  const site = forwardingSite(lan)
  const head = ['engine', 'connections', 'sweep, ms', 'listing, ms', 'ipvsadm -Lnc, ms', 'RSS, MiB']
  const rows = [head]
  for (const engine of ENGINES) rows.push(...(await measureEngine(site, engine)))
  printTable(rows)
  console.log(
    `\nMilliseconds of CPU: the daemon's for one sweep (mean of ${SWEEPS} s) and one listing, and what`,
    `\n\`ipvsadm\` itself takes (best of ${LISTINGS}). RSS is the daemon's, tables included.`,
  )
} finally {
  lan.takeDown()
  clearLab()
}

async function measureEngine(site: ForwardingSite, engine: EngineChoice): Promise<string[][]> {
  const folder = `${labFolder()}/${engine}`
  mkdirSync(folder)
  const director = await Director.start(site.director, ['net1', 'net2'], engine, folder)
  const control = await ControlClient.connect(`${folder}/sluice.sock`)
  try {
    await director.ipvsadm(`-A -u ${VIP}:${PORT} -s rr`)
    await director.ipvsadm(`-a -u ${VIP}:${PORT} -r ${SERVER}:${PORT} -m`)
    const { pid } = await control.call('status', {})
    const without = await measureDaemon(site, folder, pid)
    await openAll(site, control)
    const { connections } = await control.call('status', {})
    const withAll = await measureDaemon(site, folder, pid)
    return [
      [engine, '0', ...without],
      [engine, connections.toLocaleString('en'), ...withAll],
    ]
  } finally {
    control.close()
    await director.stop()
  }
}

async function measureDaemon(site: ForwardingSite, folder: string, pid: number): Promise<string[]> {
  const idle = cpuOf(pid)
  await sleep(SWEEPS * 1000)
  const sweepS = (cpuOf(pid) - idle) / SWEEPS
  let [daemonS, commandS] = [Infinity, Infinity]
  for (let i = 0; i < LISTINGS; i++) {
    const before = { daemon: cpuOf(pid), command: cpuOfChildren(), wallMs: performance.now() }
    await listAll(site, folder)
    const seconds = (performance.now() - before.wallMs) / 1000
    daemonS = Math.min(daemonS, cpuOf(pid) - before.daemon - seconds * sweepS)
    commandS = Math.min(commandS, cpuOfChildren() - before.command)
  }
  const ms = (seconds: number) => Math.round(Math.max(0, seconds) * 1000).toLocaleString('en')
  return [ms(sweepS), ms(daemonS), ms(commandS), residentMiB(pid)]
}

/** As an operator would who wants to keep it. */
async function listAll(site: ForwardingSite, folder: string): Promise<void> {
  const log = `${folder}/listing`
  rmSync(log, { force: true })
  const environment = { SLUICE_SOCKET: `${folder}/sluice.sock` }
  const args = [launcher('ipvsadm'), '-Lnc']
  const child = site.director.start(process.execPath, args, { log, environment })
  const [status] = (await once(child, 'exit')) as [number | null]
  if (status !== 0) throw new Error(readFileSync(log, 'utf8'))
}

async function openAll(site: ForwardingSite, control: ControlClient): Promise<void> {
  const spec: GeneratorSpec = {
    destinationMac: getLink(site.director.socket, 'net1')!.mac!,
    source: SOURCE,
    target: `${VIP}:${PORT}`,
    flows: CONNECTIONS,
    bytes: 60,
    seconds: 0,
  }
  const script = fileURLToPath(new URL('./parts/generator.js', import.meta.url))
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    const child = site.generator.start(process.execPath, [script, 'net1', JSON.stringify(spec)], {
      isTalkedTo: true,
    })
    const [status] = (await once(child, 'exit')) as [number | null]
    if (status !== 0) throw new Error(`the generator ended with ${status}`)
    const { connections } = await control.call('status', {})
    if (connections >= CONNECTIONS) return
  }
}

function residentMiB(pid: number): string {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!
  return Math.round(Number(kilobytes) / 1024).toLocaleString('en')
}
