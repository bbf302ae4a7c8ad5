/**
 * A real server in its role, from `open` to `close`: the host's setup, and in TUN mode the end of the tunnels.
 *
 * All synchronous: whoever has a RealServer may `close` it in the process's last moment. A process that is killed
 * leaves the setup (and a journal for the next to find), so that the VIPs go on working; programs in the kernel go on
 * ending tunnels, too, while the decapsulator's device and sockets the kernel takes away itself.
 */
import { EngineProblem } from '../engine/engine.ts'
import { isKernelError, toKernelError } from '../kernel/errno.ts'
import type { NetlinkSocket } from '../kernel/netlink/netlink.ts'
import { openRtnetlink } from '../kernel/netlink/rtnetlink.ts'
import { Journal } from './journal.ts'
import type { Wish } from './plan.ts'
import {
  endLeftTunnels,
  TunnelEnd,
  type TunnelCounts,
  type TunnelReport,
  type TunnelWish,
} from './tunnel-end.ts'
import { Setup, type Done, type Undone } from './setup.ts'
import type { Refusal } from './unwrap.ts'

/** The rest is for TUN mode. */
export type RealServerWish = Wish & TunnelWish

/** What is in place. */
export interface Report {
  readonly mode: Wish['mode']
  readonly vips: readonly string[]
  /** The one that keeps quiet about IPv4 VIPs. */
  readonly interfaceName: string | undefined
  readonly done: readonly Done[]
  /** What was so before and stays, in sentences. */
  readonly kept: readonly string[]
  /** How tunnels end, in TUN mode. */
  readonly tunnels: TunnelReport | undefined
}

/** What was taken back. */
export interface EndReport {
  readonly undone: readonly Undone[]
  readonly tunnels: TunnelCounts | undefined
}

/** Why a real server cannot be: `problems` are sentences for whoever asked. */
export class SetupRefusal extends Error {
  override readonly name = 'SetupRefusal'
  /** Did the request not fit this host, or is it that the host already has what there can be only one of? */
  readonly kind: 'request' | 'occupied' | 'lacking'

  constructor(kind: 'request' | 'occupied' | 'lacking', problems: readonly string[]) {
    super(problems.join('\n'))
    this.kind = kind
  }
}

export class RealServer {
  readonly #netlink: NetlinkSocket
  readonly #journal: Journal
  readonly #setup: Setup
  #tunnelEnd: TunnelEnd | undefined
  #report: Report | undefined
  #isOver = false

  private constructor(netlink: NetlinkSocket, journal: Journal) {
    this.#netlink = netlink
    this.#journal = journal
    this.#setup = new Setup(netlink, journal)
  }

  /**
   * In this thread's network namespace. Nothing has changed if it throws: SetupRefusal, KernelError. `onFirst` hears of
   * the first packet refused for each reason.
   */
  static open(wish: RealServerWish, onFirst: (refusal: Refusal) => void): RealServer {
    const journal = openJournal()
    const server = new RealServer(openRtnetlink(), journal)
    try {
      server.#begin(wish, onFirst)
      return server
    } catch (error) {
      server.close()
      throw explain(error)
    }
  }

  get report(): Report {
    return this.#report!
  }

  /** Undoes everything; the second time nothing is left to do. Throws KernelError, and leaves the journal. */
  close(): EndReport {
    if (this.#isOver) return { undone: [], tunnels: undefined }
    this.#isOver = true
    const tunnels = this.#tunnelEnd?.counts()
    try {
      this.#tunnelEnd?.close()
      const undone = this.#setup.undo()
      this.#journal.remove()
      return { undone, tunnels }
    } catch (error) {
      this.#journal.close()
      throw error
    } finally {
      this.#netlink.close()
    }
  }

  #begin(wish: RealServerWish, onFirst: (refusal: Refusal) => void): void {
    const plan = this.#setup.plan(wish)
    if (plan.problems.length > 0) throw new SetupRefusal('request', plan.problems)
    this.#setup.carryOut(plan)
    if (wish.mode === 'tun') this.#tunnelEnd = TunnelEnd.open(wish, this.#netlink, onFirst)
    else endLeftTunnels(wish)
    this.#report = {
      mode: wish.mode,
      vips: wish.vips,
      interfaceName: plan.interfaceName,
      done: [...this.#setup.done],
      kept: plan.kept,
      tunnels: this.#tunnelEnd?.report,
    }
  }
}

function openJournal(): Journal {
  let journal: Journal | undefined
  try {
    journal = Journal.open()
  } catch (error) {
    throw explain(toKernelError('open the journal in /run/sluice', error))
  }
  if (journal !== undefined) return journal
  throw new SetupRefusal('occupied', [
    'another `sluice realserver` runs on this host: give one of them all the VIPs',
  ])
}

/** What the kernel does not grant, or does not have, this machine lacks. */
function explain(error: unknown): unknown {
  if (error instanceof EngineProblem) {
    return new SetupRefusal(error.isLacking ? 'lacking' : 'occupied', [error.message])
  }
  if (!isKernelError(error)) return error
  const isTunMissing = error.call.startsWith('open /dev/net/tun')
  if (!isTunMissing && !isKernelError(error, 'EPERM', 'EACCES', 'EROFS')) return error
  return new SetupRefusal('lacking', [error.message])
}
