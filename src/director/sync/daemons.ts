/**
 * The daemons of connection synchronisation that run, as `ipvsadm --start-daemon` starts and `-L --daemon` lists them
 * (ip_vs_sync.c: start_sync_thread). Who sends and receives for them is daemon/synchronisation.ts.
 *
 * They are kept in rows of `tables.sysctls` that no switch has, so that the next daemon goes on with them:
 *
 *     FIRST_ROW + 12 × role
 *        + 0      runs << 24 | time to live << 8 | sync id
 *        + 1      port << 16 | length of messages
 *        + 2      name of the interface, 16 bytes
 *        + 6      group, four words
 *
 * The first word is written last, and alone says whether it runs.
 */
import { ipToWords, wordsToIp } from '../../base/ip.ts'
import { SYNC_GROUP_4, SYNC_PORT } from '../../wire/sync-message.ts'
import * as tables from '../../dataplane/tables.ts'
import { refuse } from '../check.ts'
import type { Refusal, SyncDaemon, SyncRequest, SyncRole } from '../model.ts'
import { sysctl } from '../sysctls.ts'

const TTL_DEFAULT = 1

/** Bytes of a message: what a master sends unless told otherwise, and the least a backup has room for. */
const MTU_DEFAULT = 1500
const BACKUP_MTU_MAX = 65535
const BACKUP_LENGTH_MIN = 1024
const DATAGRAM_MAX = 65535
/** IP and UDP headers. */
const HEADERS = { 4: 20 + 8, 6: 40 + 8 } as const

const FIRST_ROW = 40
const ROWS = 12
const NAME_BYTES = 16
const RUNS = 1 << 24
/** The master first. */
const ROLES: readonly SyncRole[] = ['master', 'backup']

export class SyncDaemons {
  readonly #running = new Map<SyncRole, SyncDaemon>()

  /** Of fresh tables, or those of an earlier daemon, which ran what they say. */
  constructor() {
    for (const role of ROLES) {
      const daemon = readDaemon(role)
      if (daemon !== undefined) this.#running.set(role, daemon)
    }
  }

  /** `mtu`: of the interface asked for; undefined: there is none of that name. */
  start(request: SyncRequest, mtu: number | undefined): Refusal | null {
    if (mtu === undefined) return refuse('ENODEV', `there is no interface ${request.interface}`)
    if (this.#running.has(request.role)) {
      return refuse('EEXIST', `the ${request.role} synchronisation daemon runs already`)
    }
    const daemon = {
      ...request,
      group: request.group ?? SYNC_GROUP_4,
      port: request.port === 0 ? SYNC_PORT : request.port,
      ttl: request.ttl === 0 ? TTL_DEFAULT : request.ttl,
      maxLength: lengthOf(request, mtu),
    }
    this.#running.set(request.role, daemon)
    writeDaemon(daemon)
    return null
  }

  stop(role: SyncRole): Refusal | null {
    if (!this.#running.delete(role)) {
      return refuse('ESRCH', `no ${role} synchronisation daemon runs`)
    }
    rowOf(role, 0).value = 0
    return null
  }

  find(role: SyncRole): SyncDaemon | undefined {
    return this.#running.get(role)
  }

  /** While one runs, no service may have servers of another address family: the protocol cannot tell them. */
  get isAny(): boolean {
    return this.#running.size > 0
  }

  /** Is every packet the host's? backup_only says so of a backup alone (sysctl_backup_only, ip_vs.h). */
  get leavesToHost(): boolean {
    const isBackupAlone = this.#running.has('backup') && !this.#running.has('master')
    return isBackupAlone && sysctl('backup_only') !== 0
  }

  list(): SyncDaemon[] {
    return ROLES.flatMap((role) => this.#running.get(role) ?? [])
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

function rowOf(role: SyncRole, word: number): { value: number } {
  return tables.sysctls.row(FIRST_ROW + ROLES.indexOf(role) * ROWS + word)
}

function writeDaemon(daemon: SyncDaemon): void {
  const { role, syncId, ttl, port, maxLength } = daemon
  rowOf(role, 1).value = ((port << 16) | maxLength) >>> 0
  const name = Buffer.alloc(NAME_BYTES)
  name.write(daemon.interface)
  for (let i = 0; i < NAME_BYTES / 4; i++) rowOf(role, 2 + i).value = name.readUInt32LE(4 * i)
  ipToWords(daemon.group).forEach((word, i) => (rowOf(role, 6 + i).value = word))
  rowOf(role, 0).value = RUNS | (ttl << 8) | syncId
}

function readDaemon(role: SyncRole): SyncDaemon | undefined {
  const first = rowOf(role, 0).value
  if ((first & RUNS) === 0) return undefined
  const name = Buffer.alloc(NAME_BYTES)
  for (let i = 0; i < NAME_BYTES / 4; i++) name.writeUInt32LE(rowOf(role, 2 + i).value, 4 * i)
  const group = [6, 7, 8, 9].map((word) => rowOf(role, word).value)
  const lengths = rowOf(role, 1).value
  return {
    role,
    interface: name.toString().replace(/\0.*$/s, ''),
    syncId: first & 0xff,
    ttl: (first >>> 8) & 0xff,
    port: lengths >>> 16,
    maxLength: lengths & 0xffff,
    group: wordsToIp(group[0]!, group[1]!, group[2]!, group[3]!),
  }
}
