/**
 * What servers and the table say of how many connections there are, set right where it is not so: a daemon that was
 * killed while it ended one may have left a count one too high.
 *
 *     counts ─► wait for packets on the way ─► count the lines ─► wait again ─► counts
 *
 * Packets go on meanwhile. A count that was the same before and after was nobody's in between, and if it then differs
 * from the lines it is wrong; one that changed is looked at once more, and with much traffic left as it is.
 */
import { BUSY } from '../dataplane/connection.ts'
import { updateOverload } from '../dataplane/server.ts'
import * as tables from '../dataplane/tables.ts'

const { Status } = tables
const TRIES = 3
/** Words of a server: active, inactive, persistent, opened so far. */
const WORDS = 4
const [ACTIVE, INACTIVE, PERSISTENT, OPENED] = [0, 1, 2, 3]

/** `waitForReaders` returns when no packet is on its way that was when it was called. How many counts were wrong. */
export function recount(waitForReaders: () => void): number {
  let wrong = 0
  for (let i = 0; i < TRIES; i++) {
    const [before, totalBefore] = readCounts()
    waitForReaders()
    const [counted, total] = countLines()
    waitForReaders()
    const [after, totalAfter] = readCounts()
    let isSettled = totalAfter === totalBefore
    for (let row = 0; row < tables.servers.memory.capacity; row++) {
      const at = row * WORDS
      const isQuiet = [ACTIVE, INACTIVE, PERSISTENT, OPENED].every(
        (word) => before[at + word!] === after[at + word!],
      )
      if (isQuiet) wrong += setRight(tables.servers.row(row), before, counted, at)
      else isSettled = false
    }
    if (totalAfter === totalBefore && totalBefore !== total) {
      wrong++
      tables.settings.row(0).addConnections((total - totalBefore) >>> 0)
    }
    if (isSettled) break
  }
  return wrong
}

function setRight(
  server: tables.Server,
  told: Uint32Array,
  counted: Uint32Array,
  at: number,
): number {
  const drift = (word: number) => (counted[at + word]! - told[at + word]!) >>> 0
  const [active, inactive, persistent] = [drift(ACTIVE), drift(INACTIVE), drift(PERSISTENT)]
  if (active !== 0) server.addActive(active)
  if (inactive !== 0) server.addInactive(inactive)
  if (persistent !== 0) server.addPersistent(persistent)
  const wrong = [active, inactive, persistent].filter((one) => one !== 0).length
  if (wrong > 0) updateOverload(server)
  return wrong
}

/** By server, and of all. */
function readCounts(): [Uint32Array, number] {
  const { capacity } = tables.servers.memory
  const counts = new Uint32Array(capacity * WORDS)
  for (let row = 0; row < capacity; row++) {
    const { active, inactive, persistent, connections } = tables.servers.row(row)
    counts.set([active, inactive, persistent, Number(connections) >>> 0], row * WORDS)
  }
  return [counts, tables.settings.row(0).connections]
}

function countLines(): [Uint32Array, number] {
  const counts = new Uint32Array(tables.servers.memory.capacity * WORDS)
  const { capacity, bytes, base } = tables.connections.memory
  const line = tables.Connection.view(bytes, base)
  let total = 0
  for (let i = 0; i < capacity; i++) {
    ;(line as unknown as { base: number }).base = base + i * tables.Connection.size
    const { owner, status, server } = line
    if (owner <= BUSY || (status & Status.ended) !== 0) continue
    total++
    const isTemplate = (status & Status.template) !== 0
    const word = isTemplate ? PERSISTENT : (status & Status.inactive) !== 0 ? INACTIVE : ACTIVE
    counts[server * WORDS + word!]!++
  }
  return [counts, total]
}
