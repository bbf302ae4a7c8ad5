/**
 * Tables that others write at the same time: the packet path in the kernel, on other CPUs.
 *
 * In V8 alone a row's `add…` and `swap…` are plain reads and writes, since nothing runs in between. Once memory is
 * shared with the kernel they must be the processor's own: from `shareMemory` on they are, for every row of this
 * process, whatever its memory. What has 64 bits is read and written whole.
 *
 * A program that never calls it pays nothing for it.
 */
import { rowClasses } from './struct.ts'

interface View {
  bytes: DataView
  base: number
}

let isShared = false

/**
 * From here on `atomic` and `u64` fields are changed by atomic operations, in every row declared so far. There is no
 * way back.
 */
export function shareMemory(): void {
  if (isShared) return
  isShared = true
  for (const { prototype, fields, offsets } of rowClasses) {
    const wordsOf = memoryCache(({ buffer }) => new Uint32Array(buffer, 0, buffer.byteLength >>> 2))
    const longsOf = memoryCache(
      ({ buffer }) => new BigUint64Array(buffer, 0, buffer.byteLength >>> 3),
    )
    for (const [field, kind] of Object.entries(fields)) {
      const name = field[0]!.toUpperCase() + field.slice(1)
      const offset = offsets[field]!
      if (kind === 'atomic') {
        Object.defineProperties(prototype, atomicOperations(name, offset, wordsOf))
      } else if (kind === 'u64') {
        Object.defineProperties(prototype, longOperations(field, name, offset, longsOf))
      }
    }
  }
}

/** Has `shareMemory` been called? */
export function isMemoryShared(): boolean {
  return isShared
}

/** The same memory as another array; rows of one struct are mostly in one table. */
function memoryCache<Words>(make: (bytes: DataView) => Words): (bytes: DataView) => Words {
  let last: DataView | undefined
  let words: Words | undefined
  return (bytes) => {
    if (bytes !== last || words === undefined) {
      last = bytes
      words = make(bytes)
    }
    return words
  }
}

function atomicOperations(
  name: string,
  offset: number,
  wordsOf: (bytes: DataView) => Uint32Array,
): PropertyDescriptorMap {
  return {
    [`add${name}`]: {
      value(this: View, n: number): number {
        return Atomics.add(wordsOf(this.bytes), indexOf(this, offset, 2), n)
      },
    },
    [`swap${name}`]: {
      value(this: View, expected: number, next: number): boolean {
        const words = wordsOf(this.bytes)
        const was = Atomics.compareExchange(words, indexOf(this, offset, 2), expected, next)
        return was === expected
      },
    },
  }
}

function longOperations(
  field: string,
  name: string,
  offset: number,
  longsOf: (bytes: DataView) => BigUint64Array,
): PropertyDescriptorMap {
  return {
    [field]: {
      get(this: View): number {
        return Number(Atomics.load(longsOf(this.bytes), indexOf(this, offset, 3)))
      },
      set(this: View, value: number): void {
        Atomics.store(longsOf(this.bytes), indexOf(this, offset, 3), BigInt(value))
      },
    },
    [`add${name}`]: {
      value(this: View, n: number): number {
        Atomics.add(longsOf(this.bytes), indexOf(this, offset, 3), BigInt(n))
        return 0
      },
    },
  }
}

function indexOf({ bytes, base }: View, offset: number, shift: number): number {
  return (bytes.byteOffset + base + offset) >>> shift
}
