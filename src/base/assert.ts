/**
 * Broken invariants: what can only be our own mistake, never bad input.
 *
 * Always on. What comes from outside (frames, files, options) is refused with `undefined` or an error value
 * where it is read; nothing may reach an assertion because somebody sent us something.
 */

/** An invariant of ours does not hold: a bug, reported where it was found. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Goes on only if `condition` holds; throws `AssertionError` with `message` otherwise. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}
