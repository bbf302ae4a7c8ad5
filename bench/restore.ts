/**
 * A large table: restored, listed, saved and cleared by the commands an operator has, while datagrams pass.
 *
 *   client ──► director: 10 000 services with 10 real servers each, and one that is used ──► server
 *
 * The peer is nftables, with which the kernel can do such a job without IPVS: for each service a rule that gives each
 * connection the next of ten servers, loaded and listed by `nft`.
 *
 * `longest wait` is that of a datagram which goes there and back every 5 ms meanwhile; before, at rest, it is the
 * machine's own. The first table is the start of the command, against Node's own start. `--engine kernel` has the
 * kernel forward (v8 unless told so).
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ControlClient } from '../src/control/client.ts'
import { Director } from '../src/lab/director.ts'
import type { Host } from '../src/lab/host.ts'
import { Lan } from '../src/lab/lan.ts'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import { startScript } from '../src/lab/script.ts'
import { printTable } from './parts/measure.ts'

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '10000' },
    servers: { type: 'string', default: '10' },
    engine: { type: 'string', default: 'v8' },
  },
})
const SERVICES = Number(values.services)
const SERVERS = Number(values.servers)
const ENGINE = values.engine === 'kernel' ? 'kernel' : 'v8'
const VIP = '10.1.0.100'
const PORT = 5000
const STARTS = 15
/** USER_HZ, of /proc/PID/stat. */
const TICKS_A_SECOND = 100
const IPVSADM = fileURLToPath(new URL('../../bin/ipvsadm', import.meta.url))

interface Waits {
  readonly sent: number
  readonly answered: number
  readonly medianMs: number
  readonly worstMs: number
}

const lan = new Lan(labPrefix())
try {
  await bench(lan)
} finally {
  lan.takeDown()
  clearLab()
}

async function bench(lan: Lan): Promise<void> {
  build(lan)
  const folder = labFolder()
  mkdirSync(folder, { recursive: true })
  const paths = writeTables(folder)
  const director = await Director.start(lan.host('director'), ['net1', 'net2'], ENGINE, folder)
  const socket = `${folder}/sluice.sock`
  process.env['SLUICE_SOCKET'] = socket
  compareStarts(lan.host('director'))
  await director.ipvsadm(`-A -u ${VIP}:${PORT} -s rr`)
  await director.ipvsadm(`-a -u ${VIP}:${PORT} -r 10.2.0.11:${PORT} -m`)
  const control = await ControlClient.connect(socket)
  const { pid } = await control.call('status', {})
  control.close()
  startScript(lan.host('server'), 'udp-echo', ['server', '10.2.0.11', String(PORT)], {})
  const pinger = startPinger(lan.host('client'))
  await pinger()
  const rest = await pinger()
  const rows = [['', 'seconds', 'of CPU in sluice', 'nft', 'times nft', 'lost', 'longest wait, ms']]
  rows.push(['at rest', '', '', '', '', lostOf(rest), rest.worstMs.toFixed(0)])
  for (const { name, words, input, nft } of jobs(paths)) {
    const cpuS = cpuOf(pid)
    const seconds = await time(lan.host('director'), [process.execPath, IPVSADM, ...words], input)
    const spentS = cpuOf(pid) - cpuS
    const waits = await pinger()
    const nftSeconds = nft === undefined ? undefined : await time(lan.host('peer'), nft)
    rows.push([
      name,
      seconds.toFixed(2),
      spentS.toFixed(2),
      nftSeconds?.toFixed(2) ?? '',
      nftSeconds === undefined ? '' : (seconds / nftSeconds).toFixed(2),
      lostOf(waits),
      waits.worstMs.toFixed(0),
    ])
  }
  console.log(`\n${SERVICES} services with ${SERVERS} real servers each, engine ${ENGINE}\n`)
  printTable(rows)
  await director.stop()
}

function lostOf({ sent, answered }: Waits): string {
  return `${sent - answered} of ${sent}`
}

interface Paths {
  /** Only the service that is used. */
  readonly used: string
  readonly rules: string
  readonly changed: string
  readonly nft: string
}

interface Job {
  readonly name: string
  readonly words: readonly string[]
  readonly input?: string
  /** What does the same with nftables. */
  readonly nft?: readonly string[]
}

function jobs({ used, rules, changed, nft }: Paths): Job[] {
  return [
    { name: '-R', words: ['-R'], input: rules, nft: ['nft', '-f', nft] },
    { name: '-Ln', words: ['-Ln'], nft: ['nft', '-n', 'list', 'ruleset'] },
    { name: '-Ln --stats', words: ['-Ln', '--stats'] },
    { name: '-Ln --json', words: ['-Ln', '--json'], nft: ['nft', '-j', 'list', 'ruleset'] },
    { name: '-Sn', words: ['-Sn'], nft: ['nft', '-n', 'list', 'ruleset'] },
    { name: '-R --atomic, all the same', words: ['-R', '--atomic'], input: rules },
    { name: '-R --atomic, a tenth new', words: ['-R', '--atomic'], input: changed },
    { name: '-Z', words: ['-Z'] },
    { name: '-R --atomic, all gone but one', words: ['-R', '--atomic'], input: used },
    {
      name: '-R --atomic, all new',
      words: ['-R', '--atomic'],
      input: rules,
      nft: ['nft', '-f', nft],
    },
    { name: '-C', words: ['-C'], nft: ['nft', 'flush', 'ruleset'] },
  ]
}

/** The files the commands read: the service that is used stands in each. */
function writeTables(folder: string): Paths {
  const used = [`-A -u ${VIP}:${PORT} -s rr`, `-a -u ${VIP}:${PORT} -r 10.2.0.11:${PORT} -m -w 1`]
  const rules: string[] = []
  const changed: string[] = []
  const nft = [
    'flush ruleset',
    'table ip lb {',
    'chain in { type nat hook prerouting priority dstnat;',
  ]
  for (let i = 0; i < SERVICES; i++) {
    const vip = `10.${100 + (i >>> 14)}.${(i >>> 6) & 255}.${(i & 63) + 1}`
    const servers = Array.from({ length: SERVERS }, (_, n) => {
      const at = (i * SERVERS + n) % 60_000
      return `10.${20 + ((at / 250 / 250) | 0)}.${((at / 250) | 0) % 250}.${(at % 250) + 1}`
    })
    const lines = (weight: number) => [
      `-A -t ${vip}:80 -s wlc`,
      ...servers.map((server) => `-a -t ${vip}:80 -r ${server}:80 -m -w ${weight}`),
    ]
    rules.push(...lines(1))
    changed.push(...lines(i % 10 === 0 ? 2 : 1))
    const targets = servers.map((server, n) => `${n} : ${server}`).join(', ')
    nft.push(
      `ip daddr ${vip} tcp dport 80 dnat to numgen inc mod ${SERVERS} map { ${targets} } : 80`,
    )
  }
  nft.push('}', '}')
  const write = (name: string, text: readonly string[]) => {
    writeFileSync(`${folder}/${name}`, `${text.join('\n')}\n`)
    return `${folder}/${name}`
  }
  return {
    used: write('used', used),
    rules: write('rules', [...used, ...rules]),
    changed: write('changed', [...used, ...changed]),
    nft: write('rules.nft', nft),
  }
}

/** Runs a program to its end; how many seconds that took. Throws if it failed, but for complaints about one service. */
async function time(host: Host, command: readonly string[], input = '/dev/null'): Promise<number> {
  const [program, ...words] = command
  const startMs = performance.now()
  const child = host.run(() =>
    spawn(program!, words, { stdio: [openSync(input, 'r'), 'ignore', 'pipe'] }),
  )
  let complaint = ''
  child.stderr!.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
  const [status] = (await once(child, 'close')) as [number | null]
  const isKnown = /^(Service|Destination) already exists\n/.test(complaint)
  if (status !== 0 && !isKnown) throw new Error(`${command.join(' ')}: ${complaint.slice(0, 500)}`)
  return (performance.now() - startMs) / 1000
}

/** The result asks how the datagrams fared since it was asked before. */
function startPinger(host: Host): () => Promise<Waits> {
  const script = fileURLToPath(new URL('./parts/pinger.js', import.meta.url))
  const child: ChildProcess = host.start(process.execPath, [script, VIP, String(PORT)], {
    isTalkedTo: true,
  })
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  return async () => {
    child.stdin!.write('\n')
    const { value } = await lines.next()
    return JSON.parse(value as string) as Waits
  }
}

/** Seconds of CPU, user and system. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND
}

/** How long the command takes to list an empty table, beside a program that does nothing. Alternately; the best. */
function compareStarts(host: Host): void {
  const commands = { 'node -e 0': ['-e', '0'], 'bin/ipvsadm -Ln': [IPVSADM, '-Ln'] }
  const best = Object.fromEntries(Object.keys(commands).map((name) => [name, Infinity]))
  for (let i = 0; i < STARTS; i++) {
    for (const [name, words] of Object.entries(commands)) {
      const startMs = performance.now()
      const { status } = host.run(() => spawnSync(process.execPath, words))
      if (status !== 0) throw new Error(`${name} ended with ${status}`)
      best[name] = Math.min(best[name]!, performance.now() - startMs)
    }
  }
  const node = best['node -e 0']!
  printTable([
    ['start', 'ms', 'times node'],
    ...Object.entries(best).map(([name, ms]) => [name, ms.toFixed(0), (ms / node).toFixed(2)]),
  ])
}

function build(lan: Lan): void {
  for (const network of ['net1', 'net2']) lan.addNetwork(network)
  for (const name of ['client', 'director', 'server', 'peer']) lan.addHost(name)
  const [client, director, server] = ['client', 'director', 'server'].map((name) => lan.host(name))
  lan.plug(client!, 'net1')
  lan.plug(director!, 'net1')
  lan.plug(director!, 'net2')
  lan.plug(server!, 'net2')
  client!.addAddress('net1', '10.1.0.2', 24)
  director!.addAddress('net1', '10.1.0.1', 24)
  director!.addAddress('net1', VIP, 32)
  director!.addAddress('net2', '10.2.0.1', 24)
  server!.addAddress('net2', '10.2.0.11', 24)
  server!.setDefaultRoute('10.2.0.1')
  // Somebody who is never there: real servers are asked for, and nobody answers.
  director!.setDefaultRoute('10.2.0.254')
}
