/**
 * Texts of addresses that come again and again: remembered, one for each place, the newest.
 */
import { wordsToIp } from './ip.ts'

const PLACES = 4096
/** Knuth's: spreads addresses that differ in their last bits. */
const SPREAD = 0x9e3779b1

export class IpTexts {
  readonly #words = new Uint32Array(PLACES * 4)
  readonly #texts: string[] = new Array<string>(PLACES).fill('')

  /** As wordsToIp. */
  of(w0: number, w1: number, w2: number, w3: number): string {
    const hash = Math.imul(w0 ^ w1 ^ w2 ^ w3, SPREAD)
    const place = hash >>> 20
    const words = this.#words
    const at = place * 4
    const text = this.#texts[place]!
    const isIt =
      words[at + 3] === w3 && words[at + 2] === w2 && words[at + 1] === w1 && words[at] === w0
    if (isIt && text !== '') return text
    words[at] = w0
    words[at + 1] = w1
    words[at + 2] = w2
    words[at + 3] = w3
    return (this.#texts[place] = wordsToIp(w0, w1, w2, w3))
  }
}
