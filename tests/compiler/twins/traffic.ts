/**
 * What happens to twins in one round: wild frames, time that passes, and an operator's hand now and then. The same seed
 * gives the same round, as long as what the frames become is the same.
 */
import { Random } from '../../../src/base/random.ts'
import type { Attachment } from '../../../src/compiler/target/target.ts'
import { INTERFACE } from '../../goldens/laboratory.ts'
import { WildFrames } from '../../packets/wild-frames.ts'
import { mayBeLarge, WIDER_WORLD } from '../../packets/wild-services.ts'
import { drawEdit } from './random-edits.ts'
import type { Step } from './twins.ts'

const SEGMENT = 1448
const EDIT_ONCE_IN = 300

/** The kernel's test runs take no shorter frames; those for tc want a whole IP header where the type says IP. */
function shortest(bytes: Uint8Array, attachment: Attachment): number {
  const type = (bytes[12]! << 8) | bytes[13]!
  if (attachment === 'xdp' || (type !== 0x0800 && type !== 0x86dd)) return 14
  return type === 0x0800 ? 34 : 54
}

export class Traffic {
  readonly #attachment: Attachment
  readonly #wild: WildFrames
  readonly #mayCross: boolean
  #random: Random

  /** `seed`: of the corpus that all rounds share; `mayCross`: see random-services.ts. */
  constructor(attachment: Attachment, seed: number, mayCross: boolean) {
    this.#mayCross = mayCross
    this.#attachment = attachment
    this.#random = new Random(seed)
    this.#wild = new WildFrames(this.#random, WIDER_WORLD)
  }

  /** A round begins, by a generator of its own. */
  begin(random: Random): void {
    this.#random = random
    this.#wild.beginAnew(random)
  }

  /** The next step; its bytes are valid until the one after. */
  draw(): Step {
    const random = this.#random
    const wild = this.#wild
    const edit = random.oneIn(EDIT_ONCE_IN) ? drawEdit(random, this.#mayCross) : undefined
    const seconds = random.oneIn(20) ? random.below(40) / 4 : 0
    do wild.make()
    while (wild.length < shortest(wild.bytes, this.#attachment))
    const bytes = wild.bytes.subarray(0, wild.length)
    const isLarge = this.#attachment === 'tc' && random.oneIn(64) && mayBeLarge(bytes)
    return {
      edit,
      seconds,
      bytes,
      ingress: INTERFACE[wild.isReply ? 'server' : 'client'],
      chance: (random.next32() | 1) >>> 0,
      segmentSize: isLarge ? SEGMENT : 0,
      leftover: random.oneIn(16) ? random.below(256) : undefined,
    }
  }

  /** A frame left: it may be answered. */
  note(frame: Uint8Array): void {
    if (!this.#random.oneIn(3)) this.#wild.note(Uint8Array.from(frame))
  }
}
