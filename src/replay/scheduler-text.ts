/**
 * How each scheduler chooses, in one phrase, and what its flags change, for `explain`.
 */
import { SchedulerId } from '../dataplane/schedule.ts'
import { ServiceFlag } from '../dataplane/tables.ts'

const SCHEDULER_TEXT: Readonly<Record<keyof typeof SchedulerId, string>> = {
  none: 'no server at all',
  rr: 'the next usable server in turn',
  wrr: 'usable servers in turn, each as often as its weight says',
  lc: 'the fewest connections, 256 × active + inactive',
  wlc: 'the fewest connections for its weight, (256 × active + inactive) / weight',
  sed: 'the shortest expected delay, (active + 1) / weight',
  nq: 'an idle server, else the shortest expected delay, (active + 1) / weight',
  sh: "a hash of the client's address",
  mh: "a hash of the client's address, which changes little as servers come and go",
  dh: 'a hash of the destination address',
  lblc: 'the server that had this destination last, unless it is too busy; else as wlc',
  lblcr:
    'the least loaded of the servers that have this destination, unless it is too busy; else as wlc',
  fo: 'the usable server with the highest weight',
  ovf: 'the highest weight among servers with no more active connections than that',
  twos: 'the less loaded for its weight of two servers drawn by chance',
}

/** Those of which a server that cannot take the client leaves it without one, but for the first flag. */
const HASHES: readonly number[] = [SchedulerId.sh, SchedulerId.mh, SchedulerId.dh]
/** Those that know flags. */
const FLAGGED: readonly number[] = [SchedulerId.sh, SchedulerId.mh]

/** 'sh: a hash of the client's address and port; if that server cannot take it, nobody gets it' */
export function describeScheduler(id: number, flags: number): string {
  const entry = Object.entries(SCHEDULER_TEXT).find(
    ([name]) => SchedulerId[name as keyof typeof SchedulerId] === id,
  )
  if (entry === undefined) return `scheduler ${id}`
  const [name, text] = entry
  const isFlagged = FLAGGED.includes(id)
  const hasPort = isFlagged && (flags & ServiceFlag.schedulerFlag2) !== 0
  const said = hasPort ? text.replace("client's address", "client's address and port") : text
  return `${name}: ${said}${HASHES.includes(id) ? `; ${refusalOf(isFlagged ? flags : 0)}` : ''}`
}

function refusalOf(flags: number): string {
  const isFallback = (flags & ServiceFlag.schedulerFlag1) !== 0
  return `if that server cannot take it, ${isFallback ? 'another hash finds one' : 'nobody gets it'}`
}
