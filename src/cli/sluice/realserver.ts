/**
 * `sluice realserver`: gives this host the VIPs of a director, quietly, and takes them away again at the end.
 */
import { Option, type Command } from 'commander'
import { familyOf, parseIp, parsePrefix, prefixContains } from '../../base/ip.ts'
import type { RealServer, SetupRefusal } from '../../realserver/real-server.ts'
import { GUE_PORT } from '../../wire/gue.ts'
import { Exit, Failure } from './exit.ts'

interface RealServerOptions {
  readonly vip: readonly string[]
  readonly mode: 'dr' | 'tun'
  readonly interface?: string
  readonly engine: 'auto' | 'kernel' | 'v8'
  readonly attach: 'auto' | 'xdp' | 'tc'
  readonly director?: readonly string[]
  readonly guePort: number
  readonly name?: string
  readonly json: boolean
}

/** No service's address: this host, this link, everybody. */
const NO_VIPS = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3', '::/127', 'fe80::/10']
  .concat('ff00::/8', '::ffff:0:0/96')
  .map((text) => parsePrefix(text)!)

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export function describe(command: Command): void {
  command
    .description(
      'Be a real server: have the VIPs on lo, keep quiet about them, end the tunnels.\n' +
        'Shows what it changes, prints READY on stderr when all is in place, and undoes it when it ends\n' +
        '(SIGINT, SIGTERM, SIGHUP). After kill -9 the VIPs stay, tunnels that end in the kernel end there\n' +
        'still, and the same command takes over what was left.',
    )
    .addOption(
      new Option('--vip <ip>', 'an address of the virtual services; may be given several times')
        .argParser(oneMore)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--mode <mode>', 'the forwarding method: as it is (-g), or in a tunnel (-i)')
        .choices(['dr', 'tun'])
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--engine <engine>', 'where tunnels end: in the kernel, in this process (v8)')
        .choices(['auto', 'kernel', 'v8'])
        .default('auto'),
    )
    .addOption(
      new Option('--attach <place>', 'where the kernel engine sits on an interface')
        .choices(['auto', 'xdp', 'tc'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--director <ip>',
        'who may send tunnel packets; may be given several times (default: everybody)',
      ).argParser(oneMore),
    )
    .addOption(
      new Option('--gue-port <port>', "the UDP port of GUE tunnels (ipvsadm's --tun-port)")
        .argParser(readPort)
        .default(GUE_PORT),
    )
    .option(
      '--interface <name>',
      'the one that ARP requests for the VIPs come in on (default: the one of the default route,\n' +
        'or the only one with a global address)',
    )
    .option(
      '--name <name>',
      'of what is in the kernel, for `sluice detach` (default: realserver-…)',
    )
    .option('--json', 'tell the changes as JSON, one object a line', false)
    .action(run)
}

function oneMore(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text]
}

async function run(options: RealServerOptions): Promise<void> {
  const vips = readVips(options.vip)
  const directors = readDirectors(options.director ?? [])
  if (process.geteuid?.() !== 0) {
    throw new Failure(Exit.lacking, 'realserver needs root (CAP_NET_ADMIN and CAP_NET_RAW).')
  }
  const text = await import('../../realserver/report.ts')
  const say = (lines: readonly string[]) => {
    if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`)
  }
  const signal = awaitSignal() // first: one that comes while things are being changed waits until they are
  try {
    const server = await open(options, vips, directors, (refusal) =>
      process.stderr.write(`sluice: ${text.formatRefusal(refusal)}\n`),
    )
    process.once('exit', () => server.close()) // also after an uncaught exception
    const { report } = server
    say(options.json ? [text.reportToJson(report)] : text.formatReport(report))
    process.stderr.write(`READY with ${vips.join(', ')}\n`)
    await signal.received
    const end = server.close()
    say(options.json ? [text.endToJson(end)] : text.formatEnd(end))
  } finally {
    signal.forget()
  }
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port >= 1 && port <= 0xffff) return port
  throw new Failure(Exit.usage, `--gue-port ${text}: no UDP port`)
}

/** Canonical, each once. */
function readVips(texts: readonly string[]): string[] {
  const problems = texts.flatMap((text) => problemOf(text) ?? [])
  if (problems.length > 0) throw new Failure(Exit.usage, problems.join('\n'))
  return [...new Set(texts.map((text) => parseIp(text)!))]
}

/** Canonical, each once. */
function readDirectors(texts: readonly string[]): string[] {
  const problems = texts.filter((text) => parseIp(text) === undefined)
  const lines = problems.map((text) => `--director ${text}: no IP address`)
  if (lines.length > 0) throw new Failure(Exit.usage, lines.join('\n'))
  return [...new Set(texts.map((text) => parseIp(text)!))]
}

/** Why it cannot be a VIP; undefined if it can. */
function problemOf(text: string): string | undefined {
  const ip = parseIp(text)
  if (ip === undefined) return `--vip ${text}: no IP address`
  if (!NO_VIPS.some((prefix) => prefixContains(prefix, ip))) return undefined
  const what = familyOf(ip) === 4 ? 'a unicast IPv4 address' : 'a global unicast IPv6 address'
  return `--vip ${text}: a service needs ${what}`
}

/** The first of SIGNALS; until `forget` none of them ends the process, and Node's loop stays alive. */
function awaitSignal(): { readonly received: Promise<void>; forget(): void } {
  const alive = setInterval(() => undefined, 2 ** 30)
  let resolve: () => void
  const received = new Promise<void>((settle) => (resolve = settle))
  const hear = () => resolve()
  for (const name of SIGNALS) process.on(name, hear)
  return {
    received,
    forget: () => {
      clearInterval(alive)
      for (const name of SIGNALS) process.off(name, hear)
    },
  }
}

type OnFirst = Parameters<typeof RealServer.open>[1]

async function open(
  options: RealServerOptions,
  vips: readonly string[],
  directors: readonly string[],
  onFirst: OnFirst,
): Promise<RealServer> {
  const { RealServer } = await import('../../realserver/real-server.ts')
  try {
    const { interface: interfaceName, name: instance } = options
    const wish = { ...options, vips, directors, interfaceName, instance }
    return RealServer.open(wish, onFirst)
  } catch (error) {
    if (error instanceof Error && error.name === 'KernelError') {
      throw new Failure(Exit.no, error.message)
    }
    if (!isRefusal(error)) throw error
    const status = { request: Exit.usage, occupied: Exit.no, lacking: Exit.lacking }[error.kind]
    throw new Failure(status, error.message)
  }
}

function isRefusal(error: unknown): error is SetupRefusal {
  return error instanceof Error && error.name === 'SetupRefusal'
}
