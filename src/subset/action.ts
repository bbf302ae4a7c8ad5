/**
 * What becomes of a frame, where the packet path itself must say so to the kernel. The number is what a program gives
 * back; here in V8 it only names the action, and `taken` keeps the rest for whoever looks.
 */
import type { u32 } from './integers.ts'

export const Action = { pass: 0, drop: 1, redirect: 2, hold: 3, redirectLater: 4 } as const

class Taken {
  reason: u32 = 0
  egress: u32 = 0
  /** The neighbour the frame waits for. */
  readonly next: [u32, u32, u32, u32] = [0, 0, 0, 0]
}
export const taken = new Taken()

/** For tests: why. */
export function noteReason(reason: u32): void {
  taken.reason = reason
}

/** To the host's own stack. */
export function pass(): u32 {
  return Action.pass
}

export function drop(): u32 {
  return Action.drop
}

/** Out of an interface, as it is. */
export function redirect(egress: u32): u32 {
  taken.egress = egress
  return Action.redirect
}

/** Out of the interface it came in by, whose driver sends back what XDP gives it back. Else the same as `redirect`. */
export function sendBack(egress: u32): u32 {
  taken.egress = egress
  return Action.redirect
}

/**
 * Out of an interface that takes no frames from XDP, or not as they are: the companion under tc gives it one. Under tc
 * itself the same as `redirect`.
 */
export function redirectLater(egress: u32): u32 {
  taken.egress = egress
  return Action.redirectLater
}

/** Does this run under XDP? A constant wherever it is compiled. */
export function isXdp(): boolean {
  return false
}

/** The companion's: does what an XDP program has left to it. Nothing, for most frames. */
export function resume(): u32 {
  return Action.pass
}

/** Out of an interface, once the kernel knows that neighbour's MAC address. */
export function hold(egress: u32, next0: u32, next1: u32, next2: u32, next3: u32): u32 {
  taken.egress = egress
  taken.next.splice(0, 4, next0, next1, next2, next3)
  return Action.hold
}
