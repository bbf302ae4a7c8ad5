/**
 * A real server: nginx for HTTP, and a UDP service, on a host of the lab.
 *
 * nginx runs as one process with a configuration of the lab's own, in the lab's folder. `GET /` is a page of 8 KiB, so
 * that answers weigh more than requests; a POST is answered with as little. The name of the server and the client's
 * address as nginx saw it stand in two headers.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Family, Host } from './host.ts'
import { ECHO_PORT, HTTP_PORT } from './modes.ts'
import { CLIENT_HEADER, PAGE_BYTES, SERVER_HEADER } from './real-server-page.ts'
import { startScript } from './script.ts'
import { SLOWNESS } from './slowness.ts'

const READY_MS = 10_000 * SLOWNESS
const POLL_MS = 5

type Protocol = `${'tcp' | 'udp'}${Family}`

/** Starts both services in the family of `udpAddress`, which the UDP service answers from. Done when they listen. */
export async function startRealServer(
  host: Host,
  folder: string,
  udpAddress: string,
): Promise<void> {
  const home = `${folder}/${host.name}`
  const family = udpAddress.includes(':') ? 6 : 4
  mkdirSync(home, { recursive: true })
  writeFileSync(`${home}/index.html`, `${`${host.name} `.repeat(PAGE_BYTES).slice(0, PAGE_BYTES)}`)
  writeFileSync(`${home}/nginx.conf`, configuration(host.name, home, family))
  const log = `${home}/log`
  const nginx = host.start('nginx', ['-p', home, '-c', `${home}/nginx.conf`, '-e', log], { log })
  const echo = startScript(host, 'udp-echo', [host.name, udpAddress, String(ECHO_PORT)], { log })
  await Promise.all([
    listening(nginx, `tcp${family}`, HTTP_PORT, log),
    listening(echo, `udp${family}`, ECHO_PORT, log),
  ])
}

function configuration(name: string, home: string, family: Family): string {
  const listenAt = family === 4 ? HTTP_PORT : `[::]:${HTTP_PORT}`
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off;
master_process off;
pid ${home}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary.map((kind) => `${kind}_temp_path ${home}/${kind};`).join('\n  ')}
  keepalive_requests 1000000;
  keepalive_timeout 600s;
  server {
    listen ${listenAt} backlog=1024;
    root ${home};
    add_header ${SERVER_HEADER} ${name};
    add_header ${CLIENT_HEADER} $remote_addr;
    location /upload { return 200 "taken\\n"; }
  }
}
`
}

/** Resolves when something listens at that port where the process lives; throws if it ends before, or takes long. */
async function listening(
  child: ChildProcess,
  protocol: Protocol,
  port: number,
  log: string,
): Promise<void> {
  const end = performance.now() + READY_MS
  while (!isListening(child.pid!, protocol, port)) {
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > end) {
      throw new Error(`no service at ${protocol} port ${port}: ${readFileSync(log, 'utf8')}`)
    }
    await sleep(POLL_MS)
  }
}

/** By /proc/PID/net/tcp, tcp6, …: `sl local-address:PORT remote-address state`, in hexadecimal; 0A is LISTEN. */
function isListening(pid: number, protocol: Protocol, port: number): boolean {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  const pattern = `^ *\\d+: [0-9A-F]+:${wanted} [0-9A-F:]+ ${protocol.startsWith('tcp') ? '0A' : '07'} `
  const table = protocol.replace('4', '')
  try {
    return new RegExp(pattern, 'm').test(readFileSync(`/proc/${pid}/net/${table}`, 'utf8'))
  } catch {
    return false
  }
}
