/**
 * Fragments: only the first one of a datagram carries ports, so they are remembered for the others.
 *
 * Bounded: FRAGMENT_LINES datagrams at once, each for FRAGMENT_TIMEOUT_S; the newest takes the place of the one that
 * would be forgotten soonest. IPVS has the kernel reassemble first and fragments anew (ip_vs_gather_frags).
 * Differs from IPVS: here each fragment goes on as it came; one that overtakes its first fragment waits for it, where
 * the engine can (`fragmentEarly`).
 */
import { isAtOrAfter, u32 } from '../subset/integers.ts'
import { now } from '../subset/clock.ts'
import type { ViewOf } from '../subset/struct.ts'
import type { Flow } from './flow.ts'
import { hashAddress, mix } from './hash.ts'
import type { Fragment } from './fragment-row.ts'
import { FRAGMENT_PROBES_MAX } from './limits.ts'
import { fragments, NONE, settings } from './tables.ts'
import { timeoutOf, TimeoutRow } from './timeout.ts'

type Fragment = ViewOf<typeof Fragment>

const settingsAt = settings.cursor()
const knownAt = fragments.cursor()
const victimAt = fragments.cursor()
const writtenAt = fragments.cursor()

/** First line to look at; the table has FRAGMENT_PROBES_MAX more than the mask says. */
function homeOf(flow: Flow): u32 {
  const common = settingsAt.at(0)
  if (common === null) return NONE
  const seed: u32 = mix(common.hashSeed, flow.identification)
  const destination: u32 = u32(
    flow.destination0 ^ flow.destination1 ^ flow.destination2 ^ flow.destination3,
  )
  const hash: u32 = hashAddress(
    mix(seed, destination),
    flow.source0,
    flow.source1,
    flow.source2,
    flow.source3,
    flow.protocol,
  )
  return u32(hash & common.fragmentMask)
}

function isOf(line: Fragment, flow: Flow): boolean {
  return (
    line.identification === flow.identification &&
    line.source3 === flow.source3 &&
    line.destination3 === flow.destination3 &&
    line.protocol === flow.protocol &&
    line.family === flow.family &&
    line.source0 === flow.source0 &&
    line.source1 === flow.source1 &&
    line.source2 === flow.source2 &&
    line.destination0 === flow.destination0 &&
    line.destination1 === flow.destination1 &&
    line.destination2 === flow.destination2
  )
}

/** Fills in a later fragment's ports. False: its first fragment is not known. @apart */
export function recallPorts(flow: Flow): boolean {
  const home: u32 = homeOf(flow)
  for (let i: u32 = 0; i < FRAGMENT_PROBES_MAX; i++) {
    const line = knownAt.at(home + i)
    if (line === null) return false
    if (line.owner === 0 || isAtOrAfter(now(), line.expires) || !isOf(line, flow)) continue
    flow.sourcePort = line.sourcePort
    flow.destinationPort = line.destinationPort
    return true
  }
  return false
}

/** Remembers a first fragment's ports. @apart */
export function rememberPorts(flow: Flow): void {
  const home: u32 = homeOf(flow)
  let place: u32 = home
  let soonest: u32 = NONE
  for (let i: u32 = 0; i < FRAGMENT_PROBES_MAX; i++) {
    const line = victimAt.at(home + i)
    if (line === null) return
    const isFree: boolean = line.owner === 0 || isAtOrAfter(now(), line.expires)
    if (isFree || isOf(line, flow)) {
      place = u32(home + i)
      break
    }
    const left: u32 = u32(line.expires - now())
    if (left >= soonest) continue
    soonest = left
    place = u32(home + i)
  }
  const line = writtenAt.at(place)
  if (line !== null) writeLine(line, flow)
}

function writeLine(line: Fragment, flow: Flow): void {
  line.owner = 0
  line.source0 = flow.source0
  line.source1 = flow.source1
  line.source2 = flow.source2
  line.source3 = flow.source3
  line.destination0 = flow.destination0
  line.destination1 = flow.destination1
  line.destination2 = flow.destination2
  line.destination3 = flow.destination3
  line.identification = flow.identification
  line.protocol = flow.protocol
  line.family = flow.family
  line.sourcePort = flow.sourcePort
  line.destinationPort = flow.destinationPort
  line.expires = u32(now() + timeoutOf(TimeoutRow.fragment))
  line.owner = 1
}
