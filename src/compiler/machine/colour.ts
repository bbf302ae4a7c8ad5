/**
 * Machine registers for virtual ones, by colouring: Chaitin's scheme with Briggs' two improvements. Moves are joined
 * only where that cannot make colouring harder; who might not get a colour is still tried.
 *
 * Briggs, Cooper, Torczon: "Improvements to Graph Coloring Register Allocation" (1994). George's test for joining
 * with a machine register.
 */
import { isMachine, type Interference } from './interference.ts'

/** r0 … r9 */
export const COLOURS = 10

export interface Colouring {
  /** Of each register, joined or not: its machine register, or -1 if it got none. */
  readonly colours: Int32Array
  /** Registers that found no colour, each with the one that stands for it and all it was joined with. */
  readonly uncoloured: ReadonlyMap<number, number>
}

export function colour(interference: Interference): Colouring {
  return new Colourer(interference).run()
}

class Colourer {
  readonly #neighbours: Set<number>[]
  readonly #costs: Float64Array
  readonly #interference: Interference
  /** Whom a register was joined with. */
  readonly #joined: Int32Array

  constructor(interference: Interference) {
    this.#interference = interference
    this.#neighbours = interference.neighbours.map((one) => new Set(one))
    this.#costs = interference.costs.slice()
    this.#joined = Int32Array.from(interference.neighbours, (_, i) => i)
  }

  run(): Colouring {
    while (this.#join());
    const order = this.#simplify()
    const colours = new Int32Array(this.#joined.length).fill(-1)
    for (let i = 0; i < COLOURS; i++) colours[i] = i
    const wishes = this.#wishes()
    const uncoloured: number[] = []
    for (const number of order.reverse()) {
      const taken = new Set<number>()
      for (const other of this.#neighbours[number]!) taken.add(colours[other]!)
      const wished = wishes.get(number)?.map((one) => colours[this.#find(one)]!) ?? []
      const free = [...wished, ...PREFERENCE].find((one) => one >= 0 && !taken.has(one))
      if (free === undefined) uncoloured.push(number)
      else colours[number] = free
    }
    const lost = new Set(uncoloured)
    const all = new Map<number, number>()
    for (let i = 0; i < colours.length; i++) {
      const representative = this.#find(i)
      colours[i] = colours[representative]!
      if (lost.has(representative)) all.set(i, representative)
    }
    return { colours, uncoloured: all }
  }

  #find(number: number): number {
    let found = number
    while (this.#joined[found] !== found) found = this.#joined[found]!
    return found
  }

  /** Joins whom a move connects, where it does no harm; was there any? */
  #join(): boolean {
    let isChanged = false
    for (const { to, from } of this.#interference.moves) {
      let [a, b] = [this.#find(to), this.#find(from)]
      if (a === b) continue
      if (isMachine(b)) [a, b] = [b, a]
      if (isMachine(b) || (a >= COLOURS && isMachine(a))) continue
      if (this.#neighbours[a]!.has(b)) continue
      if (!(isMachine(a) ? this.#isHarmlessFor(a, b) : this.#isHarmless(a, b))) continue
      this.#merge(a, b)
      isChanged = true
    }
    return isChanged
  }

  #degree(number: number): number {
    return isMachine(number) ? Infinity : this.#neighbours[number]!.size
  }

  /** Briggs: fewer than COLOURS neighbours of both together are hard to colour themselves. */
  #isHarmless(a: number, b: number): boolean {
    let hard = 0
    for (const one of this.#neighbours[a]!) {
      const isShared = this.#neighbours[b]!.has(one)
      if (this.#degree(one) - (isShared ? 1 : 0) >= COLOURS) hard++
    }
    for (const one of this.#neighbours[b]!) {
      if (!this.#neighbours[a]!.has(one) && this.#degree(one) >= COLOURS) hard++
    }
    return hard < COLOURS
  }

  /** George: every neighbour of `b` interferes with the machine register already, or is easy to colour. */
  #isHarmlessFor(machine: number, b: number): boolean {
    for (const one of this.#neighbours[b]!) {
      if (isMachine(one)) continue
      if (this.#degree(one) >= COLOURS && !this.#neighbours[machine]!.has(one)) return false
    }
    return true
  }

  #merge(into: number, gone: number): void {
    this.#joined[gone] = into
    this.#costs[into]! += this.#costs[gone]!
    for (const one of this.#neighbours[gone]!) {
      this.#neighbours[one]!.delete(gone)
      this.#neighbours[one]!.add(into)
      this.#neighbours[into]!.add(one)
    }
    this.#neighbours[gone]!.clear()
  }

  /** All that are to be coloured, the hardest last but one: coloured in the opposite order. */
  #simplify(): number[] {
    const degrees = this.#neighbours.map(({ size }) => size)
    const left = new Set<number>()
    for (let i = 0; i < degrees.length; i++) {
      if (!isMachine(i) && this.#joined[i] === i) left.add(i)
    }
    const easy = [...left].filter((one) => degrees[one]! < COLOURS)
    const order: number[] = []
    const take = (number: number) => {
      left.delete(number)
      order.push(number)
      for (const other of this.#neighbours[number]!) {
        if (degrees[other]!-- === COLOURS && left.has(other)) easy.push(other)
      }
    }
    while (left.size > 0) {
      const next = easy.pop()
      if (next !== undefined) {
        if (left.has(next)) take(next)
        continue
      }
      let cheapest = -1
      let least = Infinity
      for (const one of left) {
        const price = this.#costs[one]! / degrees[one]!
        if (cheapest >= 0 && price >= least) continue
        cheapest = one
        least = price
      }
      take(cheapest)
    }
    return order
  }

  /** Whom each would like to share a colour with: partners of moves that could not be joined. */
  #wishes(): Map<number, number[]> {
    const wishes = new Map<number, number[]>()
    const wish = (a: number, b: number) => {
      const list = wishes.get(a)
      if (list === undefined) wishes.set(a, [b])
      else list.push(b)
    }
    for (const { to, from } of this.#interference.moves) {
      const [a, b] = [this.#find(to), this.#find(from)]
      if (a === b) continue
      wish(a, b)
      wish(b, a)
    }
    return wishes
  }
}

/** Registers that calls leave undefined first: the others are for what must outlive calls. */
const PREFERENCE = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
