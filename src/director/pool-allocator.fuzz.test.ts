/**
 * The pool against a map of every word: what is given is nobody else's, nor in the hands of a reader.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '../base/random.ts'
import { PoolAllocator, roundUp, type Stretch } from './pool-allocator.ts'

const SEED = 20250104
const WORDS = 4096
const GRAIN = 16
/** The largest stretch there is room for: behind the first grain, and rounded up. */
const LARGEST = 3840

/** Who has each word. */
class Words {
  readonly #owners = new Map<number, string>()

  mark({ offset, words }: Stretch, owner: string): void {
    for (let word = offset; word < offset + roundUp(words); word++) {
      assert.equal(this.#owners.get(word), undefined, `word ${word} is not free for ${owner}`)
      assert.ok(word > 0 && word < WORDS, `word ${word} is outside`)
      this.#owners.set(word, owner)
    }
  }

  clear({ offset, words }: Stretch): void {
    for (let word = offset; word < offset + roundUp(words); word++) this.#owners.delete(word)
  }

  get used(): number {
    return this.#owners.size
  }
}

describe(`stretches of the pool, seed ${SEED}`, () => {
  it('never overlap, rest as long as a reader may be in them, and come back whole', () => {
    const random = new Random(SEED)
    let allocator = new PoolAllocator(WORDS)
    const words = new Words()
    let live: Stretch[] = []
    let [retired, resting]: [Stretch[], Stretch[]] = [[], []]
    let refused = 0
    for (let step = 0; step < 50_000; step++) {
      if (random.oneIn(50)) {
        allocator.reclaim()
        resting.forEach((stretch) => words.clear(stretch))
        ;[resting, retired] = [retired, []]
      } else if (random.oneIn(2000)) {
        // Another daemon takes over what is in use; nobody reads what rested any more.
        allocator = PoolAllocator.around(WORDS, live)
        for (const stretch of [...resting, ...retired]) words.clear(stretch)
        ;[resting, retired] = [[], []]
      } else if (live.length > 0 && random.oneIn(2)) {
        const [stretch] = live.splice(random.below(live.length), 1)
        allocator.retire(stretch!.offset, stretch!.words)
        retired.push(stretch!)
      } else {
        const wanted = 1 + random.below(random.pick([8, 40, 300]))
        const offset = allocator.take(wanted)
        if (offset === undefined) refused++
        else {
          const stretch = { offset, words: wanted }
          words.mark(stretch, `step ${step}`)
          live.push(stretch)
        }
      }
    }
    assert.ok(refused > 100, `${refused} refused`)
    for (const { offset, words } of live) allocator.retire(offset, words)
    for (let i = 0; i < 3; i++) allocator.reclaim()
    live = []
    assert.equal(allocator.take(LARGEST), GRAIN, 'all of it is one stretch again')
  })

  it('are refused when there is no room, and nothing changes', () => {
    const allocator = new PoolAllocator(64)
    assert.equal(allocator.take(48), 16)
    assert.equal(allocator.take(1), undefined)
    allocator.retire(16, 48)
    assert.equal(allocator.take(1), undefined, 'a reader may be in it')
    allocator.reclaim()
    assert.equal(allocator.take(1), undefined, 'still')
    allocator.reclaim()
    assert.equal(allocator.take(1), 16)
  })

  it('word 0 is never given, and not taken back', () => {
    const allocator = new PoolAllocator(32)
    allocator.retire(0, 16)
    allocator.reclaim()
    allocator.reclaim()
    assert.deepEqual([allocator.take(16), allocator.take(16)], [16, undefined])
  })
})
