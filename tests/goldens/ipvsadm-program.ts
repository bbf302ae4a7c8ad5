/**
 * Our ipvsadm as a program of the tiny shell: the command line, the calls it makes and the director, in one process.
 */
import { JsonRows } from '../../src/base/json-rows.ts'
import type { Names } from '../../src/cli/ipvsadm/address.ts'
import { parseServices } from '../../src/cli/ipvsadm/names.ts'
import { runIpvsadm } from '../../src/cli/ipvsadm/run.ts'
import type { Caller, Surroundings } from '../../src/cli/ipvsadm/surroundings.ts'
import { directorCalls } from '../../src/daemon/calls.ts'
import type { Laboratory } from './laboratory.ts'
import { ip, iptablesOn } from './marking-programs.ts'
import { TinyShell, type Result } from './tiny-shell.ts'

/** Names of the recorded laboratory. */
const HOSTS: Readonly<Record<string, string>> = {
  'vip.example': '10.0.0.1',
  localhost: '127.0.0.1',
}
/** Interfaces that are there, with their MTUs. */
const INTERFACES: Readonly<Record<string, number>> = { lo: 65536, eth0: 1500, eth1: 1500 }
const SERVICES = parseServices(
  'tcpmux 1/tcp\nhttp 80/tcp\nhttps 443/tcp\nhttps 443/udp\nhttp-alt 8080/tcp\ndomain 53/tcp\ndomain 53/udp\n',
)

function namesWith(hosts: Readonly<Record<string, string>>): Surroundings['names'] {
  return {
    portOf: (name, protocol) => SERVICES.ports.get(`${name}/${protocol}`),
    addressOf: (host): ReturnType<Names['addressOf']> => hosts[host] ?? null,
    resolve: () => Promise.reject(new Error('every host is known')),
    namingOf: () =>
      Promise.resolve({
        host: (address) => Object.keys(hosts).find((host) => hosts[host] === address),
        port: (port, protocol) => SERVICES.names.get(`${port}/${protocol}`),
      }),
  }
}

/** What a daemon would answer on the laboratory's tables. */
export function callsOn(laboratory: Laboratory) {
  return directorCalls({
    director: laboratory.director,
    use: () => laboratory.use(),
    applied: () => Promise.resolve(),
    onServerAdded: (address) => laboratory.hops.ensureServerHop(address),
    synchronisation: {
      start: (request) => laboratory.director.startSync(request, INTERFACES[request.interface]),
      stop: (role) => laboratory.director.sync.stop(role),
      keepBackupOnly: () => undefined,
    },
    freePages: () => Infinity,
  })
}

/** A client of that daemon. */
export function callerOn(laboratory: Laboratory): Caller {
  const calls = callsOn(laboratory) as unknown as Record<string, (parameters: unknown) => unknown>
  return {
    call: async (name, parameters) => {
      const result = await calls[name]!(parameters)
      if (result instanceof JsonRows) return JSON.parse(result.text()) as never
      // Long results come as they are made.
      const isLong = typeof result === 'object' && result !== null && Symbol.iterator in result
      if (!isLong) return result as never
      return [...(result as Iterable<unknown>)] as never
    },
    connectionRows: () => {
      const rows = calls['connection.list']!({}) as JsonRows
      return Promise.resolve([Buffer.from(rows.text().slice(1, -1))])
    },
  }
}

async function* linesOf(text: string): AsyncGenerator<string> {
  yield* text.split('\n')
}

/** Our ipvsadm in this process, on the laboratory's tables: words and input in, what it wrote out. */
export function runOn(laboratory: Laboratory, hosts = HOSTS) {
  const names = namesWith(hosts)
  const caller = callerOn(laboratory)
  return async (words: readonly string[], input: string): Promise<Result> => {
    let [stdout, stderr] = ['', '']
    const rc = await runIpvsadm(words, {
      connect: () => Promise.resolve(caller),
      names,
      input: linesOf(input),
      terminalRows: () => null,
      pause: () => Promise.resolve(false),
      print: (text) => (stdout += text.toString()),
      complain: (text) => (stderr += text),
    })
    return { stdout, stderr, rc }
  }
}

/** A shell whose `ipvsadm` is ours. */
export function shellOn(laboratory: Laboratory): TinyShell {
  return new TinyShell({
    ipvsadm: runOn(laboratory),
    iptables: iptablesOn(laboratory),
    ip6tables: iptablesOn(laboratory),
    ip,
    sort: (_, input) => ({ stdout: sortLines(input), stderr: '', rc: 0 }),
  })
}

function sortLines(text: string): string {
  return text
    .split(/(?<=\n)/)
    .sort()
    .join('')
}
