/**
 * Keeps `tables.natServers`: from the address and port of a masqueraded real server to its row, for nat_icmp_send, and
 * only while that is on.
 *
 * Open addressing without removal: the packet path asks the row itself whether it still is such a server
 * (dataplane/stray.ts). What rows of the past have filled is emptied by writing the whole index anew; a packet that
 * comes in between is taken for a stranger's, as if the switch were off.
 */
import { NAT_SERVER_PROBES_MAX } from '../dataplane/limits.ts'
import { hashNatServer } from '../dataplane/stray.ts'
import { Forwarding, natServers, servers, settings } from '../dataplane/tables.ts'
import { sysctl } from './sysctls.ts'

/** Servers in use: their rows. */
type Rows = () => Iterable<number>

export class NatServers {
  /** The index holds every masqueraded server. */
  #isWhole = false
  /** Some that it holds may be servers no more, or had no room. */
  #isStale = false

  /** A row was written. */
  note(row: number): void {
    if (this.#isWhole && sysctl('nat_icmp_send') !== 0) this.#enter(row)
  }

  /** A server was removed. */
  forget(): void {
    this.#isStale = true
  }

  /** Once a second, and when the switch was set. */
  keep(rows: Rows): void {
    if (sysctl('nat_icmp_send') === 0) {
      this.#isWhole = false
      return
    }
    if (this.#isWhole && !this.#isStale) return
    for (let slot = 0; slot < natServers.memory.capacity; slot++) natServers.row(slot).value = 0
    this.#isStale = false
    this.#isWhole = true
    for (const row of rows()) this.#enter(row)
  }

  #enter(row: number): void {
    const { hashSeed, natServerMask } = settings.row(0)
    const { address0, address1, address2, address3, port, forwarding } = servers.row(row)
    if (forwarding !== Forwarding.masquerade) return
    const hash = hashNatServer(hashSeed, address0, address1, address2, address3, port)
    for (let i = 0; i < NAT_SERVER_PROBES_MAX; i++) {
      const slot = natServers.row(((hash + i) & natServerMask) >>> 0)
      if (slot.value === row + 1) return
      if (slot.value !== 0) continue
      slot.value = row + 1
      return
    }
  }
}
