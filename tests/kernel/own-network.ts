/**
 * A network of the test's own: a namespace that only this process and its children are in, and that is gone
 * with the last of them, however they end.
 */
import { execFileSync, spawn } from 'node:child_process'
import { extname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { unshare } from '../../src/kernel/ffi.ts'
import { SLOWNESS } from '../../src/lab/slowness.ts'

const CLONE_NEWNET = 0x40000000

/** Why tests that need root cannot run here; false if they can. In CI they must. */
export const notRoot: string | false =
  process.getuid?.() === 0 || process.env['CI'] !== undefined ? false : 'needs root'

/** From now on this thread, and what it starts, is in a network with nothing but a loopback device. */
export function enterOwnNetwork(): void {
  unshare(CLONE_NEWNET)
  ip('link set lo up')
}

/** Runs `ip` with arguments separated by spaces, and returns what it prints. */
export function ip(args: string): string {
  return execFileSync('ip', args.split(' '), { encoding: 'utf8' })
}

export interface Link {
  readonly name: string
  readonly index: number
  readonly mac: Uint8Array
}

export function linkOf(name: string): Link {
  const [link] = JSON.parse(ip(`-j link show dev ${name}`)) as [
    { ifindex: number; address: string },
  ]
  return { name, index: link.ifindex, mac: Buffer.from(link.address.replaceAll(':', ''), 'hex') }
}

/** Two ends of a cable, up, without a word of IPv6 of their own. */
export function addVeth(one: string, other: string): [Link, Link] {
  ip(`link add ${one} type veth peer name ${other}`)
  for (const name of [one, other]) {
    ip(`link set ${name} addrgenmode none`)
    ip(`link set ${name} up`)
  }
  return [linkOf(one), linkOf(other)]
}

/** Waits until `isTrue`, for 5 seconds at most. */
export async function until(what: string, isTrue: () => boolean): Promise<void> {
  const end = performance.now() + 5000 * SLOWNESS
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`not in ${5 * SLOWNESS} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export interface Peer {
  /** What it printed so far. */
  output: string
  /** Bytes and hash, once it is done. */
  readonly result: Promise<string>
}

/** Starts peer.ts with `link` as its cable; ends with the test. */
export async function startPeer(
  context: TestContext,
  link: string,
  ...args: string[]
): Promise<Peer> {
  const here = fileURLToPath(import.meta.url)
  const script = join(here, '..', `peer${extname(here)}`) // compiled or not
  const child = spawn(process.execPath, [...process.execArgv, script, link, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  context.after(() => child.kill('SIGKILL'))
  let finish: (result: string) => void
  const peer: Peer = { output: '', result: new Promise((resolve) => (finish = resolve)) }
  child.stdout.on('data', (chunk) => {
    peer.output += String(chunk)
    const done = /done (.*)\n/.exec(peer.output)?.[1]
    if (done !== undefined) finish(done)
  })
  await until(`a peer for ${link}`, () => peer.output.includes('ready'))
  ip(`link set ${link} netns ${child.pid}`)
  child.stdin.write('go\n')
  return peer
}
