/**
 * Through real interfaces: a generator in one namespace, a director in a second, a sink in a third, cables between.
 *
 *   generator ── veth ──► director: NAT to one real server ── veth ──► sink
 *
 * The peer is the same director without Sluice: the kernel's own forwarding of the same frames, sent to the server
 * itself. That is no load balancing, only the price of the way; it runs on the generator's core, within its call, and
 * so does Sluice in the kernel.
 *
 * `frames/s` is what arrived at the sink. `a core` divides by the CPU time that the director's process took.
 */
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ControlClient } from '../src/control/client.ts'
import { getLink } from '../src/kernel/netlink/link.ts'
import { Director, type EngineChoice } from '../src/lab/director.ts'
import type { Host } from '../src/lab/host.ts'
import { Lan } from '../src/lab/lan.ts'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import type { GeneratorSpec } from './parts/generator.ts'
import { printTable } from './parts/measure.ts'
import { cpuOf, forwardingSite, type ForwardingSite, PORT, SERVER, VIP } from './parts/way.ts'

const SECONDS = 3
const ROUNDS = 3
const FLOWS = 1000
const ENGINES = ['v8', 'kernel'] as const satisfies readonly EngineChoice[]

interface Run {
  readonly perSecond: number
  readonly cpuS: number
}

const lan = new Lan(labPrefix())
try {
  const bench = forwardingSite(lan)
  const rows = [['frame', 'plain, frames/s', 'V8', 'ratio', 'a core', 'kernel, by tc', 'ratio']]
  for (const bytes of [60, 1514]) rows.push(await compare(bench, bytes))
  printTable(rows)
} finally {
  lan.takeDown()
  clearLab()
}

async function compare(bench: ForwardingSite, bytes: number): Promise<string[]> {
  const plain = await best(() => run(bench, `${SERVER}:${PORT}`, bytes))
  const row = [`${bytes} bytes`, thousands(plain.perSecond)]
  for (const engine of ENGINES) {
    const now = await measure(bench, bytes, engine)
    row.push(thousands(now.perSecond), (now.perSecond / plain.perSecond).toFixed(2))
    if (engine === 'v8') row.push(thousands((now.perSecond * SECONDS) / now.cpuS))
  }
  return row
}

/** With Sluice in between. */
async function measure(bench: ForwardingSite, bytes: number, engine: EngineChoice): Promise<Run> {
  const folder = `${labFolder()}/${engine}-${bytes}`
  mkdirSync(folder)
  const director = await Director.start(bench.director, ['net1', 'net2'], engine, folder)
  await director.ipvsadm(`-A -u ${VIP}:${PORT} -s rr`)
  await director.ipvsadm(`-a -u ${VIP}:${PORT} -r ${SERVER}:${PORT} -m`)
  const control = await ControlClient.connect(`${folder}/sluice.sock`)
  const { pid } = await control.call('status', {})
  control.close()
  const result = await best(() => run(bench, `${VIP}:${PORT}`, bytes, pid))
  await director.stop()
  return result
}

/** Of some rounds the one in which most arrived. */
async function best(round: () => Promise<Run>): Promise<Run> {
  let found: Run = { perSecond: 0, cpuS: 1 }
  for (let i = 0; i < ROUNDS; i++) {
    const now = await round()
    if (now.perSecond > found.perSecond) found = now
  }
  return found
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
