/**
 * What a real server knows for the end of its tunnels: tables of its own, none of the director's.
 *
 *   hostAddresses   an open hash table: slot hash(address), or one of those behind it
 *   tunnelSettings  one row
 *   outcomes        a counter for each Outcome
 */
import { row, type ViewOf } from '../../subset/struct.ts'
import { table } from '../../subset/table.ts'
import { ADDRESS_SLOTS } from './limits.ts'
import { OUTCOMES_MAX } from './outcome.ts'

/** What an address is to us. */
export const HostRole = {
  /** Packets to it come out of tunnels. */
  vip: 1,
  /** Tunnels end there. */
  local: 2,
  /** Tunnels begin there. */
  director: 4,
  /** Nothing any more; but the search goes on behind it. */
  gone: 8,
} as const

/** IPv4 addresses are mapped. A slot with no role was never used. */
export const HostAddress = row('hostAddress', {
  address0: 'u32',
  address1: 'u32',
  address2: 'u32',
  address3: 'u32',
  roles: 'u32',
  unused0: 'u32',
  unused1: 'u32',
  unused2: 'u32',
})
export type HostAddress = ViewOf<typeof HostAddress>

export const TunnelSettings = row('tunnelSettings', {
  /** Bytes of the longest UDP packet that came as one and may have a partial checksum. */
  datagramMax: 'u32',
  guePort: 'u16',
  /** 1: tunnels are ended for directors only. */
  checksSource: 'u8',
  unused: 'u8',
})

export const Outcomes = row('outcomeCounter', { packets: 'u64' })

export const hostAddresses = table('hostAddresses', HostAddress, ADDRESS_SLOTS)
export const tunnelSettings = table('tunnelSettings', TunnelSettings, 1)
export const outcomes = table('outcomes', Outcomes, OUTCOMES_MAX)

/** All of them, in the order engines keep their memory in. */
export const DECAPSULATION_TABLES = [hostAddresses, tunnelSettings, outcomes] as const
