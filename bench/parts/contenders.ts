/**
 * Who stands on the director: plain routing, nftables, HAProxy, nginx, Sluice; or nobody, if who asks is in the
 * servers' own network. Each is started for its turn and stopped after it, and balances VIP:80 over three servers and
 * VIP:5201 to the first.
 *
 * The proxies have a thread or process for each processor, with a queue of its own. They come twice: as they are set up
 * usually, and with buffers of 64 KiB, which only bulk asks for.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Director, type EngineChoice } from '../../src/lab/director.ts'
import type { Host } from '../../src/lab/host.ts'
import type { Aim } from './load-tools.ts'
import { BULK, HTTP, isListening, output, SERVERS, until, VIP, type Site } from './site.ts'

export interface Running extends Aim {
  stop(): Promise<void>
}

export interface Contender {
  readonly name: string
  start(): Promise<Running>
}

export const DIRECT = 'no director'

export function contenders(site: Site): Contender[] {
  const nothing = (aim: Aim) => () => Promise.resolve({ ...aim, stop: () => Promise.resolve() })
  return [
    { name: DIRECT, start: nothing({ client: site.neighbour, targets: SERVERS }) },
    { name: 'plain routing', start: nothing({ client: site.client, targets: SERVERS }) },
    { name: 'nftables', start: () => startNftables(site) },
    { name: 'haproxy', start: () => startProxy(site, 'haproxy', 16) },
    { name: 'haproxy-64k', start: () => startProxy(site, 'haproxy', 64) },
    { name: 'nginx', start: () => startProxy(site, 'nginx', 16) },
    { name: 'nginx-64k', start: () => startProxy(site, 'nginx', 64) },
    { name: 'sluice-kernel', start: () => startSluice(site, 'kernel') },
    { name: 'sluice-v8', start: () => startSluice(site, 'v8') },
  ]
}

async function startNftables({ client, director, folder }: Site): Promise<Running> {
  const rules = `${folder}/nftables`
  const numbered = SERVERS.map((server, i) => `${i} : ${server}`).join(', ')
  writeFileSync(
    rules,
    `table ip contender {
  chain pre {
    type nat hook prerouting priority dstnat
    ip daddr ${VIP} tcp dport ${HTTP} dnat to jhash ip saddr . tcp sport mod ${SERVERS.length} map { ${numbered} }
    ip daddr ${VIP} tcp dport ${BULK} dnat to ${SERVERS[0]}
  }
}
`,
  )
  await output(director, 'nft', ['-f', rules])
  // Its table is the machine's, and may not be made larger from here: closed connections leave it soon.
  for (const state of ['time_wait', 'close']) {
    director.set(`net.netfilter.nf_conntrack_tcp_timeout_${state}`, 1)
  }
  const stop = async () =>
    void (await output(director, 'nft', ['delete', 'table', 'ip', 'contender']))
  return { client, targets: [VIP], stop }
}

async function startProxy(
  { client, director, folder }: Site,
  program: 'haproxy' | 'nginx',
  bufferKib: number,
): Promise<Running> {
  const file = `${folder}/${program}.conf`
  const configuration = program === 'haproxy' ? haproxyConfiguration : nginxConfiguration
  writeFileSync(file, configuration(bufferKib * 1024, folder))
  const args =
    program === 'haproxy' ? ['-f', file, '-db'] : ['-c', file, '-e', `${folder}/nginx.log`]
  const child = director.start(program, args, { log: `${folder}/${program}.log` })
  await until(() => isListening(director, HTTP) && isListening(director, BULK))
  return { client, targets: [VIP], stop: () => end(child, director) }
}

async function end(child: ChildProcess, director: Host): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
  await until(() => !isListening(director, HTTP))
}

const CORES = availableParallelism()

function haproxyConfiguration(bufferBytes: number): string {
  return `global
  maxconn 4000
  nbthread ${CORES}
  tune.bufsize ${bufferBytes}
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  option splice-auto
listen web
  bind ${VIP}:${HTTP} shards by-thread
  balance roundrobin
  ${SERVERS.map((server, i) => `server web${i} ${server}:${HTTP}`).join('\n  ')}
listen bulk
  bind ${VIP}:${BULK} shards by-thread
  server bulk0 ${SERVERS[0]}:${BULK}
`
}

function nginxConfiguration(bufferBytes: number, folder: string): string {
  return `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; worker_processes ${CORES}; pid ${folder}/stream.pid; error_log ${folder}/nginx.log;
events { worker_connections 8192; }
stream {
  proxy_buffer_size ${bufferBytes};
  upstream web { ${SERVERS.map((server) => `server ${server}:${HTTP};`).join(' ')} }
  server { listen ${VIP}:${HTTP} backlog=65535 reuseport; proxy_pass web; }
  server { listen ${VIP}:${BULK} reuseport; proxy_pass ${SERVERS[0]}:${BULK}; }
}
`
}

async function startSluice(
  { client, director, folder }: Site,
  engine: EngineChoice,
): Promise<Running> {
  mkdirSync(folder, { recursive: true })
  const own = mkdtempSync(`${folder}/sluice-`)
  const sluice = await Director.start(director, ['net1', 'net2'], engine, own)
  const rules = [
    `-A -t ${VIP}:${HTTP} -s rr`,
    ...SERVERS.map((server) => `-a -t ${VIP}:${HTTP} -r ${server}:${HTTP} -m`),
    `-A -t ${VIP}:${BULK} -s rr`,
    `-a -t ${VIP}:${BULK} -r ${SERVERS[0]}:${BULK} -m`,
  ]
  for (const rule of rules) await sluice.ipvsadm(rule)
  return { client, targets: [VIP], stop: async () => void (await sluice.stop()) }
}
