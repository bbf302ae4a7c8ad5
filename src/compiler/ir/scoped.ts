/**
 * A map whose newest entries are forgotten again: what holds in a block and below it in the dominator tree.
 */
export class Scoped<K, V> {
  readonly #entries = new Map<K, V>()
  readonly #before: { readonly key: K; readonly value: V | undefined }[][] = []

  enter(): void {
    this.#before.push([])
  }

  /** Everything set since `enter` is as it was. */
  leave(): void {
    const changed = this.#before.pop()!
    for (let i = changed.length - 1; i >= 0; i--) {
      const { key, value } = changed[i]!
      if (value === undefined) this.#entries.delete(key)
      else this.#entries.set(key, value)
    }
  }

  /** Until `leave` nothing is known. */
  forget(): void {
    for (const [key, value] of this.#entries) this.#before.at(-1)?.push({ key, value })
    this.#entries.clear()
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)
  }

  set(key: K, value: V): void {
    this.#before.at(-1)?.push({ key, value: this.#entries.get(key) })
    this.#entries.set(key, value)
  }
}
