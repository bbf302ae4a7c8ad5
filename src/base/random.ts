/**
 * Repeatable chance: the same seed gives the same sequence on every machine and version.
 *
 * For tests, fuzzing and simulation, never for secrets. The generator is sfc32 (Chris Doty-Humphrey's small
 * fast counting generator, from PractRand): four 32-bit words, the last of them a counter, so that no state
 * has a period shorter than 2^32.
 */
import { assert } from './assert.ts'

export class Random {
  #a: number
  #b: number
  #c = 0x9e3779b9
  #counter = 1

  /** `seed` is any integer up to 2^53; what reproduces a failed run. */
  constructor(seed: number) {
    this.#a = seed >>> 0
    this.#b = Math.floor(seed / 2 ** 32) >>> 0
    for (let i = 0; i < 16; i++) this.next32() // lets the seed reach every bit
  }

  /** 0 … 2^32 - 1 */
  next32(): number {
    const result = (this.#a + this.#b + this.#counter) >>> 0
    this.#counter = (this.#counter + 1) >>> 0
    this.#a = (this.#b ^ (this.#b >>> 9)) >>> 0
    this.#b = (this.#c + (this.#c << 3)) >>> 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) >>> 0
    return result
  }

  /** 0 … n - 1, every one as likely; asserts 1 ≤ n ≤ 2^32. */
  below(n: number): number {
    assert(Number.isInteger(n) && n >= 1 && n <= 2 ** 32, `nothing lies below ${n}`)
    const fair = 2 ** 32 - (2 ** 32 % n)
    let value = this.next32()
    while (value >= fair) value = this.next32()
    return value % n
  }

  /** `n` random bytes. */
  bytes(n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => this.next32() >>> 24)
  }

  /** One element of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0
  }
}
