/**
 * The packet path in the kernel against itself in V8: tables, frames and edits by lot, in two laboratories set up
 * alike, one with its tables in maps (twins/). Verdict, frame, what the kernel is told and all tables must come out the
 * same. FUZZ_KERNEL and FUZZ_SEED say how many frames, and which; for millions of them there is tools/fuzz.mjs.
 */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { connections, settings } from '../../src/dataplane/tables.ts'
import { Reason } from '../../src/dataplane/verdict.ts'
import { notRoot } from '../kernel/own-network.ts'
import { enterTwinNetwork, PROGRAMS, unreached } from './twins/programs.ts'
import { FRAMES_A_ROUND, Rounds, type Finding } from './twins/rounds.ts'
import type { Meddle } from './twins/twins.ts'

const FRAMES = Number(process.env['FUZZ_KERNEL'] ?? 6000)
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_251_125)
/** So that there are different tables, even with few frames. */
const ROUNDS_MIN = 3
/** The kernel allows a million. Twice what it takes now: somebody will notice before it is too late. */
const STEPS_MAX = 400_000
/** Of so few frames. */
const UNREACHED_MAX = Object.keys(Reason).length / 2

describe('the packet path in the kernel', { skip: notRoot }, () => {
  before(enterTwinNetwork)

  for (const made of PROGRAMS) {
    it(`does as ${made.name} what it does in V8: ${FRAMES} frames, seed ${SEED}`, (context) => {
      const rounds = new Rounds(made, SEED)
      try {
        const steps = Number(/processed (\d+) insns/.exec(rounds.twins.log)?.[1])
        console.log(`${made.name}: ${steps} verifier steps`)
        assert.ok(steps < STEPS_MAX, `the verifier takes ${steps} steps`)
        const each = Math.min(FRAMES_A_ROUND, Math.ceil(FRAMES / ROUNDS_MIN))
        for (let round = 0; rounds.tally.frames < FRAMES; round++) {
          const finding = rounds.run(round, Math.min(each, FRAMES - rounds.tally.frames))
          assert.equal(finding && textOf(made.name, finding), undefined)
        }
        const missed = unreached(made, rounds.tally.counts())
        context.diagnostic(`not reached: ${missed.join(', ')}`)
        assert.ok(missed.length < UNREACHED_MAX, `not reached: ${missed.join(', ')}`)
      } finally {
        rounds.close()
      }
    })
  }
})

describe('the comparison of kernel and V8', { skip: notRoot }, () => {
  before(enterTwinNetwork)

  it('finds a wrong word in a table, the frame it came with, and the two steps that it takes', () => {
    let [frames, wrongAt] = [0, -1]
    // Goes wrong with some frames, but only while there are connections.
    const meddle: Meddle = ({ bytes }, lab) => {
      lab.use()
      if (bytes.at(-1)! % 16 === 9 && settings.row(0).connections > 0) {
        connections.row(5).reach ^= 0x100
        if (wrongAt < 0) wrongAt = frames
      }
      frames++
    }
    const rounds = new Rounds(PROGRAMS[0]!, SEED, { meddle })
    try {
      const finding = rounds.run(0, FRAMES_A_ROUND)
      assert.ok(finding !== undefined, 'something was found')
      assert.equal(finding.frame, wrongAt)
      assert.match(finding.message, /^table connections, row 5, reach: /)
      assert.equal(finding.steps.length, 2)
    } finally {
      rounds.close()
    }
  })
})

function textOf(program: string, { seed, round, frame, message, steps }: Finding): string {
  const shown = steps.map(({ edit, bytes, ...step }) => {
    const hex = Buffer.from(bytes).toString('hex')
    return `${edit?.says ?? ''} ${JSON.stringify(step)} ${hex}`
  })
  return `${program}, seed ${seed}, round ${round}, frame ${frame}: ${message}\n${shown.join('\n')}`
}
