/**
 * The packet path in the kernel, in nanoseconds a frame, beside load balancers in C written for the purpose
 * (yardsticks/yardsticks.bpf.c), under BPF_PROG_TEST_RUN: no interface, no driver, only the program.
 *
 * All candidates take turns in one process, frame by frame the same flows, and the time of making the frame is taken
 * off (yardsticks/measure.c). What counts are the ratios: NAT and DR to the C program that translates, TUN to the one
 * that encapsulates, a frame that is none of ours to the empty program. Best of the rounds. `v4`: the program for a
 * director that has to do with IPv4 alone, beside the general one.
 *
 *   npm run bench -- kernel [--rounds=3] [--repeat=1000000] [--cpu=1] [--flows=1000000]
 *     [--only=NAT,TUN]
 *
 * On a machine that has other things to do, many short rounds find quiet moments:
 * --flows=1 --rounds=50 --repeat=100000.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mountBpfFilesystem, unmountBpfFilesystem } from '../src/kernel/bpf/filesystem.ts'
import { pin } from '../src/kernel/bpf/pin.ts'
import { loadFurnished } from './parts/kernel-candidate.ts'
import { printTable } from './parts/measure.ts'

const option = (name: string, usual: string) =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.split('=')[1] ?? usual

const ALL = [
  { name: 'NAT', forwarding: 'masquerade', peer: 'nat', isForIpv4: false },
  { name: 'NAT, v4', forwarding: 'masquerade', peer: 'nat', isForIpv4: true },
  { name: 'DR', forwarding: 'direct', peer: 'nat', isForIpv4: false },
  { name: 'DR, v4', forwarding: 'direct', peer: 'nat', isForIpv4: true },
  { name: 'TUN', forwarding: 'tunnel', peer: 'tunnel', isForIpv4: false },
  { name: 'TUN, v4', forwarding: 'tunnel', peer: 'tunnel', isForIpv4: true },
] as const
const [rounds, repeat] = [option('rounds', '3'), option('repeat', '1000000')]
const only = option('only', '')
const CANDIDATES = ALL.filter(({ name }) => only === '' || only.split(',').includes(name))

interface Measured {
  readonly scenario: string
  readonly candidate: string
  readonly ns: number
  readonly result: number
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
const pins = join(folder, 'bpf')
const source = (name: string) =>
  fileURLToPath(new URL(`../../bench/yardsticks/${name}`, import.meta.url))
try {
  compileYardsticks()
  mountBpfFilesystem(pins)
  try {
    const pinned = CANDIDATES.map(({ name, forwarding, isForIpv4 }, i) => {
      pin(loadFurnished(forwarding, isForIpv4), join(pins, String(i)))
      return `${name}=${join(pins, String(i))}`
    })
    const words = [join(folder, 'yardsticks.o'), rounds, repeat]
    const output = execFileSync(
      join(folder, 'measure'),
      [...words, option('cpu', '1'), option('flows', '1000000'), ...pinned],
      { encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'inherit'] },
    )
    print(output.split('\n').flatMap((line) => (line ? [JSON.parse(line) as Measured] : [])))
  } finally {
    unmountBpfFilesystem(pins)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function compileYardsticks(): void {
  const include = '/usr/include/x86_64-linux-gnu'
  const target = ['-target', 'bpf', '-D__x86_64__', `-I${include}`, '-O2', '-g', '-mcpu=v3', '-c']
  const object = join(folder, 'yardsticks.o')
  execFileSync('clang-19', [...target, source('yardsticks.bpf.c'), '-o', object])
  const libraries = ['-lbpf', '-lelf', '-lz']
  const driver = join(folder, 'measure')
  execFileSync('clang-19', ['-O2', source('measure.c'), '-o', driver, ...libraries])
}

function print(measured: readonly Measured[]): void {
  const best = new Map<string, Measured>()
  for (const one of measured) {
    const key = `${one.scenario}/${one.candidate}`
    if (!((best.get(key)?.ns ?? Infinity) <= one.ns)) best.set(key, one)
  }
  const at = (scenario: string, candidate: string) => best.get(`${scenario}/${candidate}`)!
  const scenarios = [...new Set(measured.map(({ scenario }) => scenario))]
  const rows = [
    ['ns a frame', 'C NAT', 'C tunnel', ...CANDIDATES.flatMap(({ name }) => [name, ''])],
  ]
  for (const scenario of scenarios) {
    const isForeign = scenario === 'not a VIP'
    const base = at(scenario, isForeign ? 'pass' : 'send').ns
    const cost = (candidate: string) => at(scenario, candidate).ns - base
    const ours = CANDIDATES.flatMap(({ name, peer }) => {
      expectVerdict(at(scenario, name), isForeign)
      const ratio = isForeign ? '' : `× ${(cost(name) / cost(peer)).toFixed(2)}`
      return [cost(name).toFixed(1), ratio]
    })
    rows.push([scenario, cost('nat').toFixed(1), cost('tunnel').toFixed(1), ...ours])
  }
  printTable(rows)
}

/** A candidate that did not forward costs nothing: XDP_PASS is 2, XDP_TX 3, XDP_REDIRECT 4. */
function expectVerdict({ candidate, scenario, result }: Measured, isForeign: boolean): void {
  if (isForeign ? result === 2 : result === 3 || result === 4) return
  throw new Error(`${candidate} answered ${result} where ${scenario} was measured`)
}
