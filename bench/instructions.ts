/**
 * What a frame costs in instructions: the compiled packet path, run one instruction after the other, and counted. The
 * same on every machine, however busy: what an edit of the packet path or the compiler brings shows here first, by
 * function and by source line, and bench/kernel.ts then says how many nanoseconds it is worth.
 *
 * The frames are those of bench/kernel.ts: the third packet of a TCP connection, an answer to it, and one that is not
 * for us. Needs no kernel and no privileges.
 *
 *   npm run bench -- instructions [--for=xdp|tc] [--v4=yes] [--frame=NAT] [--by=function|line|instruction]
 *
 * `moves` are those between registers; `stack` what is put aside there for want of registers, and fetched again.
 */
import { linesOf } from '../src/bpf/artefact.ts'
import type { LineAt } from '../src/bpf/debug-lines.ts'
import type { Instruction } from '../src/bpf/instruction.ts'
import { formatInstruction } from '../src/bpf/print.ts'
import type { Machine } from '../tests/compiler/machine.ts'
import { packetPathSources } from '../tests/compiler/packet-path.ts'
import { CountedProgram, FRAMES } from './parts/counted-program.ts'
import { printTable } from './parts/measure.ts'

const option = (name: string, usual: string) =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.split('=')[1] ?? usual

const attachment = option('for', 'xdp') === 'tc' ? 'tc' : 'xdp'
const program = new CountedProgram(attachment, option('v4', 'no') === 'yes')
const lines = linesOf(program.artefact)
const wanted = option('frame', '')
const by = option('by', wanted === '' ? 'frame' : 'function')

const CLASSES = ['moves', 'loads', 'stores', 'stack', 'branches', 'calls', 'helpers', 'atomics']
if (by === 'frame') {
  const rows = FRAMES.map((frame) => [frame.name, ...cellsOf(program.run(frame))])
  printTable([['instructions a frame', 'all', ...CLASSES], ...rows])
} else {
  const frame = FRAMES.find(({ name }) => name === (wanted === '' ? 'NAT' : wanted))
  if (frame === undefined) throw new Error(`--frame: ${FRAMES.map(({ name }) => name).join('; ')}`)
  const machine = program.run(frame)
  if (by === 'instruction') printEach(machine)
  else printGroups(machine, by === 'line' ? lineOf : functionOf)
}

function cellsOf(machine: Machine, isIn: (slot: number) => boolean = () => true): string[] {
  const counts = new Map<string, number>()
  let all = 0
  machine.counts.forEach((count, slot) => {
    if (count === 0 || !isIn(slot)) return
    all += count
    const kind = classOf(machine.instructions[slot]!)
    if (kind !== undefined) counts.set(kind, (counts.get(kind) ?? 0) + count)
  })
  return [all, ...CLASSES.map((kind) => counts.get(kind) ?? 0)].map(String)
}

function classOf(one: Instruction): string | undefined {
  switch (one.kind) {
    case 'load':
      return one.from.base === 'r10' ? 'stack' : 'loads'
    case 'store':
      return one.to.base === 'r10' ? 'stack' : 'stores'
    case 'branch':
    case 'jump':
      return 'branches'
    case 'callFunction':
      return 'calls'
    case 'call':
      return 'helpers'
    case 'atomic':
      return 'atomics'
    case 'alu':
      return one.op === 'move' && typeof one.src === 'string' ? 'moves' : undefined
    default:
      return undefined
  }
}

function printGroups(machine: Machine, groupOf: (place: LineAt) => string): void {
  const groups = new Map<string, Set<number>>()
  machine.counts.forEach((count, slot) => {
    if (count === 0) return
    const group = groupOf(placeOf(slot))
    groups.set(group, (groups.get(group) ?? new Set()).add(slot))
  })
  const rows = [...groups].map(([group, slots]) => [
    group,
    ...cellsOf(machine, (slot) => slots.has(slot)),
  ])
  if (by !== 'line') rows.sort((a, b) => Number(b[1]) - Number(a[1]))
  printTable([['', 'all', ...CLASSES], ...rows, ['together', ...cellsOf(machine)]])
}

function printEach(machine: Machine): void {
  let before: LineAt | undefined
  machine.counts.forEach((count, slot) => {
    if (count === 0) return
    const place = placeOf(slot)
    if (place !== before) console.log(`; ${place.text.trim()} @ ${lineOf(place)}`)
    before = place
    const one = machine.instructions[slot]!
    const distance = 'to' in one && typeof one.to === 'number' ? one.to : 0
    console.log(`${String(slot).padStart(6)} ${formatInstruction(one, distance)}`)
  })
}

function placeOf(slot: number): LineAt {
  return lines.findLast((one) => one.slot <= slot) ?? lines[0]!
}

function lineOf({ file, line }: LineAt): string {
  return `${file.replace(/^src\//, '')}:${line}`
}

/** The function that a line stands in. */
function functionOf({ file, line }: LineAt): string {
  const text = packetPathSources().get(file)!.split('\n').slice(0, line)
  const heading = text.findLast((one) => /^(?:export )?function /.test(one)) ?? 'function top'
  return `${/function (\w+)/.exec(heading)![1]} (${file.split('/').at(-1)})`
}
