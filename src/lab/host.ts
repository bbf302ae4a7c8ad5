/**
 * A host of the laboratory: a network namespace with a name, its interfaces, and the processes that run in it.
 *
 * Everything is asked of the kernel through rtnetlink. A process is born in the namespace, because the thread is there
 * while it forks, and in a session of its own, so that a Ctrl-C meant for the demonstration does not end it first.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { addAddress } from '../kernel/netlink/address.ts'
import { changeLink, getLink } from '../kernel/netlink/link.ts'
import type { NetlinkSocket } from '../kernel/netlink/netlink.ts'
import { createNamespace, inNamespace } from '../kernel/netns.ts'
import { addRoute } from '../kernel/netlink/route.ts'
import { openRtnetlink } from '../kernel/netlink/rtnetlink.ts'
import { hasSysctl, writeSysctl } from '../kernel/sysctl.ts'

/** Of IP. */
export type Family = 4 | 6

/** Settings a plain host of a small IPv4 network would have; set before it has any interface. */
const SETTINGS: Readonly<Record<string, number>> = {
  'net.ipv4.conf.all.rp_filter': 0,
  'net.ipv4.conf.default.rp_filter': 0,
  'net.ipv6.conf.all.disable_ipv6': 1,
  'net.ipv6.conf.default.disable_ipv6': 1,
}
/** Those of one of a small IPv6 network: nobody advertises routers, nobody has to wait for duplicates. */
const SETTINGS_6: Readonly<Record<string, number>> = {
  'net.ipv6.conf.all.disable_ipv6': 0,
  'net.ipv6.conf.default.disable_ipv6': 0,
  'net.ipv6.conf.default.accept_dad': 0,
  'net.ipv6.conf.default.accept_ra': 0,
}

export interface StartOptions {
  /** File that gets what it prints on stderr, and on stdout unless that is read. Default: nowhere. */
  readonly log?: string
  /** Ends of pipes in this process for stdin and stdout. Default: neither. */
  readonly isTalkedTo?: boolean
  readonly environment?: Readonly<Record<string, string>>
}

export class Host {
  readonly name: string
  readonly namespace: string
  readonly #socket: NetlinkSocket

  private constructor(name: string, namespace: string, socket: NetlinkSocket) {
    this.name = name
    this.namespace = namespace
    this.#socket = socket
  }

  /** `family`: which it speaks, if any. Throws KernelError: EPERM without root, EEXIST. */
  static create(name: string, namespace: string, family: Family | undefined): Host {
    createNamespace(namespace)
    const host = new Host(name, namespace, openRtnetlink(namespace))
    for (const [setting, value] of Object.entries(family === 6 ? SETTINGS_6 : SETTINGS))
      host.set(setting, value)
    host.raise('lo')
    return host
  }

  /** For requests to the kernel about this host. */
  get socket(): NetlinkSocket {
    return this.#socket
  }

  /** A network setting, by sysctl's name; passed over where this kernel has none such. */
  set(setting: string, value: number): void {
    inNamespace(this.namespace, () => {
      if (hasSysctl(setting)) writeSysctl(setting, value)
    })
  }

  indexOf(interfaceName: string): number {
    const link = getLink(this.#socket, interfaceName)
    if (link === undefined) throw new Error(`${this.name} has no interface ${interfaceName}`)
    return link.index
  }

  raise(interfaceName: string): void {
    changeLink(this.#socket, this.indexOf(interfaceName), { isUp: true })
  }

  addAddress(interfaceName: string, ip: string, bits: number): void {
    addAddress(this.#socket, {
      interfaceIndex: this.indexOf(interfaceName),
      ip,
      bits,
      noDad: true,
    })
  }

  setDefaultRoute(gateway: string): void {
    const ip = gateway.includes(':') ? '::' : '0.0.0.0'
    addRoute(this.#socket, { destination: { ip, bits: 0 }, nextHops: [{ gateway }] })
  }

  /** Is a router from now on. */
  forward(): void {
    this.set('net.ipv4.ip_forward', 1)
    this.set('net.ipv6.conf.all.forwarding', 1)
  }

  /** Runs what is synchronous as this host. */
  run<T>(task: () => T): T {
    return inNamespace(this.namespace, task)
  }

  /** Starts a program as this host. It ends with the lab, whoever forgets it. */
  start(command: string, args: readonly string[], options: StartOptions = {}): ChildProcess {
    const log = options.log === undefined ? undefined : openSync(options.log, 'a', 0o600)
    const pipe = options.isTalkedTo === true ? 'pipe' : undefined
    try {
      return this.run(() =>
        spawn(command, args, {
          detached: true,
          stdio: [pipe ?? 'ignore', pipe ?? log ?? 'ignore', log ?? 'ignore'],
          env: { ...process.env, ...options.environment },
        }),
      )
    } finally {
      if (log !== undefined) closeSync(log)
    }
  }

  close(): void {
    this.#socket.close()
  }
}
