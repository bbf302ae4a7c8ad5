/**
 * How many have an address: as long as there is one, it is to be cared for.
 */
export class CountedAddresses {
  readonly #counts = new Map<string, number>()

  add(address: string): void {
    this.#counts.set(address, (this.#counts.get(address) ?? 0) + 1)
  }

  remove(address: string): void {
    const count = (this.#counts.get(address) ?? 0) - 1
    if (count > 0) this.#counts.set(address, count)
    else this.#counts.delete(address)
  }

  has(address: string): boolean {
    return this.#counts.has(address)
  }
}
