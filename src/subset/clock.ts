/**
 * Time and chance, as the packet path gets them: from the engine, never by itself.
 *
 * `now` is in ticks, a 32-bit number that wraps; TICKS_PER_SECOND says how long one is. In the kernel it is
 * derived from jiffies, in V8 the engine sets it once a batch, in tests and simulation somebody sets it to
 * whatever he likes: same tables, same frame, same time give the same verdict.
 */
import type { u32 } from './integers.ts'

/** 8 ms a tick: coarse enough that the longest timeout (31 days) is far below 2^31, fine enough for any timer. */
export const TICKS_PER_SECOND = 125

class Surroundings {
  ticks: u32 = 0
  /** State of a xorshift32 generator; never 0. */
  seed: u32 = 0x9e3779b9
}
const surroundings = new Surroundings()

/** Ticks since some fixed moment. */
export function now(): u32 {
  return surroundings.ticks
}

/** A uniform 32-bit number. */
export function random(): u32 {
  let x = surroundings.seed
  x ^= x << 13
  x ^= x >>> 17
  x ^= x << 5
  surroundings.seed = x >>> 0
  return surroundings.seed
}

/** For engines and tests: what `now` says from here on. */
export function setNow(ticks: u32): void {
  surroundings.ticks = ticks >>> 0
}

/** For engines and tests: where `random` goes on from; 0 is not a seed. */
export function setSeed(seed: u32): void {
  surroundings.seed = seed >>> 0 || 1
}

/** For tests: what `setSeed` must be told for `random` to go on as it would now. */
export function seed(): u32 {
  return surroundings.seed
}
