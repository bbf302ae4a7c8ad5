/**
 * `--json`: every listing as one JSON object on one line, as the control socket has it (director/model.ts).
 *
 * All there is to know is in it: `--stats`, `--rate`, `--thresholds` and their like change nothing.
 */
import type { Calls } from '../../control/protocol.ts'
import type { ServiceListing } from '../../director/model.ts'
import { sortServers, sortServices } from './order.ts'

/** `version`: null where one service is listed. */
export function servicesToJson(
  services: readonly ServiceListing[],
  version: Calls['ipvs.version']['result'] | null,
  isSorted: boolean,
): string {
  const listed = isSorted
    ? sortServices(services).map((each) => ({ ...each, servers: sortServers(each.servers) }))
    : services
  return toJson({ ...version, services: listed })
}

export function toJson(value: object): string {
  return `${JSON.stringify(value)}\n`
}
