/**
 * Keeps `tables.addressRoles`: which addresses are virtual, local, or those of real servers.
 *
 * The table is indexed by a 16-bit fold of the address, so several addresses may share an entry; it is counted here how
 * many hold each role of each entry.
 */
import { ipToWords } from '../base/ip.ts'
import { foldAddress } from '../dataplane/hash.ts'
import { addressRoles, Role } from '../dataplane/tables.ts'

const FOLD = 256
const ROLES = [Role.virtual, Role.real, Role.local, Role.marked] as const

export class AddressRoles {
  /** Holders by fold × 256 + role. */
  readonly #holders = new Map<number, number>()
  /** How many say that every address has the role. */
  readonly #everywhere = new Map<number, number>()
  #isSuspended = false

  /** While suspended no address is anything to the packet path: every packet is left to the host (backup_only). */
  setSuspended(isSuspended: boolean): void {
    if (this.#isSuspended === isSuspended) return
    this.#isSuspended = isSuspended
    for (let fold = 0; fold < addressRoles.memory.capacity; fold++) {
      addressRoles.row(fold).roles = isSuspended ? 0 : this.#rolesAt(fold)
    }
  }

  #rolesAt(fold: number): number {
    const isHeld = (role: number) =>
      this.#holders.has(fold * FOLD + role) || (this.#everywhere.get(role) ?? 0) > 0
    return ROLES.filter(isHeld).reduce((roles, role) => roles | role, 0)
  }

  /** `address` has `role` once more. */
  add(address: string, role: number): void {
    const fold = foldAddress(...ipToWords(address))
    const key = fold * FOLD + role
    this.#holders.set(key, (this.#holders.get(key) ?? 0) + 1)
    if (this.#isSuspended) return
    const entry = addressRoles.row(fold)
    entry.roles |= role
  }

  /** `address` has `role` once less. */
  remove(address: string, role: number): void {
    const fold = foldAddress(...ipToWords(address))
    const key = fold * FOLD + role
    const holders = (this.#holders.get(key) ?? 0) - 1
    if (holders > 0) {
      this.#holders.set(key, holders)
      return
    }
    this.#holders.delete(key)
    if ((this.#everywhere.get(role) ?? 0) > 0) return
    const entry = addressRoles.row(fold)
    entry.roles &= ~role
  }

  /** Every address has `role` once more. */
  addEverywhere(role: number): void {
    const holders = this.#everywhere.get(role) ?? 0
    this.#everywhere.set(role, holders + 1)
    if (holders > 0 || this.#isSuspended) return
    for (let fold = 0; fold < addressRoles.memory.capacity; fold++) {
      addressRoles.row(fold).roles |= role
    }
  }

  /** Every address has `role` once less. */
  removeEverywhere(role: number): void {
    const holders = this.#everywhere.get(role)! - 1
    this.#everywhere.set(role, holders)
    if (holders > 0) return
    for (let fold = 0; fold < addressRoles.memory.capacity; fold++) {
      if (!this.#holders.has(fold * FOLD + role)) addressRoles.row(fold).roles &= ~role
    }
  }

  /** Takes the roles that nobody here holds out of the table: an earlier daemon left them. */
  clearStrangers(): void {
    for (let fold = 0; fold < addressRoles.memory.capacity; fold++) {
      const entry = addressRoles.row(fold)
      for (const role of ROLES) {
        if ((entry.roles & role) === 0 || (this.#everywhere.get(role) ?? 0) > 0) continue
        if (!this.#holders.has(fold * FOLD + role)) entry.roles &= ~role
      }
    }
  }
}
