/**
 * Who stands on the director: plain routing, nftables, HAProxy, nginx, Sluice. Each is started for its turn and stopped
 * after it, and balances VIP:80 over three servers and VIP:5201 to the first.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { Director, type EngineChoice } from '../../src/lab/director.ts'
import type { Host } from '../../src/lab/host.ts'
import { BULK, HTTP, isListening, output, SERVERS, until, VIP, type Site } from './site.ts'

export interface Running {
  /** What the client asks. */
  readonly targets: readonly string[]
  stop(): Promise<void>
}

export interface Contender {
  readonly name: string
  start(): Promise<Running>
}

export function contenders(site: Site): Contender[] {
  return [
    { name: 'plain', start: () => Promise.resolve({ targets: SERVERS, stop: async () => {} }) },
    { name: 'nftables', start: () => startNftables(site) },
    { name: 'haproxy', start: () => startProxy(site, 'haproxy') },
    { name: 'nginx-stream', start: () => startProxy(site, 'nginx') },
    { name: 'sluice-kernel', start: () => startSluice(site, 'kernel') },
    { name: 'sluice-v8', start: () => startSluice(site, 'v8') },
  ]
}

async function startNftables({ director, folder }: Site): Promise<Running> {
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
  return { targets: [VIP], stop }
}

async function startProxy(
  { director, folder }: Site,
  program: 'haproxy' | 'nginx',
): Promise<Running> {
  const file = `${folder}/${program}.conf`
  writeFileSync(file, program === 'haproxy' ? haproxyConfiguration() : nginxConfiguration(folder))
  const args =
    program === 'haproxy' ? ['-f', file, '-db'] : ['-c', file, '-e', `${folder}/nginx.log`]
  const child = director.start(program, args, { log: `${folder}/${program}.log` })
  await until(() => isListening(director, HTTP) && isListening(director, BULK))
  return { targets: [VIP], stop: () => end(child, director) }
}

async function end(child: ChildProcess, director: Host): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
  await until(() => !isListening(director, HTTP))
}

function haproxyConfiguration(): string {
  return `global
  maxconn 4000
  nbthread 2
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen web
  bind ${VIP}:${HTTP}
  balance roundrobin
  ${SERVERS.map((server, i) => `server web${i} ${server}:${HTTP}`).join('\n  ')}
listen bulk
  bind ${VIP}:${BULK}
  server bulk0 ${SERVERS[0]}:${BULK}
`
}

function nginxConfiguration(folder: string): string {
  return `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; worker_processes 2; pid ${folder}/stream.pid; error_log ${folder}/nginx.log;
events { worker_connections 8192; }
stream {
  upstream web { ${SERVERS.map((server) => `server ${server}:${HTTP};`).join(' ')} }
  server { listen ${VIP}:${HTTP} backlog=65535; proxy_pass web; }
  server { listen ${VIP}:${BULK}; proxy_pass ${SERVERS[0]}:${BULK}; }
}
`
}

async function startSluice({ director, folder }: Site, engine: EngineChoice): Promise<Running> {
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
  return { targets: [VIP], stop: async () => void (await sluice.stop()) }
}
