/**
 * What the programs in features/ compute with: numbers from the frame, behind its Ethernet header, and rows for
 * results.
 */
import { header, row, type ViewOf } from '../../src/subset/struct.ts'
import { table } from '../../src/subset/table.ts'

/** Where the numbers begin. */
export const NUMBERS_AT = 14

export const Numbers = header('numbers', {
  a: 'u32',
  b: 'u32',
  c: 'u32',
  d: 'u32',
  e: 'u16',
  f: 'u16',
  g: 'u8',
  h: 'u8',
})
export type Numbers = ViewOf<typeof Numbers>
export const NUMBERS_BYTES = 22

export const Result = row('result', {
  r0: 'u32',
  r1: 'u32',
  r2: 'u32',
  r3: 'u32',
  r4: 'u32',
  r5: 'u32',
  r6: 'u32',
  r7: 'u32',
  wide: 'u64',
  total: 'atomic',
  half: 'u16',
  byte: 'u8',
  flag: 'u8',
})
export type Result = ViewOf<typeof Result>

/** What programs go through. */
export const PRIMES = [2, 3, 5, 7, 11, 251, 65521, 4294967291]

export const RESULTS = 4
export const results = table('results', Result, RESULTS)
