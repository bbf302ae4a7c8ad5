/**
 * ipvsadm against the recordings of the real one, byte for byte: stdout, stderr and exit status.
 *
 * The program runs in this process, on small tables.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { Names } from '../src/cli/ipvsadm-address.ts'
import { parseServices } from '../src/cli/ipvsadm-names.ts'
import { runIpvsadm } from '../src/cli/ipvsadm-run.ts'
import type { Caller, Surroundings } from '../src/cli/ipvsadm-surroundings.ts'
import { directorCalls } from '../src/daemon/calls.ts'
import { Laboratory } from './goldens/laboratory.ts'
import { readRecording, type CommandEvent, type GoldenEvent } from './goldens/recordings.ts'
import { TinyShell, type Result } from './goldens/tiny-shell.ts'

/** The numbers from `first` to `last`. */
function span(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

/** What does not match yet, and why: by file, by case, the numbers of the events. */
const NOT_YET: Readonly<Record<string, Readonly<Record<string, { why: string; n: number[] }>>>> = {
  'cli-basic': {
    persistent: { why: 'no persistence engine sip', n: [14, 15, 17, ...span(27, 30)] },
    tunnel: { why: 'no GUE and GRE tunnels', n: [...span(4, 9), ...span(23, 32)] },
  },
  'cli-extra': {
    'long-names': { why: 'no scheduler lblcr', n: [1, ...span(5, 12)] },
  },
}

/** Commands that are not ours to answer. */
const NOT_OURS: readonly (readonly [RegExp, string])[] = [
  [/^cat \/proc\/net\//, 'the kernel shows its own tables there'],
  [/^ipvsadm-(save|restore)\b/, 'scripts of the distribution'],
  [/^(python3|setpriv) /, 'who may open the socket: see src/cli/ipvsadm.test.ts'],
]

/** Names of the recorded laboratory. */
const HOSTS: Readonly<Record<string, string>> = {
  'vip.example': '10.0.0.1',
  localhost: '127.0.0.1',
}
const SERVICES = parseServices(
  'http 80/tcp\nhttps 443/tcp\nhttp-alt 8080/tcp\ndomain 53/tcp\ndomain 53/udp\n',
)

const names: Surroundings['names'] = {
  portOf: (name, protocol) => SERVICES.ports.get(`${name}/${protocol}`),
  addressOf: (host): ReturnType<Names['addressOf']> => HOSTS[host] ?? null,
  resolve: () => Promise.reject(new Error('every host is known')),
  namingOf: () =>
    Promise.resolve({
      host: (address) => Object.keys(HOSTS).find((host) => HOSTS[host] === address),
      port: (port, protocol) => SERVICES.names.get(`${port}/${protocol}`),
    }),
}

function callerOf(laboratory: Laboratory): Caller {
  const calls = directorCalls({
    director: laboratory.director,
    use: () => laboratory.use(),
    applied: () => Promise.resolve(),
    onServerAdded: () => {},
  }) as unknown as Record<string, (parameters: unknown) => unknown>
  return {
    call: async (name, parameters) => {
      const result = await calls[name]!(parameters)
      // Long results come as they are made.
      const isLong = typeof result === 'object' && result !== null && Symbol.iterator in result
      return (isLong ? [...(result as Iterable<unknown>)] : result) as never
    },
  }
}

async function* linesOf(text: string): AsyncGenerator<string> {
  yield* text.split('\n')
}

function makeShell(caller: Caller): TinyShell {
  return new TinyShell({
    ipvsadm: async (words, input): Promise<Result> => {
      let [stdout, stderr] = ['', '']
      const rc = await runIpvsadm(words, {
        connect: () => Promise.resolve(caller),
        names,
        input: linesOf(input),
        print: (text) => (stdout += text),
        complain: (text) => (stderr += text),
      })
      return { stdout, stderr, rc }
    },
  })
}

/** The order of services is the kernel's hash table's: compare without it. */
function maskOrder({ cmd }: CommandEvent, text: string): string {
  if (!cmd.includes('--nosort')) return text
  return text
    .split(/\n(?=[A-Z])/)
    .map((block) => block.trimEnd())
    .sort()
    .join('\n')
}

/** The events that did not come out as recorded, with what came and what was wanted. */
async function replay(events: readonly GoldenEvent[]) {
  const shell = makeShell(callerOf(new Laboratory()))
  const different: { n: number; cmd: string; got: Result; wanted: Result }[] = []
  for (const event of events) {
    if (event.op !== 'cmd' || NOT_OURS.some(([pattern]) => pattern.test(event.cmd))) continue
    const { n, cmd, stdout, stderr, rc } = event
    const result = await shell.run(cmd)
    const got = { ...result, stdout: maskOrder(event, result.stdout) }
    const wanted = { stdout: maskOrder(event, stdout), stderr, rc }
    if (!isDeepStrictEqual(got, wanted)) different.push({ n, cmd, got, wanted })
  }
  return different
}

for (const file of ['cli-basic', 'cli-errors', 'cli-extra']) {
  for (const [name, events] of readRecording(`${file}.jsonl`)) {
    test(`${file}: ${name}`, async () => {
      const notYet = NOT_YET[file]?.[name]?.n ?? []
      const different = await replay(events)
      for (const { n, cmd, got, wanted } of different) {
        if (!notYet.includes(n)) assert.deepEqual(got, wanted, `${n} ${cmd}`)
      }
      const isLeft = (n: number) => different.some((each) => each.n === n)
      assert.deepEqual(
        notYet.filter((n) => !isLeft(n)),
        [],
        'these are right now: take them off NOT_YET',
      )
    })
  }
}
