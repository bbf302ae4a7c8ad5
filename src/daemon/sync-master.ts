/**
 * The master's part of connection synchronisation: walks the table, some lines at a time, and multicasts what changed
 * (director/sync/scan.ts, wire/sync-writer.ts).
 *
 * All lines have their turn once a second; what is told then leaves with its message within a fifth of a second more.
 * Where there is no room for messages they wait, and so does the walk: what changes meanwhile is told later. What the
 * network refuses is lost; when it takes messages again all is told anew, as when a master starts.
 */
import type { SyncDaemon } from '../director/model.ts'
import { SyncScan, type IsHeard } from '../director/sync/scan.ts'
import { sysctl } from '../director/sysctls.ts'
import * as tables from '../dataplane/tables.ts'
import { MulticastSender } from '../kernel/packet/multicast-socket.ts'
import { SyncWriter } from '../wire/sync-writer.ts'
import type { SyncRecord } from '../wire/sync-message.ts'

export const TICKS_A_SECOND = 50
/** A message that is not full leaves after so many ticks. */
const FLUSH_TICKS = 10
/** All is told anew so often at most: of several ports some may be refused for long, and some not. */
const ANEW_TICKS = 60 * TICKS_A_SECOND
/** 65 000 connections a second, in bursts that fit a backup's socket buffer. */
const RECORDS_A_TICK = 1300

interface Waiting {
  readonly port: number
  readonly message: Uint8Array
}

export class SyncMaster {
  readonly counts = { messagesSent: 0, connectionsSent: 0, messagesNotSent: 0 }
  readonly #daemon: SyncDaemon
  /** A power of two: each line's records always leave by the same, in their order. */
  readonly #ports: number
  readonly #scan: SyncScan
  #writers: SyncWriter[] = []
  #version: number | undefined
  #senders: MulticastSender[] = []
  #waiting: Waiting[] = []
  #ticks = 0
  /** Something was refused that no line will be told for again. */
  #hasLost = false
  #anewAt = 0
  /** Of the last message: null if it left, else errno's name. */
  problem: string | null = null

  /** `isHeard`: of lines that a backup daemon beside this one learnt. */
  constructor(daemon: SyncDaemon, ports: number, isHeard: IsHeard) {
    this.#scan = new SyncScan(isHeard)
    this.#daemon = daemon
    this.#ports = ports
  }

  /** How often the whole table was walked. */
  get walks(): number {
    return this.#scan.walks
  }

  /** Messages that wait for the network now. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Sends through this interface from now on. Throws KernelError, and then through none. */
  open(interfaceIndex: number): void {
    this.close()
    const { group, port, ttl } = this.#daemon
    const bufferBytes = sysctl('sync_sock_size')
    try {
      for (let i = 0; i < this.#ports; i++) {
        const place = { interfaceIndex, group, port: port + i, bufferBytes }
        this.#senders.push(MulticastSender.open(place, ttl))
      }
    } catch (error) {
      this.close()
      throw error
    }
    this.#hasLost ||= this.problem !== null
    this.problem = null
  }

  close(): void {
    for (const sender of this.#senders) sender.close()
    this.#senders = []
  }

  /** Of the tables in use; call it TICKS_A_SECOND times a second. */
  tick(): void {
    if (this.#senders.length === 0) return
    this.#sendWaiting()
    if (this.#waiting.length > sysctl('sync_qlen_max')) return
    this.#keepWriters()
    this.#tellAnew()
    const lines = Math.ceil(tables.connections.memory.capacity / TICKS_A_SECOND)
    this.#scan.run(lines, RECORDS_A_TICK, (record, line) => this.#tell(record, line))
    if (++this.#ticks % FLUSH_TICKS === 0) this.#flush()
  }

  #tellAnew(): void {
    if (!this.#hasLost || this.#ticks < this.#anewAt) return
    this.#hasLost = false
    this.#anewAt = this.#ticks + ANEW_TICKS
    this.#scan.forget()
  }

  #keepWriters(): void {
    const version = sysctl('sync_version') === 0 ? 0 : 1
    if (version === this.#version) return
    this.#flush()
    const { syncId, maxLength } = this.#daemon
    this.#version = version
    this.#writers = Array.from(
      { length: this.#ports },
      () => new SyncWriter(version, syncId, maxLength),
    )
  }

  #tell(record: SyncRecord, line: number): void {
    if (this.#version === 0 && record.family === 6) return
    const port = line & (this.#ports - 1)
    const writer = this.#writers[port]!
    if (!writer.put(record)) {
      this.#send(port, writer.take())
      writer.put(record)
    }
    this.counts.connectionsSent++
  }

  #flush(): void {
    this.#writers.forEach((writer, port) => {
      if (writer.count > 0) this.#send(port, writer.take())
    })
  }

  #send(port: number, message: Uint8Array): void {
    if (this.#waiting.length > 0 || !this.#left(port, message))
      this.#waiting.push({ port, message })
  }

  #sendWaiting(): void {
    let sent = 0
    for (const { port, message } of this.#waiting) {
      if (!this.#left(port, message)) break
      sent++
    }
    this.#waiting.splice(0, sent)
  }

  /** False: there is no room for it now. What the network refuses is given up. */
  #left(port: number, message: Uint8Array): boolean {
    const result = this.#senders[port]!.send(message)
    if (result === 'full') return false
    if (result === 'sent') this.counts.messagesSent++
    else this.counts.messagesNotSent++
    if (result === 'sent' && this.problem !== null) this.#hasLost = true
    this.problem = result === 'sent' ? null : result
    return true
  }
}
