/**
 * The daemons of connection synchronisation, as `ipvsadm --start-daemon` starts and `-L --daemon` lists them
 * (ip_vs_sync.c: start_sync_thread).
 *
 * Their state is all there is: nothing is sent or received yet. TODO(#4)
 */
import { refuse } from './check.ts'
import type { Refusal, SyncDaemon, SyncRequest, SyncRole } from './model.ts'

const GROUP_DEFAULT = '224.0.0.81'
const PORT_DEFAULT = 8848
const TTL_DEFAULT = 1

/** Bytes of a message: what a master sends unless told otherwise, and the least a backup has room for. */
const MTU_DEFAULT = 1500
const BACKUP_MTU_MAX = 65535
const BACKUP_LENGTH_MIN = 1024
const DATAGRAM_MAX = 65535
/** IP and UDP headers. */
const HEADERS = { 4: 20 + 8, 6: 40 + 8 } as const

export class SyncDaemons {
  readonly #running = new Map<SyncRole, SyncDaemon>()

  /** `mtu`: of the interface asked for; undefined: there is none of that name. */
  start(request: SyncRequest, mtu: number | undefined): Refusal | null {
    if (mtu === undefined) return refuse('ENODEV', `there is no interface ${request.interface}`)
    if (this.#running.has(request.role)) {
      return refuse('EEXIST', `the ${request.role} synchronisation daemon runs already`)
    }
    this.#running.set(request.role, {
      ...request,
      group: request.group ?? GROUP_DEFAULT,
      port: request.port === 0 ? PORT_DEFAULT : request.port,
      ttl: request.ttl === 0 ? TTL_DEFAULT : request.ttl,
      maxLength: lengthOf(request, mtu),
    })
    return null
  }

  stop(role: SyncRole): Refusal | null {
    if (this.#running.delete(role)) return null
    return refuse('ESRCH', `no ${role} synchronisation daemon runs`)
  }

  /** While one runs, no service may have servers of another address family: the protocol cannot tell them. */
  get isAny(): boolean {
    return this.#running.size > 0
  }

  /** The master first. */
  list(): SyncDaemon[] {
    return (['master', 'backup'] as const).flatMap((role) => this.#running.get(role) ?? [])
  }
}

function lengthOf({ role, maxLength, group }: SyncRequest, mtu: number): number {
  const headers = HEADERS[group?.includes(':') === true ? 6 : 4]
  const isBackup = role === 'backup'
  if (maxLength > 0) {
    return Math.min(Math.max(maxLength, isBackup ? BACKUP_LENGTH_MIN : 1), DATAGRAM_MAX - headers)
  }
  const ownMtu = isBackup ? Math.min(Math.max(mtu, MTU_DEFAULT), BACKUP_MTU_MAX) : MTU_DEFAULT
  return ownMtu - headers
}
