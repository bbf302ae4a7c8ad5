/**
 * Tables as nobody would set them up: every second time the wide laboratory of ../../packets/wild-services.ts, where
 * each kind of service is, and else services and real servers by lot; switches, bounds, sizes of hash tables by lot.
 *
 * What is drawn once is applied to each laboratory.
 */
import type { Random } from '../../../src/base/random.ts'
import { PROBES_MAX } from '../../../src/dataplane/limits.ts'
import { localPorts, NONE, settings } from '../../../src/dataplane/tables.ts'
import type { TableSet } from '../../../src/subset/table.ts'
import { Laboratory } from '../../goldens/laboratory.ts'
import { makeLaboratory, VIPS } from '../../packets/wild-laboratory.ts'
import { addWildServices, markRules, WIDER_CAPACITIES } from '../../packets/wild-services.ts'
import { drawSwitch, setNarrow } from './random-edits.ts'
import { drawServices, type Family } from './random-services.ts'
import type { Beginning } from './twins.ts'

/** What a round begins with; `families`: of the services. */
export function drawBeginning(random: Random, families: readonly Family[]): Beginning {
  const options = {
    capacities: WIDER_CAPACITIES,
    hashSeed: random.next32(),
    connectionsMax: random.pick([12, 250, 250, 1000]),
    icmpPerSecond: random.pick([0, 4, 4, 1000]),
  }
  const masks = drawMasks(random)
  const vips = families.map((family) => VIPS[family === 4 ? 0 : 1])
  const isWide = random.oneIn(2)
  const services = isWide
    ? []
    : families.flatMap((family) => drawServices(random, family, families.length > 1))
  const marks = families.map((family) => (family === 4 ? 0 : 1)).filter(() => !random.oneIn(4))
  const switches = random.oneIn(3) ? [] : [drawSwitch(random), drawSwitch(random)]
  const isNarrow = random.oneIn(2)
  return {
    make(set: TableSet) {
      const given = { ...options, tables: set }
      const lab = isWide ? makeLaboratory(given, vips) : new Laboratory(given)
      lab.use()
      Object.assign(settings.row(0), masks)
      if (isWide) addWildServices(lab, vips)
      for (const each of services) each.apply(lab)
      if (!isWide) lab.director.marks.set(marks.flatMap(markRules))
      for (const each of switches) each.apply(lab)
      if (isNarrow) setNarrow(lab)
      if (masks.localPortMask === 0) occupyLocalPorts()
      return lab
    },
  }
}

/** Hash tables of a few lines are full soon, and long ways through them are the rule. */
/** Others have nearly every line within reach of the only home there is. */
function occupyLocalPorts(): void {
  for (let i = 0; i < PROBES_MAX - FREE_LOCAL_PORTS; i++) {
    const line = localPorts.row(i)
    line.owner = 2 + i
    line.connection = NONE
  }
  localPorts.row(0).reach = PROBES_MAX - 1
}

const FREE_LOCAL_PORTS = 1

function drawMasks(random: Random) {
  const some = (...masks: number[]) => random.pick(masks)
  return {
    connectionMask: some(1023, 1023, 127, 15),
    localPortMask: some(1023, 63, 0),
    fragmentMask: some(63, 63, 3),
    localityMask: some(255, 255, 7),
    memberMask: some(1023, 1023, 7),
  }
}
