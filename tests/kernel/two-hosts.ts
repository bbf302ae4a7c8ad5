/**
 * Two hosts on one cable, each a network namespace of the test's own:
 *
 *      host `a`                          host `b`
 *      eth0 ────────── veth ──────────── eth0
 *      10.0.0.1/24                       10.0.0.2/24
 *      2001:db8::1/64                    2001:db8::2/64
 *      fe80::1/64                        fe80::2/64
 *
 * The namespaces have no names: this process holds them by descriptor, and they are gone with it, however it ends.
 * No host speaks unasked: addresses are not announced, nor looked for on the link first.
 */
import { execFileSync } from 'node:child_process'
import { addAddress, listAddresses } from '../../src/kernel/netlink/address.ts'
import { close, setns, unshare } from '../../src/kernel/ffi.ts'
import { addVeth, changeLink, getLink, type Link } from '../../src/kernel/netlink/link.ts'
import type { NetlinkSocket } from '../../src/kernel/netlink/netlink.ts'
import { inNamespace, openOwnNamespace } from '../../src/kernel/netns.ts'
import { openRtnetlink } from '../../src/kernel/netlink/rtnetlink.ts'
import { writeSysctl } from '../../src/kernel/sysctl.ts'
import { until } from './own-network.ts'

const CLONE_NEWNET = 0x40000000

export interface Host {
  /** An open descriptor. */
  readonly namespace: number
  /** For requests to this host's kernel. */
  readonly socket: NetlinkSocket
  readonly eth0: Link
  /** What `ip` prints there; arguments are separated by spaces. Its complaints are in the error. */
  ip(args: string): string
  /** What `ip -j -d` says there: the second opinion. */
  ipJson(args: string): readonly Record<string, unknown>[]
}

export interface TwoHosts {
  readonly a: Host
  readonly b: Host
  /** May be called twice. */
  remove(): void
}

/** Ready for traffic. Throws KernelError; nothing is left then. */
export async function createTwoHosts(): Promise<TwoHosts> {
  const undo: (() => void)[] = []
  const remove = () => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) step()
  }
  try {
    const [a, b] = [openHost(undo), openHost(undo)]
    addVeth(a.socket, { name: 'eth0' }, { name: 'eth0', namespace: b.namespace })
    setUp(a, 1)
    setUp(b, 2)
    await until('both hosts are ready', () => isReady(a) && isReady(b))
    return { a: describe(a), b: describe(b), remove }
  } catch (error) {
    remove()
    throw error
  }
}

type OpenHost = Pick<Host, 'namespace' | 'socket'>

function openHost(undo: (() => void)[]): OpenHost {
  const namespace = openNewNamespace()
  undo.push(() => close(namespace))
  const socket = openRtnetlink(namespace)
  undo.push(() => socket.close())
  inNamespace(namespace, () => writeSysctl('net.ipv6.conf.default.addr_gen_mode', 1))
  return { namespace, socket }
}

function openNewNamespace(): number {
  const own = openOwnNamespace()
  try {
    unshare(CLONE_NEWNET)
    try {
      return openOwnNamespace()
    } finally {
      setns(own, CLONE_NEWNET)
    }
  } finally {
    close(own)
  }
}

function setUp({ socket }: OpenHost, number: number): void {
  for (const name of ['lo', 'eth0']) {
    changeLink(socket, getLink(socket, name)!.index, { isUp: true })
  }
  const { index: interfaceIndex } = getLink(socket, 'eth0')!
  addAddress(socket, { interfaceIndex, ip: `10.0.0.${number}`, bits: 24 })
  for (const prefix of ['2001:db8::', 'fe80::']) {
    addAddress(socket, { interfaceIndex, ip: `${prefix}${number}`, bits: 64, noDad: true })
  }
}

/** A cable takes the kernel a moment, and addresses wait for it. */
function isReady({ socket }: OpenHost): boolean {
  const isRunning = getLink(socket, 'eth0')!.isRunning
  return isRunning && listAddresses(socket).every((address) => !address.isTentative)
}

function describe({ namespace, socket }: OpenHost): Host {
  const ip = (args: string) =>
    inNamespace(namespace, () =>
      execFileSync('ip', args.split(' '), { encoding: 'utf8', stdio: 'pipe' }),
    )
  return {
    namespace,
    socket,
    eth0: getLink(socket, 'eth0')!,
    ip,
    ipJson: (args) => JSON.parse(ip(`-j -d ${args}`)) as Record<string, unknown>[],
  }
}
