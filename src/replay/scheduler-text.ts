/**
 * How each scheduler chooses, in one phrase, for `explain`. One that is not here yet goes by its name.
 */
import { SchedulerId } from '../dataplane/schedule.ts'

const SCHEDULER_TEXT: Readonly<Record<string, string>> = {
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
  lblc: 'the server that had this destination last, unless it is too busy',
  lblcr: 'the least loaded of the servers that had this destination, unless it is too busy',
  fo: 'the usable server with the highest weight',
  ovf: 'the highest weight among servers with no more active connections than that',
  twos: 'the less loaded for its weight of two servers drawn by chance',
}

/** 'wlc: the fewest connections for its weight, …' */
export function describeScheduler(id: number): string {
  const [name = `scheduler ${id}`] = Object.entries(SchedulerId).find(([, one]) => one === id) ?? []
  const text = SCHEDULER_TEXT[name]
  return text === undefined ? name : `${name}: ${text}`
}
