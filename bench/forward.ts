/**
 * The packet path in V8, with frames already in memory: what one frame costs, by forwarding method and by how many
 * connections there are.
 *
 * The peer is what a TypeScript program would use without our tables: a `Map` keyed by the flow's address and port,
 * with an object for each connection, looked up for the same frames in the same order. It does nothing else.
 */
import { Reason } from '../src/dataplane/verdict.ts'
import type { ForwardingMethod } from '../src/director/model.ts'
import { measure, printTable } from './parts/measure.ts'
import { World } from './parts/world.ts'

const FLOWS = [1, 1_000, 100_000, 1_000_000]
const METHODS: readonly ForwardingMethod[] = ['masquerade', 'direct', 'tunnel', 'fullnat']
const FRAMES = 400_000
/** Prime to every number of flows: walks all of them in an order that no cache foresees. */
const STRIDE = 611_953

const rows = [
  ['method', 'connections', 'ns a frame', 'frames/s', 'Map alone, ns', 'ratio', 'new, ns'],
]
for (const method of METHODS) {
  for (const flows of method === 'masquerade' || method === 'fullnat' ? FLOWS : [1, 1_000]) {
    rows.push(measureWorld(method, flows))
  }
}
printTable(rows)
console.log(
  '\nns a frame: all of the packet path, less writing the frame. Map alone: only the lookup, in a Map.' +
    '\nnew: the frame that opens a connection. One core; best of several rounds.',
)

function measureWorld(method: ForwardingMethod, flows: number): string[] {
  const world = new World(method)
  const syn = world.frame(true)
  const ack = world.frame(false)
  const openings = openAll(world, syn, flows)
  const map = new Map<number, { flow: number }>()
  for (let flow = 0; flow < flows; flow++) map.set(keyOf(flow), { flow })
  let at = 0
  const next = () => (at = (at + STRIDE) % flows)
  let found = 0
  const [whole, writing, peer, empty] = measure(
    [
      { name: 'forward', run: (count) => repeat(count, () => expect(world.run(ack, next()))) },
      { name: 'write', run: (count) => repeat(count, () => world.write(ack, next())) },
      { name: 'map', run: (count) => repeat(count, () => (found += map.get(keyOf(next()))!.flow)) },
      { name: 'empty', run: (count) => repeat(count, () => (found += keyOf(next()))) },
    ],
    FRAMES,
  )
  if (found === 0 && flows > 1) throw new Error('the Map found nothing')
  const cost = whole! - writing!
  const peerCost = peer! - empty!
  return [
    method,
    flows.toLocaleString('en'),
    cost.toFixed(0),
    Math.round(1e9 / cost).toLocaleString('en'),
    peerCost.toFixed(0),
    (cost / peerCost).toFixed(1),
    openings.toFixed(0),
  ]
}

function keyOf(flow: number): number {
  return (0x0a400000 + (flow >>> 10)) * 65536 + 1024 + (flow & 1023)
}

function repeat(count: number, step: () => unknown): void {
  for (let i = 0; i < count; i++) step()
}

/** Every frame must really have been forwarded. */
function expect(reason: number): void {
  if (reason !== Reason.toServer) throw new Error(`a frame was not forwarded: reason ${reason}`)
}

/** Nanoseconds for the opening of one connection. */
function openAll(world: World, syn: Uint8Array, flows: number): number {
  const start = process.hrtime.bigint()
  for (let flow = 0; flow < flows; flow++) expect(world.run(syn, flow))
  return Number(process.hrtime.bigint() - start) / flows
}
