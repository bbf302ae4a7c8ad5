/**
 * VLAN tags — IEEE 802.1Q, and 802.1ad (two of them, "QinQ").
 *
 * A tag stands behind the two Ethernet addresses: the type before it says 0x8100 or 0x88a8, the type inside
 * it says what really follows.
 *
 *      +-----------+---+-------------------+---------------------------+
 *   0  | priority 3| D | VLAN id (12 bits) |           type            |
 *      +-----------+---+-------------------+---------------------------+
 *                    '- drop eligible
 */
import { assert } from '../base/assert.ts'
import { concatBytes, viewOf } from '../base/bytes.ts'
import { header } from '../subset/struct.ts'
import { formatEtherType } from './ethernet.ts'

export const Vlan = header('vlan', { control: 'u16', type: 'u16' })

/** Of `control`: which VLAN. 0 means none, only a priority; 4095 is reserved. */
export const VLAN_ID_MASK = 0x0fff
/** Of `control`: a congested switch drops this frame first. */
export const VLAN_DROP_ELIGIBLE = 0x1000

/** One tag and what stands behind it. */
export interface VlanTag {
  /** 0 … 4095 */
  readonly id: number
  /** 0 … 7, the priority code point. */
  readonly priority: number
  readonly dropEligible: boolean
  /** EtherType of the payload. */
  readonly type: number
  readonly payload: Uint8Array
}

/** Undefined if shorter than a tag. */
export function parseVlan(bytes: Uint8Array): VlanTag | undefined {
  if (bytes.length < Vlan.size) return undefined
  const vlan = Vlan.view(viewOf(bytes), 0)
  return {
    id: vlan.control & VLAN_ID_MASK,
    priority: vlan.control >>> 13,
    dropEligible: (vlan.control & VLAN_DROP_ELIGIBLE) !== 0,
    type: vlan.type,
    payload: bytes.subarray(Vlan.size),
  }
}

/** The tag's bytes and its payload's. */
export function emitVlan(tag: VlanTag): Uint8Array {
  assert(tag.id <= VLAN_ID_MASK && tag.priority <= 7, `VLAN ${tag.id}, priority ${tag.priority}`)
  const bytes = concatBytes(new Uint8Array(Vlan.size), tag.payload)
  const vlan = Vlan.view(viewOf(bytes), 0)
  vlan.control = (tag.priority << 13) | (tag.dropEligible ? VLAN_DROP_ELIGIBLE : 0) | tag.id
  vlan.type = tag.type
  return bytes
}

/** 'vlan 100, p 3, DEI, ethertype IPv4 (0x0800)', as tcpdump -e says it. */
export function formatVlan(tag: VlanTag): string {
  const eligible = tag.dropEligible ? ', DEI' : ''
  return `vlan ${tag.id}, p ${tag.priority}${eligible}, ${formatEtherType(tag.type)}`
}
