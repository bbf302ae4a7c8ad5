/**
 * Connection synchronisation with other directors: the daemons that `ipvsadm --start-daemon` starts, at work.
 *
 *   SyncDaemons (what runs) ──► SyncMaster: table ──► multicast
 *            │            └───► SyncBackup: multicast ──► table
 *            └─ after a restart, and whenever the interface is there again: opened anew
 *
 * As in IPVS both may run at once, on interfaces, groups and with sync ids of their own.
 */
import type { Director } from '../director/director.ts'
import type { OwnAddress } from '../director/hops/hop-source.ts'
import type { Refusal, SyncDaemon, SyncRequest, SyncRole } from '../director/model.ts'
import type { IsHeard } from '../director/sync/scan.ts'
import { sysctl } from '../director/sysctls.ts'
import { isKernelError, type KernelError } from '../kernel/errno.ts'
import type { Link } from '../kernel/netlink/link.ts'
import type { Log } from './log.ts'
import { SyncBackup } from './sync-backup.ts'
import { SyncMaster, TICKS_A_SECOND } from './sync-master.ts'

export interface SyncSurroundings {
  readonly director: Director
  /** Makes the director's tables the ones in use, at this time. */
  use(): void
  readonly log: Log
}

/** What a daemon is open on. */
interface Opened {
  /** Interface and addresses, as text; null: nothing, since that failed or the interface is away. */
  on: string | null
  /** What was last told of it. */
  told: string | null
}

const ERRNOS = new Set(['ENODEV', 'EINVAL', 'ENETUNREACH', 'EADDRNOTAVAIL', 'EADDRINUSE'] as const)

export class Synchronisation {
  readonly #with: SyncSurroundings
  readonly #opened: Record<SyncRole, Opened> = {
    master: { on: null, told: null },
    backup: { on: null, told: null },
  }
  #master: SyncMaster | undefined
  #backup: SyncBackup | undefined
  /** How many UDP ports the daemons use: as many as when the first was started. */
  #ports = 1
  #links: readonly Link[] = []
  #addresses: readonly OwnAddress[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(surroundings: SyncSurroundings) {
    this.#with = surroundings
    this.keepBackupOnly()
  }

  /** Also when backup_only was set: whether this director forwards. */
  keepBackupOnly(): void {
    this.#with.use()
    const { sync, roles } = this.#with.director
    roles.setSuspended(sync.leavesToHost)
  }

  /** The network changed; what an earlier daemon left running begins with the first call. */
  takeNetwork(links: readonly Link[], addresses: readonly OwnAddress[]): void {
    this.#links = links
    this.#addresses = addresses
    for (const daemon of this.#with.director.sync.list()) {
      const error = this.#keepOpen(daemon)
      const link = this.#linkOf(daemon)
      if (link === undefined) this.#tell(daemon, `waits for interface ${daemon.interface}`)
      else if (error !== null || !this.#isTroubled(daemon)) {
        this.#tell(daemon, error?.message ?? null)
      }
    }
  }

  /** A master whose messages cannot be sent: the next that leaves ends that, not the network's next change. */
  #isTroubled({ role }: SyncDaemon): boolean {
    return role === 'master' && (this.#master?.problem ?? null) !== null
  }

  start(request: SyncRequest): Refusal | null {
    const { sync } = this.#with.director
    const mtu = this.#links.find(({ name }) => name === request.interface)?.mtu
    const refusal = this.#with.director.startSync(request, mtu)
    if (refusal !== null) return refusal
    const error = this.#keepOpen(sync.find(request.role)!)
    if (error === null) {
      this.keepBackupOnly()
      return null
    }
    this.stop(request.role)
    const errno = [...ERRNOS].find((name) => name === error.code) ?? 'EIO'
    return { errno, message: `the ${request.role} synchronisation daemon: ${error.message}` }
  }

  stop(role: SyncRole): Refusal | null {
    const refusal = this.#with.director.sync.stop(role)
    if (refusal === null) this.#end(role)
    this.keepBackupOnly()
    return refusal
  }

  #end(role: SyncRole): void {
    this.#opened[role] = { on: null, told: null }
    if (role === 'master') {
      this.#master?.close()
      this.#master = undefined
    } else {
      this.#backup?.close()
      this.#backup = undefined
    }
    if (this.#master !== undefined || this.#backup !== undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Real servers were added: connections that waited for theirs may be bound. */
  serversChanged(): void {
    this.#backup?.learner.serversChanged()
  }

  /** Numbers for people; none while no daemon runs. */
  counters(): Record<string, number> {
    const [master, backup] = [this.#master, this.#backup]
    return {
      ...(master && { ...master.counts, messagesWaiting: master.waiting, walks: master.walks }),
      ...(backup && {
        ...backup.counts,
        ...backup.learner.counts,
        waitingNow: backup.learner.waiting,
      }),
    }
  }

  /** No further message; what runs is not forgotten. */
  close(): void {
    for (const role of ['master', 'backup'] as const) this.#end(role)
  }

  #linkOf(daemon: SyncDaemon): Link | undefined {
    return this.#links.find(({ name }) => name === daemon.interface)
  }

  /** Has the daemon's sockets open on its interface as that is now, if it is there. An error: they are not. */
  #keepOpen(daemon: SyncDaemon): KernelError | null {
    const opened = this.#opened[daemon.role]
    const link = this.#linkOf(daemon)
    const part = this.#partOf(daemon)
    if (link === undefined) {
      part.close()
      opened.on = null
      return null
    }
    const on = daemon.role === 'backup' ? String(link.index) : this.#senderKey(link)
    if (opened.on === on) return null
    opened.on = null
    try {
      part.open(link.index)
    } catch (error) {
      if (!isKernelError(error)) throw error
      return error
    }
    opened.on = on
    return null
  }

  /** A sender has the source address of when it was opened. */
  #senderKey({ index, isUp }: Link): string {
    const own = this.#addresses.filter(({ interfaceIndex }) => interfaceIndex === index)
    return `${index} ${isUp} ${own.map(({ ip }) => ip).join()}`
  }

  #partOf(daemon: SyncDaemon): SyncMaster | SyncBackup {
    this.#with.use()
    if (this.#master === undefined && this.#backup === undefined) this.#ports = sysctl('sync_ports')
    this.#timer ??= setInterval(() => this.#tick(), 1000 / TICKS_A_SECOND)
    const { director, use } = this.#with
    if (daemon.role === 'master') {
      const isHeard: IsHeard = (line, end) => this.#backup?.learner.isAsLearnt(line, end) ?? false
      return (this.#master ??= new SyncMaster(daemon, this.#ports, isHeard))
    }
    return (this.#backup ??= new SyncBackup(daemon, this.#ports, director, () => use()))
  }

  #tick(): void {
    this.#with.use()
    this.#backup?.learner.tryWaiting()
    if (this.#master === undefined || this.#opened.master.on === null) return
    this.#master.tick()
    const { problem } = this.#master
    const daemon = this.#with.director.sync.find('master')!
    this.#tell(daemon, problem && `its messages cannot be sent (${problem})`)
  }

  /** Once, until it is something else. null: all is well. */
  #tell(daemon: SyncDaemon, text: string | null): void {
    const opened = this.#opened[daemon.role]
    if (opened.told === text) return
    opened.told = text
    const who = `the ${daemon.role} synchronisation daemon`
    if (text === null) this.#with.log('info', `${who} is at work again on ${daemon.interface}`)
    else this.#with.log('warning', `${who}: ${text}`)
  }
}
