/**
 * Every frame is counted under exactly one reason.
 */
import type { u32 } from '../subset/integers.ts'
import { reasons } from './tables.ts'

const reasonAt = reasons.cursor()

export function count(reason: u32): void {
  const counter = reasonAt.at(reason)
  if (counter !== null) counter.addPackets(1)
}
