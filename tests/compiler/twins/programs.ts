/**
 * The four programs of the packet path that are held against V8, and what their frames must have reached.
 */
import { IPV4_ONLY } from '../../../src/compiler/programs.ts'
import { Reason } from '../../../src/dataplane/verdict.ts'
import { addVeth, enterOwnNetwork } from '../../kernel/own-network.ts'
import { INTERFACE } from '../../goldens/laboratory.ts'
import type { Made } from './rounds.ts'
import type { Counts } from './tally.ts'

export const PROGRAMS: readonly Made[] = [
  { name: 'xdp', attachment: 'xdp', settled: {} },
  { name: 'tc', attachment: 'tc', settled: {} },
  { name: 'xdp-ipv4', attachment: 'xdp', settled: IPV4_ONLY },
  { name: 'tc-ipv4', attachment: 'tc', settled: IPV4_ONLY },
]

/** Frames after which the seldomest of what must be reached surely was. */
export const ENOUGH = 400_000

/** In test runs there is always room before and behind a frame, and no way to say what a large one consists of. */
const UNREACHABLE: ReadonlySet<string> = new Set(['noRoom', 'largeFrame'])

/** What must be reached and was not. */
export function unreached({ attachment }: Made, counts: Counts): string[] {
  const answers = attachment === 'xdp' ? ['sendBack', 'word'] : []
  const names = [
    ...Object.keys(Reason).filter((name) => !UNREACHABLE.has(name)),
    ...['pass', 'drop', 'redirect', ...answers].map((name) => `= ${name}`),
  ]
  return names.filter((name) => (counts[name] ?? 0) === 0)
}

/** A network of this process's own, with the laboratory's two interfaces in it. Throws if they have other numbers. */
export function enterTwinNetwork(): void {
  enterOwnNetwork()
  const indices = addVeth('client', 'server').map(({ index }) => index)
  const wanted = Object.values(INTERFACE)
  if (indices.some((index) => !wanted.includes(index))) {
    throw new Error(`interfaces ${indices.join()} came up, not the laboratory’s ${wanted.join()}`)
  }
}
