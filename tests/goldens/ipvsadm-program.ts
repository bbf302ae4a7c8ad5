/**
 * Our ipvsadm as a program of the tiny shell: the command line, the calls it makes and the director, in one process.
 */
import type { Names } from '../../src/cli/ipvsadm-address.ts'
import { parseServices } from '../../src/cli/ipvsadm-names.ts'
import { runIpvsadm } from '../../src/cli/ipvsadm-run.ts'
import type { Caller, Surroundings } from '../../src/cli/ipvsadm-surroundings.ts'
import { directorCalls } from '../../src/daemon/calls.ts'
import type { Laboratory } from './laboratory.ts'
import { TinyShell, type Result } from './tiny-shell.ts'

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
    onServerAdded: (address) => laboratory.hops.ensureServerHop(address),
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

/** A shell whose `ipvsadm` is ours, in this process, on the laboratory's tables. */
export function shellOn(laboratory: Laboratory): TinyShell {
  const caller = callerOf(laboratory)
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
    sort: (_, input) => ({ stdout: sortLines(input), stderr: '', rc: 0 }),
  })
}

function sortLines(text: string): string {
  return text
    .split(/(?<=\n)/)
    .sort()
    .join('')
}
