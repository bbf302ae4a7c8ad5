/**
 * What drop_entry, drop_packet and secure_tcp do, once a second (update_defense_level, ip_vs_random_dropentry;
 * net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_conn.c): nothing, something while memory is short, or always.
 */
import { now, TICKS_PER_SECOND } from '../subset/clock.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { BUSY } from '../dataplane/connection.ts'
import { SctpState } from '../dataplane/sctp.ts'
import * as tables from '../dataplane/tables.ts'
import { TcpState, writeTcpTransitions } from '../dataplane/tcp.ts'
import { templateOf } from '../dataplane/template.ts'
import { timeoutOf, TimeoutRow } from '../dataplane/timeout.ts'
import { endLine } from './sweep.ts'
import { setSysctl, sysctl } from './sysctls.ts'

const { Status } = tables

/** Of the connection table, in one second. */
const PART_LOOKED_AT = 32
const IDLE_S = 60
/** Of the datagrams' connections that are idle, one in so many is dropped. */
const IDLE_KEPT = 4

const MODES = ['drop_entry', 'drop_packet', 'secure_tcp'] as const

export class Defence {
  /** undefined: whatever an earlier daemon left. */
  #isSecure: boolean | undefined
  #idle = 0

  /** Does what it does depend on how much memory there is? */
  static get isWatching(): boolean {
    return MODES.some((name) => sysctl(name) === 1 || sysctl(name) === 2)
  }

  /**
   * `availablePages`: of memory, free or holding blocks of devices; Infinity will do if nobody is watching.
   * `random`: where to look, from 0 to 1.
   */
  run(availablePages: number, random: number): void {
    this.adjust(availablePages)
    if (sysctl('drop_entry') >= 2) this.#dropEntries(random)
  }

  /** As the switches and the memory say now. */
  adjust(availablePages: number): void {
    const isShort = availablePages < sysctl('amemthresh')
    for (const name of MODES) arm(name, isShort)
    tables.settings.row(0).dropRate = dropRate(availablePages)
    this.#secure(sysctl('secure_tcp') >= 2)
  }

  #secure(isSecure: boolean): void {
    if (isSecure !== this.#isSecure) writeTcpTransitions(isSecure)
    this.#isSecure = isSecure
  }

  /** Looks at a stretch of the connection table. */
  #dropEntries(random: number): void {
    const lines = tables.settings.row(0).connectionMask + 1
    const first = Math.floor(random * lines)
    for (let i = 0; i < Math.ceil(lines / PART_LOOKED_AT); i++) {
      const row = (first + i) % lines
      const line = tables.connections.row(row)
      if (line.owner <= BUSY || (line.status & Status.ended) !== 0) continue
      if (!this.#isToGo(line)) continue
      const template = templateOf(row, line)
      endLine(row, line)
      if (template !== tables.NONE) dropTemplate(template)
    }
  }

  /**
   * Differs from IPVS: how many packets a connection had is not counted, so an established one never goes, and of the
   * datagrams' that are idle every fourth.
   */
  #isToGo({ status, expires, binding }: tables.Connection): boolean {
    const state = (status & Status.stateMask) >>> Status.stateShift
    if ((status & Status.template) !== 0) return binding === 0 && state === 0
    const protocol = status & Status.protocolMask
    if (protocol === Protocol.tcp) {
      return state === TcpState.synReceived || state === TcpState.synAck
    }
    if (protocol === Protocol.sctp) return state === SctpState.init1 || state === SctpState.init
    const idle = timeoutOf(TimeoutRow.udp) - ((expires - now()) | 0)
    if (idle < IDLE_S * TICKS_PER_SECOND) return false
    this.#idle = (this.#idle + 1) % IDLE_KEPT
    return this.#idle === 0
  }
}

/** A template that controls nobody any more and never was assured goes with its last connection. */
function dropTemplate(row: number): void {
  const line = tables.connections.row(row)
  const isTemplate = (line.status & (Status.template | Status.ended)) === Status.template
  if (isTemplate && line.binding === 0 && (line.status & Status.stateMask) === 0) endLine(row, line)
}

/** From 1 to 2 when memory gets short, and back. */
function arm(name: (typeof MODES)[number], isShort: boolean): void {
  const value = sysctl(name)
  if (value === 1 && isShort) setSysctl(name, 2)
  else if (value === 2 && !isShort) setSysctl(name, 1)
}

/** Of how many new connections one is dropped; 0: none is. */
function dropRate(availablePages: number): number {
  const mode = sysctl('drop_packet')
  if (mode === 3) return sysctl('am_droprate')
  if (mode < 2) return 0
  const threshold = sysctl('amemthresh')
  return Math.max(1, Math.floor(threshold / (threshold - availablePages)))
}
