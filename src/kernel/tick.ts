/**
 * The kernel's tick: how often a second it counts jiffies (CONFIG_HZ), which BPF's cheapest clock counts, too.
 *
 * The coarse clocks are brought forward once a tick, so their resolution is the tick's length, to the nanosecond
 * (kernel/time/posix-timers.c, KTIME_LOW_RES).
 */
import { clockResolution } from './ffi.ts'

/** CLOCK_MONOTONIC_COARSE */
const COARSE = 6

/** CONFIG_HZ: 100, 250, 300, 1000. */
export function ticksPerSecond(): number {
  return Math.round(1e9 / clockResolution(COARSE))
}
