/**
 * Which addresses are VIPs, directors, the host's own: an open hash table in which nothing moves.
 *
 * What is entered is written before its role, so a packet meets an address or none. What is taken out leaves its slot
 * behind as `gone`, for the search to go on, and for the next to use.
 */
import { u32 } from '../../subset/integers.ts'
import { hashAddress } from '../hash.ts'
import { ADDRESS_PROBES_MAX, ADDRESS_SLOTS } from './limits.ts'
import { HostRole, hostAddresses, type HostAddress } from './tables.ts'

const MASK = ADDRESS_SLOTS - 1

const slotAt = hostAddresses.cursor()

/** Has the address one of these roles? */
export function hasRole(
  address0: u32,
  address1: u32,
  address2: u32,
  address3: u32,
  roles: u32,
): boolean {
  const hash: u32 = hashAddress(0, address0, address1, address2, address3, 0)
  for (let i: u32 = 0; i < ADDRESS_PROBES_MAX; i++) {
    const slot = slotAt.at(u32(hash + i) & MASK)
    if (slot === null || slot.roles === 0) return false
    if (slot.address3 !== address3 || slot.address2 !== address2) continue
    if (slot.address1 !== address1 || slot.address0 !== address0) continue
    return u32(slot.roles & roles) !== 0
  }
  return false
}

type Words = readonly [number, number, number, number]

/** In the tables in use; false if there is no room for it. @control */
export function enterAddress(words: Words, role: number): boolean {
  const slots = slotsOf(words)
  const known = slots.find((one) => isOf(one, words))
  const slot = known ?? slots.find(({ roles }) => roles === 0 || roles === HostRole.gone)
  if (slot === undefined) return false
  if (known === undefined) {
    ;[slot.address0, slot.address1, slot.address2, slot.address3] = words
  }
  slot.roles = ((known?.roles ?? 0) & ~HostRole.gone) | role
  return true
}

/** @control */
export function leaveAddress(words: Words, role: number): void {
  const slot = slotsOf(words).find((one) => isOf(one, words))
  if (slot === undefined) return
  const left = slot.roles & ~role
  slot.roles = left === 0 ? HostRole.gone : left
}

/** Where the address may be, up to the first slot that was never used. @control */
function slotsOf(words: Words): HostAddress[] {
  const hash = hashAddress(0, ...words, 0)
  const slots: HostAddress[] = []
  for (let i = 0; i < ADDRESS_PROBES_MAX; i++) {
    const slot = hostAddresses.row(u32(hash + i) & MASK)
    slots.push(slot)
    if (slot.roles === 0) break
  }
  return slots
}

/** @control */
function isOf(slot: HostAddress, [w0, w1, w2, w3]: Words): boolean {
  const isSame = slot.address3 === w3 && slot.address2 === w2
  return isSame && slot.address1 === w1 && slot.address0 === w0 && slot.roles !== 0
}
