/**
 * Through real interfaces: a generator in one namespace, a director in a second, a sink in a third, cables between.
 *
 *   generator ── veth ──► director: NAT to one real server ── veth ──► sink
 *
 * The peer is the same director without Sluice: the kernel's own forwarding of the same frames, sent to the server
 * itself. That is no load balancing, only the price of the way; it runs on the generator's core, within its call.
 *
 * `frames/s` is what arrived at the sink. `a core` divides by the CPU time that the director's process took.
 */
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ControlClient } from '../src/control/client.ts'
import { getLink } from '../src/kernel/link.ts'
import { Director } from '../src/lab/director.ts'
import type { Host } from '../src/lab/host.ts'
import { Lan } from '../src/lab/lan.ts'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import type { GeneratorSpec } from './parts/generator.ts'
import { printTable } from './parts/measure.ts'
import { cpuOf, forwardingSite, type ForwardingSite, PORT, SERVER, VIP } from './parts/way.ts'

const SECONDS = 3
const ROUNDS = 3
const FLOWS = 1000

interface Run {
  readonly perSecond: number
  readonly cpuS: number
}

const lan = new Lan(labPrefix())
try {
  const bench = forwardingSite(lan)
  const rows = [['frame', 'plain forwarding, frames/s', 'Sluice, frames/s', 'ratio', 'a core']]
  for (const bytes of [60, 1514]) rows.push(await compare(bench, bytes))
  printTable(rows)
} finally {
  lan.takeDown()
  clearLab()
}

async function compare(bench: ForwardingSite, bytes: number): Promise<string[]> {
  let plain = 0
  for (let i = 0; i < ROUNDS; i++) {
    const { perSecond } = await run(bench, `${SERVER}:${PORT}`, bytes)
    plain = Math.max(plain, perSecond)
  }
  const folder = `${labFolder()}/${bytes}`
  mkdirSync(folder)
  const director = await Director.start(bench.director, ['net1', 'net2'], 'v8', folder)
  await director.ipvsadm(`-A -u ${VIP}:${PORT} -s rr`)
  await director.ipvsadm(`-a -u ${VIP}:${PORT} -r ${SERVER}:${PORT} -m`)
  const control = await ControlClient.connect(`${folder}/sluice.sock`)
  const { pid } = await control.call('status', {})
  control.close()
  let best: Run = { perSecond: 0, cpuS: 1 }
  for (let i = 0; i < ROUNDS; i++) {
    const now = await run(bench, `${VIP}:${PORT}`, bytes, pid)
    if (now.perSecond > best.perSecond) best = now
  }
  await director.stop()
  return [
    `${bytes} bytes`,
    thousands(plain),
    thousands(best.perSecond),
    (best.perSecond / plain).toFixed(2),
    thousands((best.perSecond * SECONDS) / best.cpuS),
  ]
}

function thousands(count: number): string {
  return Math.round(count).toLocaleString('en')
}

/** Sends for some seconds; what arrived, a second, and the CPU time that process `pid` took for it. */
async function run(
  bench: ForwardingSite,
  target: string,
  bytes: number,
  pid?: number,
): Promise<Run> {
  const spec: GeneratorSpec = {
    destinationMac: getLink(bench.director.socket, 'net1')!.mac!,
    source: '10.1.0.2',
    target,
    flows: FLOWS,
    bytes,
    seconds: SECONDS,
  }
  const before = { frames: received(bench.sink), cpuS: cpuOf(pid) }
  const script = fileURLToPath(new URL('./parts/generator.js', import.meta.url))
  const args = [script, 'net1', JSON.stringify(spec)]
  const child = bench.generator.start(process.execPath, args, { isTalkedTo: true })
  const [status] = (await once(child, 'exit')) as [number | null]
  if (status !== 0) throw new Error(`the generator ended with ${status}`)
  const frames = received(bench.sink) - before.frames
  return { perSecond: frames / SECONDS, cpuS: cpuOf(pid) - before.cpuS }
}

/** Frames that the sink's interface has received. */
function received(sink: Host): number {
  const text = sink.run(() => readFileSync('/proc/thread-self/net/dev', 'utf8'))
  const columns = /net2:\s*(.*)/.exec(text)![1]!.split(/\s+/)
  return Number(columns[1])
}
