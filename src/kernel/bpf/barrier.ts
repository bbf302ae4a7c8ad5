/**
 * Waits until every program that runs now has ended: whoever changed what programs read may reuse, after that, what no
 * program can have found any longer.
 *
 *      this process   switch to the new list   wait()            reuse the old list's rows
 *      a program      ── read the old list ──┤ (ended)
 *      a program                 ├── reads the new one ────────────────────
 *
 * The kernel does so itself, by RCU, when a map in a map of maps is replaced, before the call returns
 * (kernel/bpf/syscall.c, maybe_wait_bpf_programs). It takes 8 to 30 milliseconds, for which this thread stands still.
 */
import { createMap, updateElement } from './map.ts'
import { close } from '../ffi.ts'

export class ProgramBarrier {
  readonly #inner: number
  readonly #outer: number

  private constructor(inner: number, outer: number) {
    this.#inner = inner
    this.#outer = outer
  }

  /** Throws KernelError. */
  static open(): ProgramBarrier {
    const inner = createMap({ type: 'array', name: 'barrier', valueSize: 4, entries: 1 })
    try {
      const shape = { type: 'arrayOfMaps', name: 'barriers', valueSize: 4, entries: 1 } as const
      return new ProgramBarrier(inner, createMap({ ...shape, inner }))
    } catch (error) {
      close(inner)
      throw error
    }
  }

  /** Throws KernelError. */
  wait(): void {
    updateElement(this.#outer, 0, new Uint8Array(Int32Array.of(this.#inner).buffer))
  }

  close(): void {
    close(this.#outer)
    close(this.#inner)
  }
}
