import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { SETTLE_MS, SpecialPrograms, type LoadedPrograms } from './special-programs.ts'

const PROGRAMS: LoadedPrograms = new Map([['tc', 7]])

/** What is in use, and all that happened, in order. */
class World {
  readonly events: string[] = []
  isEnough = true
  refusal: string | undefined
  #timer: (() => void) | undefined
  #loading: ((programs: LoadedPrograms) => void) | undefined
  #failing: ((error: Error) => void) | undefined

  readonly special = new SpecialPrograms({
    isEnough: () => this.isEnough,
    load: () => {
      this.events.push('load')
      return new Promise((resolve, reject) => {
        this.#loading = resolve
        this.#failing = reject
      })
    },
    use: (programs) => {
      if (this.refusal !== undefined) throw new Error(this.refusal)
      this.events.push(programs === undefined ? 'general' : `special ${programs.get('tc')}`)
    },
    release: () => this.events.push('release'),
    onProblem: (text) => this.events.push(text),
    later: (run, delayMs) => {
      assert.equal(delayMs, SETTLE_MS)
      this.#timer = run
      return () => (this.#timer = undefined)
    },
  })

  /** The time to settle is over, if it runs. */
  settle(): void {
    const run = this.#timer
    this.#timer = undefined
    run?.()
  }

  async loaded(): Promise<void> {
    this.#loading!(PROGRAMS)
    await Promise.resolve()
  }

  async failed(): Promise<void> {
    this.#failing!(new Error('no memory'))
    await Promise.resolve()
    await Promise.resolve()
  }

  change(): void {
    this.special.beginChange()
    this.special.endChange()
  }

  take(): string[] {
    return this.events.splice(0)
  }
}

describe('special programs', () => {
  let world: World
  beforeEach(() => (world = new World()))

  async function inUse(): Promise<void> {
    world.change()
    world.settle()
    await world.loaded()
    assert.deepEqual(world.take(), ['load', 'special 7'])
  }

  it('are loaded when changes have settled, and used', async () => {
    world.change()
    assert.deepEqual(world.take(), [])
    world.settle()
    assert.deepEqual(world.take(), ['load'])
    assert.equal(world.special.isInUse, false)
    await world.loaded()
    assert.deepEqual(world.take(), ['special 7'])
    assert.equal(world.special.isInUse, true)
  })

  it('go before a change begins, and come again, loaded already', async () => {
    await inUse()
    world.special.beginChange()
    assert.deepEqual(world.take(), ['general'])
    world.settle()
    world.special.endChange()
    assert.deepEqual(world.take(), [])
    world.settle()
    assert.deepEqual(world.take(), ['special 7'])
  })

  it('do not come back where they would not do', async () => {
    await inUse()
    world.isEnough = false
    world.change()
    world.settle()
    assert.deepEqual(world.take(), ['general'])
    world.isEnough = true
    world.settle()
    assert.deepEqual(world.take(), [], 'nobody asks again before the next change')
  })

  it('wait for the last of several changes at once', async () => {
    world.special.beginChange()
    world.change()
    world.settle()
    assert.deepEqual(world.take(), [])
    world.special.endChange()
    world.settle()
    assert.deepEqual(world.take(), ['load'])
  })

  it('are not used when a change came while they were loaded', async () => {
    world.change()
    world.settle()
    world.special.beginChange()
    await world.loaded()
    assert.deepEqual(world.take(), ['load'])
    world.isEnough = false
    world.special.endChange()
    world.settle()
    assert.deepEqual(world.take(), [])
    world.isEnough = true
    world.change()
    await Promise.resolve()
    assert.deepEqual(world.take(), [])
    world.settle()
    assert.deepEqual(world.take(), ['special 7'])
  })

  it('keep a change from happening that they cannot make way for', async () => {
    await inUse()
    world.refusal = 'no such link'
    assert.throws(() => world.special.beginChange(), /no such link/)
    assert.equal(world.special.isInUse, true)
    world.refusal = undefined
    world.change()
    assert.deepEqual(world.take(), ['general'])
  })

  it('do without where they cannot be loaded, until the next change', async () => {
    world.change()
    world.settle()
    await world.failed()
    assert.deepEqual(world.take(), ['load', 'the general program serves on: no memory'])
    world.change()
    world.settle()
    assert.deepEqual(world.take(), ['load'])
  })

  it('are released at the end, even those that come too late', async () => {
    world.change()
    world.settle()
    world.special.close()
    await world.loaded()
    assert.deepEqual(world.take(), ['load', 'release'])
    const other = new World()
    other.change()
    other.settle()
    await other.loaded()
    other.special.close()
    other.settle()
    assert.deepEqual(other.take(), ['load', 'special 7', 'release'])
  })
})
