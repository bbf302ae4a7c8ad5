/**
 * The site that the end-to-end benchmark measures: a client, a director with a VIP, three real servers with nginx and
 * iperf3, all namespaces on one machine; and a neighbour of the servers, who needs no director.
 *
 * What is not the director's is kept out of the way, for all contenders alike. Congestion control is Reno, which sends
 * what there is to send: BBR, the usual one on some machines, paces by what it believes the way can carry, and believes
 * less than half of it where both ends share a processor. Nothing that one contender's connections taught the stack
 * (tcp_metrics) is left to the next one's. The switch has no firewall of its own.
 */
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from '../../src/lab/host.ts'
import type { Lan } from '../../src/lab/lan.ts'

export const VIP = '10.1.0.100'
export const HTTP = 80
export const BULK = 5201
export const SERVERS = ['10.2.0.11', '10.2.0.12', '10.2.0.13'] as const

export interface Site {
  readonly client: Host
  /** In the servers' own network. */
  readonly neighbour: Host
  readonly director: Host
  /** For configurations, sockets and logs. */
  readonly folder: string
}

/** Many short connections from few addresses: all ports, none kept in TIME_WAIT, long queues, and no memory. */
const BUSY: Readonly<Record<string, number>> = {
  'net.ipv4.tcp_no_metrics_save': 1,
  'net.ipv4.tcp_tw_reuse': 1,
  'net.ipv4.tcp_max_tw_buckets': 0,
  'net.core.somaxconn': 65_535,
  'net.ipv4.tcp_max_syn_backlog': 65_535,
}

export async function buildSite(lan: Lan, folder: string): Promise<Site> {
  for (const network of ['net1', 'net2']) lan.addNetwork(network)
  const client = lan.addHost('client')
  const director = lan.addHost('director')
  lan.plug(client, 'net1')
  lan.plug(director, 'net1')
  lan.plug(director, 'net2')
  client.addAddress('net1', '10.1.0.2', 24)
  director.addAddress('net1', '10.1.0.1', 24)
  director.addAddress('net1', VIP, 32)
  director.addAddress('net2', '10.2.0.1', 24)
  director.set('net.ipv4.ip_forward', 1)
  client.setDefaultRoute('10.1.0.1')
  const neighbour = lan.addHost('neighbour')
  lan.plug(neighbour, 'net2')
  neighbour.addAddress('net2', '10.2.0.2', 24)
  lan.host('switch').set('net.bridge.bridge-nf-call-iptables', 0)
  const servers = SERVERS.map((address, i) => {
    const host = lan.addHost(`server${i + 1}`)
    lan.plug(host, 'net2')
    host.addAddress('net2', address, 24)
    host.setDefaultRoute('10.2.0.1')
    return host
  })
  for (const host of [client, neighbour, director, ...servers]) {
    for (const [name, value] of Object.entries(BUSY)) host.set(name, value)
    setText(host, 'ip_local_port_range', '1024 65535')
    setText(host, 'tcp_congestion_control', 'reno')
  }
  await Promise.all(servers.map((host) => serve(host, folder)))
  return { client, neighbour, director, folder }
}

function setText(host: Host, setting: string, value: string): void {
  host.run(() => writeFileSync(`/proc/sys/net/ipv4/${setting}`, value))
}

async function serve(host: Host, folder: string): Promise<void> {
  const home = `${folder}/${host.name}`
  mkdirSync(home, { recursive: true })
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  writeFileSync(
    `${home}/nginx.conf`,
    `daemon off; worker_processes 1; pid ${home}/pid; error_log ${home}/log;
events { worker_connections 8192; }
http {
  access_log off;
  ${kinds.map((kind) => `${kind}_temp_path ${home}/${kind};`).join(' ')}
  keepalive_requests 100000000;
  server { listen ${HTTP} backlog=65535; location / { return 200 "${host.name}\\n"; } }
}
`,
  )
  host.start('nginx', ['-c', `${home}/nginx.conf`, '-e', `${home}/log`], { log: `${home}/log` })
  host.start('iperf3', ['-s', '-p', String(BULK)])
  await until(() => isListening(host, HTTP) && isListening(host, BULK))
}

/** Does anything listen at that TCP port of the host? */
export function isListening(host: Host, port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const sockets = host.run(() =>
    ['tcp', 'tcp6'].map((kind) => readFileSync(`/proc/thread-self/net/${kind}`, 'utf8')).join(''),
  )
  return sockets.split('\n').some((line) => {
    const [, local, , state] = line.trim().split(/\s+/)
    return state === '0A' && local?.endsWith(wanted) === true
  })
}

/** Waits for what should be true soon. */
export async function until(isTrue: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!isTrue()) {
    if (performance.now() > end) throw new Error('it did not come to pass in 10 s')
    await sleep(10)
  }
}

/** Runs a program on a host to its end: what it printed. Throws if it failed. */
export async function output(
  host: Host,
  command: string,
  args: readonly string[],
): Promise<string> {
  const child = host.start(command, args, { isTalkedTo: true })
  let text = ''
  child.stdout!.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const [status] = (await once(child, 'close')) as [number | null]
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${text}`)
  return text
}
