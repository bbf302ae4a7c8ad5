/**
 * A line of the table of fragments; fragment.ts keeps it.
 */
import { row } from '../subset/struct.ts'

/** A datagram in fragments: which ports its first one carried. */
export const Fragment = row('fragment', {
  source0: 'u32',
  source1: 'u32',
  source2: 'u32',
  source3: 'u32',
  destination0: 'u32',
  destination1: 'u32',
  destination2: 'u32',
  destination3: 'u32',
  identification: 'u32',
  expires: 'u32',
  sourcePort: 'u16',
  destinationPort: 'u16',
  protocol: 'u8',
  family: 'u8',
  spare: 'u16',
  owner: 'atomic',
  spare2: 'u32',
  spare3: 'u32',
  spare4: 'u32',
})
