/**
 * Rounds of one program in a process of its own, for tools/fuzz.mjs:
 *
 *     worker.js PROGRAM SEED FIRST-ROUND FRAMES
 *
 * FRAMES 0: until it is ended. One line of JSON after each round: `{ program, frames, counts }`, all since the start;
 * a difference ends it: `{ program, finding }`, with frames in hex.
 */
import { Rounds, FRAMES_A_ROUND, type Finding } from './rounds.ts'
import { enterTwinNetwork, PROGRAMS, unreached } from './programs.ts'

const [name, seed, first, frames] = process.argv.slice(2)
const made = PROGRAMS.find((each) => each.name === name)
if (made === undefined) {
  console.error(`worker: there is no program ${name}, only ${PROGRAMS.map((each) => each.name)}`)
  process.exit(2)
}
enterTwinNetwork()
const rounds = new Rounds(made, Number(seed))
const wanted = Number(frames) === 0 ? Infinity : Number(frames)
for (let round = Number(first); rounds.tally.frames < wanted; round++) {
  const left = wanted - rounds.tally.frames
  const finding = rounds.run(round, Math.min(FRAMES_A_ROUND, left))
  if (finding !== undefined) {
    say({ program: made.name, finding: shown(finding) })
    break
  }
  const counts = rounds.tally.counts()
  const { frames } = rounds.tally
  say({ program: made.name, frames, counts, unreached: unreached(made, counts) })
}
rounds.close()

function say(message: unknown): void {
  console.log(JSON.stringify(message))
}

function shown({ steps, ...finding }: Finding) {
  const last = steps.map(({ edit, bytes, ...step }) => ({
    ...(edit !== undefined && { edit: edit.says }),
    ...step,
    bytes: Buffer.from(bytes).toString('hex'),
  }))
  return { ...finding, steps: last }
}
