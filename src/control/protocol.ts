/**
 * What can be asked of a running daemon over its control socket.
 *
 * A Unix stream socket, mode 0600. One JSON object a line: the client sends `{"id":1,"call":"service.add",
 * "with":{…}}`, the daemon answers `{"id":1,"result":…}` or `{"id":1,"error":{"errno":"EEXIST","message":…}}`.
 * A long answer comes in parts: any number of `{"id":1,"part":[…]}` lines before a final `{"id":1,"result":[…]}`, the
 * arrays to be joined. Calls of one client are answered in order; a client may send the next before the answer.
 */
import type {
  ConnectionRow,
  LocalAddressListing,
  MarkRule,
  ServerKey,
  ServerSettings,
  ServiceKey,
  ServiceListing,
  ServiceProtocol,
  ServiceSettings,
  SyncDaemon,
  SyncRequest,
  SyncRole,
  SysctlListing,
  TableChange,
  Timeouts,
} from '../director/model.ts'

export interface DaemonStatus {
  readonly version: string
  readonly pid: number
  readonly engine: 'v8' | 'kernel'
  readonly uptimeS: number
  readonly interfaces: readonly {
    readonly name: string
    readonly how: string
    readonly mac: string
  }[]
  readonly services: number
  readonly servers: number
  readonly connections: number
  readonly connectionsMax: number
  /** Destinations that lblc and lblcr remember, and room for them. */
  readonly localities: number
  readonly localitiesMax: number
  /** Packets by what became of them: every frame counts under exactly one name. */
  readonly reasons: Readonly<Record<string, number>>
  /** Engine's own counters: frames received, sent, lost in a ring, injected… */
  readonly engineCounters: Readonly<Record<string, number>>
  /** Of connection synchronisation: messages and connections; none while no daemon of it runs. */
  readonly synchronisation: Readonly<Record<string, number>>
}

/** A step of `explain`. */
export interface ExplainedStep {
  readonly step: string
  readonly text: string
}
export interface Explanation {
  readonly verdict: string
  readonly reason: string
  readonly service: string | null
  readonly server: string | null
  readonly steps: readonly ExplainedStep[]
}

/** A change of a table to be, and where it was read: a line of a file, counted from 1. */
export type ListedChange = TableChange & { readonly line: number }

/** Why a table cannot be had: the first of its lines that is refused, and so on. */
export interface ListedRefusal {
  readonly line: number
  readonly call: TableChange['call']
  readonly errno: string
  readonly message: string
}

/** Every call: its parameters and its result. */
export interface Calls {
  status: { with: Record<string, never>; result: DaemonStatus }
  /** connectionTableSize is what `ipvsadm -L` prints as (size=…). */
  'ipvs.version': {
    with: Record<string, never>
    result: { version: string; connectionTableSize: number }
  }
  /** All services, or the one named (ESRCH if there is none). */
  'service.list': { with: { service?: ServiceKey }; result: ServiceListing[] }
  'service.add': { with: { service: ServiceKey; settings: ServiceSettings }; result: null }
  'service.edit': { with: { service: ServiceKey; settings: ServiceSettings }; result: null }
  'service.delete': { with: { service: ServiceKey }; result: null }
  /** Zeroes counters of one service or, without one, of all. */
  'service.zero': { with: { service?: ServiceKey }; result: null }
  'service.flush': { with: Record<string, never>; result: null }
  'server.add': {
    with: { service: ServiceKey; server: ServerKey; settings: ServerSettings }
    result: null
  }
  'server.edit': {
    with: { service: ServiceKey; server: ServerKey; settings: ServerSettings }
    result: null
  }
  'server.delete': { with: { service: ServiceKey; server: ServerKey }; result: null }
  'local.add': { with: { service: ServiceKey; address: string }; result: null }
  'local.delete': { with: { service: ServiceKey; address: string }; result: null }
  'local.list': {
    with: { service?: ServiceKey }
    result: { service: ServiceKey; locals: LocalAddressListing[] }[]
  }
  /**
   * A new table in place of the old one, all or nothing: begin one, put changes into it (they are tried on a table that
   * is empty at first), commit it. What is the same in both is not touched. A commit says what was refused, if anything
   * was; then nothing changes. A table that nobody commits is forgotten after a while.
   */
  'table.begin': { with: Record<string, never>; result: { table: number } }
  'table.put': { with: { table: number; changes: readonly ListedChange[] }; result: null }
  'table.commit': { with: { table: number }; result: readonly ListedRefusal[] }
  /** Rules that give firewall marks, in their order: the first that fits counts. */
  'mark.list': { with: Record<string, never>; result: MarkRule[] }
  /** Puts these in the place of all there are, at once. */
  'mark.set': { with: { rules: readonly MarkRule[] }; result: null }
  /** Before the rule that is number `at` now, counted from 1; behind all without it. */
  'mark.add': { with: { rules: readonly MarkRule[]; at?: number }; result: null }
  /** The first that says the same (ESRCH if none does). */
  'mark.delete': { with: { rule: MarkRule }; result: null }
  'sysctl.list': { with: Record<string, never>; result: SysctlListing[] }
  'sysctl.set': { with: { name: string; value: number }; result: null }
  'connection.list': { with: Record<string, never>; result: ConnectionRow[] }
  'timeouts.get': { with: Record<string, never>; result: Timeouts }
  'timeouts.set': { with: Timeouts; result: null }
  'sync.list': { with: Record<string, never>; result: SyncDaemon[] }
  'sync.start': { with: SyncRequest; result: null }
  'sync.stop': { with: { role: SyncRole }; result: null }
  explain: {
    with: { client: ServerKey; virtual: ServerKey; protocol: ServiceProtocol }
    result: Explanation
  }
}

export type CallName = keyof Calls

/** Calls that take many turns of the daemon's loop: a client's next call begins when such a one is answered. */
export const LONG_CALLS: ReadonlySet<CallName> = new Set([
  'service.flush',
  'service.zero',
  'table.commit',
])

/** Where the daemon listens unless `--socket` or SLUICE_SOCKET says otherwise. */
export const DEFAULT_SOCKET_PATH = '/run/sluice/sluice.sock'

/** Bytes a client may send without ending its line. */
export const LINE_MAX = 1 << 20
/** Rows in one part of a long answer, but for connections: of those a part may have 2^20 bytes. */
export const PART_ROWS = 4096
