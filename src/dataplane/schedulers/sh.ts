/**
 * `sh` — source hashing: the same client address, the same server (ip_vs_sh.c).
 *
 * 256 slots, filled from the server list, each server taking as many slots in a row as it has weight. With
 * sh-port the client's port counts, too; with sh-fallback a client whose server cannot take it gets another
 * one, otherwise it is refused.
 */
import { mul32, u32 } from '../../subset/integers.ts'
import type { Flow } from '../flow.ts'
import { serverRow, tableEntry } from '../pool.ts'
import { isUsable } from '../server.ts'
import { NONE, ServiceFlag, servers, type Service } from '../tables.ts'

export const SH_SLOTS = 256
/** GOLDEN_RATIO_32 (include/linux/hash.h). */
export const GOLDEN_RATIO = 0x61c88647

const homeAt = servers.cursor()
const otherAt = servers.cursor()

/** The address as IPVS folds it: IPv4 itself, IPv6 the four words by exclusive or. */
export function foldSource(flow: Flow): u32 {
  if (flow.family === 4) return flow.source3
  return u32(flow.source0 ^ flow.source1 ^ flow.source2 ^ flow.source3)
}

function slotOf(key: u32, offset: u32): u32 {
  return (offset + (mul32(key, GOLDEN_RATIO) >>> 24)) & 0xff
}

/** @apart */
export function pickSh(service: Service, list: u32, flow: Flow): u32 {
  const port: u32 = (service.flags & ServiceFlag.schedulerFlag2) !== 0 ? flow.sourcePort : 0
  const key: u32 = u32(foldSource(flow) + port)
  const homeSlot: u32 = slotOf(key, 0)
  const home: u32 = rowAt(list, homeSlot)
  const server = homeAt.at(home)
  if (server === null) return NONE
  if (isUsable(server)) return home
  if ((service.flags & ServiceFlag.schedulerFlag1) === 0) return NONE
  for (let offset: u32 = 0; offset < SH_SLOTS; offset++) {
    const row: u32 = rowAt(list, slotOf(key, (offset + homeSlot) & 0xff))
    const other = otherAt.at(row)
    if (other === null) return NONE
    if (isUsable(other)) return row
  }
  return NONE
}

/** The table holds list positions plus one. */
function rowAt(list: u32, slot: u32): u32 {
  const position: u32 = tableEntry(list, slot)
  return position === 0 ? NONE : serverRow(list, u32(position - 1))
}

/**
 * The build half: slot → list position plus one.
 *
 * @control
 */
export function buildSh(weights: readonly number[]): Uint32Array {
  const slots = new Uint32Array(SH_SLOTS)
  if (weights.length === 0) return slots
  let position = 0
  let taken = 0
  for (let slot = 0; slot < SH_SLOTS; slot++) {
    slots[slot] = position + 1
    if (++taken >= weights[position]!) {
      position = (position + 1) % weights.length
      taken = 0
    }
  }
  return slots
}
