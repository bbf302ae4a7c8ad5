/**
 * A counted set of addresses with a detail: what the claim's twin looks frames up in.
 *
 * Open addressing in one Uint32Array, so that a look-up on the packet path allocates nothing. One entry:
 *
 *      +--------+--------+--------+--------+----------------------+-------+
 *      |   w0   |   w1   |   w2   |   w3   |  detail              | count |
 *      +--------+--------+--------+--------+----------------------+-------+
 *        address, host order, IPv4 as          protocol << 16       0: free
 *        base/ip.ts holds it                   | port, or less
 *
 * Several services may share an address, several services a real server: each adds it once, and it is gone
 * when each has removed it. Invariant: an entry is reached from its hash's place without a free one between,
 * which is why removal moves later entries up instead of leaving marks.
 */
import type { IpWords } from '../../base/ip.ts'

const STRIDE = 6
const COUNT = 5
const SMALLEST = 64

export class ClaimTable {
  #entries = new Uint32Array(SMALLEST * STRIDE)
  #mask = SMALLEST - 1
  #size = 0

  /** Different entries. */
  get size(): number {
    return this.#size
  }

  /** Was it added more often than removed? */
  has(w0: number, w1: number, w2: number, w3: number, detail: number): boolean {
    if (this.#size === 0) return false
    return this.#entries[this.#find(w0, w1, w2, w3, detail) + COUNT] !== 0
  }

  /** How often it is in there now; 1: it is new. */
  add([w0, w1, w2, w3]: IpWords, detail: number): number {
    if (2 * this.#size > this.#mask) this.#grow()
    const at = this.#find(w0, w1, w2, w3, detail)
    const count = this.#entries[at + COUNT]! + 1
    if (count === 1) {
      this.#entries.set([w0, w1, w2, w3, detail], at)
      this.#size++
    }
    this.#entries[at + COUNT] = count
    return count
  }

  /** How often it is still in there; 0: it is gone; -1: it never was. */
  remove([w0, w1, w2, w3]: IpWords, detail: number): number {
    const at = this.#find(w0, w1, w2, w3, detail)
    const count = this.#entries[at + COUNT]! - 1
    if (count < 0) return -1
    this.#entries[at + COUNT] = count
    if (count === 0) {
      this.#size--
      this.#close(at / STRIDE)
    }
    return count
  }

  /** Calls `visit` for each entry, in no order; `visit` must not change the table. */
  forEach(visit: (words: IpWords, detail: number) => void): void {
    const e = this.#entries
    for (let at = 0; at < e.length; at += STRIDE) {
      if (e[at + COUNT] !== 0) visit([e[at]!, e[at + 1]!, e[at + 2]!, e[at + 3]!], e[at + 4]!)
    }
  }

  /** Index of the entry's first word, or of the free place where it would be. */
  #find(w0: number, w1: number, w2: number, w3: number, detail: number): number {
    const entries = this.#entries
    let place = hash(w0, w1, w2, w3, detail) & this.#mask
    // Ends: never more than half of the places are in use.
    for (;;) {
      const at = place * STRIDE
      if (
        entries[at + COUNT] === 0 ||
        (entries[at + 3] === w3 &&
          entries[at + 4] === detail &&
          entries[at + 2] === w2 &&
          entries[at + 1] === w1 &&
          entries[at] === w0)
      ) {
        return at
      }
      place = (place + 1) & this.#mask
    }
  }

  /** Moves up the entries behind a place just freed that were pushed away from theirs by it. */
  #close(freed: number): void {
    const e = this.#entries
    let hole = freed
    for (let place = (hole + 1) & this.#mask; ; place = (place + 1) & this.#mask) {
      const at = place * STRIDE
      if (e[at + COUNT] === 0) return
      const home = hash(e[at]!, e[at + 1]!, e[at + 2]!, e[at + 3]!, e[at + 4]!) & this.#mask
      if (((place - home) & this.#mask) < ((place - hole) & this.#mask)) continue
      e.copyWithin(hole * STRIDE, at, at + STRIDE)
      e[at + COUNT] = 0
      hole = place
    }
  }

  #grow(): void {
    const old = this.#entries
    this.#mask = 2 * (this.#mask + 1) - 1
    this.#entries = new Uint32Array((this.#mask + 1) * STRIDE)
    for (let at = 0; at < old.length; at += STRIDE) {
      if (old[at + COUNT] === 0) continue
      const to = this.#find(old[at]!, old[at + 1]!, old[at + 2]!, old[at + 3]!, old[at + 4]!)
      this.#entries.set(old.subarray(at, at + STRIDE), to)
    }
  }
}

/** Murmur3's mixing; only the administrator adds entries, so no seed is needed against chosen ones. */
function hash(w0: number, w1: number, w2: number, w3: number, detail: number): number {
  let h = Math.imul(w3 ^ (detail << 7) ^ (detail >>> 9), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15) ^ w2, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 13) ^ w1, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15) ^ w0, 0xc2b2ae35)
  return h ^ (h >>> 16)
}
