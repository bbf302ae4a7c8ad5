/**
 * The backup's part of connection synchronisation: takes a master's messages, and has the tables learn from them
 * (wire/sync-message.ts, director/sync/learner.ts).
 */
import type { Director } from '../director/director.ts'
import type { SyncDaemon } from '../director/model.ts'
import { SyncLearner } from '../director/sync/learner.ts'
import { sysctl } from '../director/sysctls.ts'
import { MulticastReceiver } from '../kernel/packet/multicast-socket.ts'
import { parseSyncMessage } from '../wire/sync-message.ts'

export class SyncBackup {
  readonly counts = {
    messagesReceived: 0,
    connectionsReceived: 0,
    /** Messages, or the rest of them, that make no sense. */
    malformed: 0,
    otherSyncId: 0,
  }
  readonly learner: SyncLearner
  readonly #daemon: SyncDaemon
  readonly #ports: number
  /** Makes the tables in use those of `director`, at this time. */
  readonly #use: () => void
  #receivers: MulticastReceiver[] = []

  constructor(daemon: SyncDaemon, ports: number, director: Director, use: () => void) {
    this.#daemon = daemon
    this.#ports = ports
    this.#use = use
    this.learner = new SyncLearner(director)
  }

  /** Listens on this interface from now on. Throws KernelError, and then on none. */
  open(interfaceIndex: number): void {
    this.close()
    const { group, port, maxLength } = this.#daemon
    const bufferBytes = sysctl('sync_sock_size')
    try {
      for (let i = 0; i < this.#ports; i++) {
        const place = { interfaceIndex, group, port: port + i, bufferBytes }
        this.#receivers.push(
          MulticastReceiver.open(place, maxLength, (message) => this.#take(message)),
        )
      }
    } catch (error) {
      this.close()
      throw error
    }
  }

  close(): void {
    for (const receiver of this.#receivers) receiver.close()
    this.#receivers = []
  }

  #take(bytes: Uint8Array): void {
    this.counts.messagesReceived++
    const message = parseSyncMessage(bytes)
    if (message === undefined) {
      this.counts.malformed++
      return
    }
    const { syncId } = this.#daemon
    if (syncId !== 0 && message.syncId !== syncId) {
      this.counts.otherSyncId++
      return
    }
    if (message.problem !== null) this.counts.malformed++
    this.counts.connectionsReceived += message.records.length + message.skipped
    this.learner.counts.unknown += message.skipped
    this.#use()
    for (const record of message.records) this.learner.take(record)
  }
}
