/**
 * What stands behind the packet path under XDP, under tc on the same interface: it takes over what XDP cannot do.
 */
import { resume } from '../subset/action.ts'
import type { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'

/** A frame that XDP left word about goes where that says; every other one is the host's. */
export function companion(_packet: Packet): u32 {
  return resume()
}
