/**
 * Keeps `tables.addressRoles`: which addresses are virtual, local, or those of real servers.
 *
 * The table is indexed by a 16-bit fold of the address, so several addresses may share an entry; it is counted here how
 * many hold each role of each entry.
 */
import { ipToWords } from '../base/ip.ts'
import { foldAddress } from '../dataplane/hash.ts'
import { addressRoles, Role } from '../dataplane/tables.ts'

export class AddressRoles {
  /** Holders by fold × 8 + role. */
  readonly #holders = new Map<number, number>()

  /** `address` has `role` once more. */
  add(address: string, role: number): void {
    const fold = foldAddress(...ipToWords(address))
    const key = fold * 8 + role
    this.#holders.set(key, (this.#holders.get(key) ?? 0) + 1)
    const entry = addressRoles.row(fold)
    entry.roles |= role
  }

  /** `address` has `role` once less. */
  remove(address: string, role: number): void {
    const fold = foldAddress(...ipToWords(address))
    const key = fold * 8 + role
    const holders = (this.#holders.get(key) ?? 0) - 1
    if (holders > 0) {
      this.#holders.set(key, holders)
      return
    }
    this.#holders.delete(key)
    const entry = addressRoles.row(fold)
    entry.roles &= ~role
  }

  /** Takes the roles that nobody here holds out of the table: an earlier daemon left them. */
  clearStrangers(): void {
    for (let fold = 0; fold < addressRoles.memory.capacity; fold++) {
      const entry = addressRoles.row(fold)
      for (const role of Object.values(Role)) {
        if ((entry.roles & role) !== 0 && !this.#holders.has(fold * 8 + role)) entry.roles &= ~role
      }
    }
  }
}
