/**
 * Tells the engine what to take from the host's own stack, as the director's claims and the host's addresses change.
 *
 * Changes made in one turn of the loop go to the kernel together: a client that sends ten thousand calls at once pays
 * for one change of the sets, and each of its calls is answered after that.
 */
import type { ClaimLog } from '../director/claim-log.ts'
import type { Engine, EngineClaims } from '../engine/engine.ts'

const NOTHING: EngineClaims = {
  destinations: [],
  sources: [],
  ownAddresses: [],
  networks: [],
  tunnels: [],
}

export class ClaimKeeper {
  readonly #engine: Engine
  readonly #claims: ClaimLog
  #applying: Promise<void> | undefined
  #own = new Set<string>()

  constructor(engine: Engine, claims: ClaimLog) {
    this.#engine = engine
    this.#claims = claims
  }

  /** Resolves when what was claimed until now is in force. Rejects with KernelError: the next call tries again. */
  applied(): Promise<void> {
    this.#applying ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#applying = undefined
        try {
          this.applyNow()
          resolve()
        } catch (error) {
          reject(error as Error)
        }
      })
    })
    return this.#applying
  }

  /** Throws KernelError; then nothing has changed, and the next call tries it all again. */
  applyNow(): void {
    if (this.#claims.isEmpty) return
    const { added, removed } = this.#claims.take()
    try {
      this.#engine.updateClaims({ ...NOTHING, ...added }, { ...NOTHING, ...removed })
    } catch (error) {
      this.#claims.putBack(added, removed)
      throw error
    }
  }

  /** Takes over the host's own addresses. Throws KernelError; then nothing has changed. */
  setOwnAddresses(addresses: Iterable<string>): void {
    const next = new Set(addresses)
    const added = [...next].filter((address) => !this.#own.has(address))
    const removed = [...this.#own].filter((address) => !next.has(address))
    if (added.length + removed.length === 0) return
    this.#engine.updateClaims(
      { ...NOTHING, ownAddresses: added },
      { ...NOTHING, ownAddresses: removed },
    )
    this.#own = next
  }
}
