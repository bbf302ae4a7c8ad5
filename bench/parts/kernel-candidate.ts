/**
 * The packet path as XDP program with tables of its own, furnished for measuring and attached to nothing.
 */
import type { ForwardingMethod } from '../../src/director/model.ts'
import { IPV4_ONLY } from '../../src/compiler/programs.ts'
import { TABLES } from '../../src/dataplane/tables.ts'
import { AREA, createMaps, loadArtefact } from '../../src/kernel/bpf/artefact.ts'
import { mapMemory } from '../../src/kernel/bpf/map.ts'
import { TableSet } from '../../src/subset/table.ts'
import { compilePacketPath } from '../../tests/compiler/packet-path.ts'
import { furnish } from './furnish.ts'

/** As yardsticks.bpf.c and measure.c have them. */
const VIP = '10.200.1.1'
const MAC = '02:0a:00:00:00:00'
const SERVERS = 100
/** A million that stay, and the new ones that come while it is measured. */
const CONNECTIONS_MAX = 2_000_000
const HERTZ = 250

/** The program's descriptor; `isForIpv4`: made for a director that has to do with IPv4 alone. */
export function loadFurnished(forwarding: ForwardingMethod, isForIpv4: boolean): number {
  const settled = isForIpv4 ? IPV4_ONLY : {}
  const artefact = compilePacketPath('xdp', { clock: 'jiffies', settled })
  const rows = new Map(TABLES.map(({ name, capacity }) => [name, capacity]))
  const maps = createMaps(artefact, rows)
  const memories = TABLES.map(({ name, struct, contents, capacity }) => {
    const map = maps.get(name)
    const buffer =
      map === undefined
        ? new ArrayBuffer(capacity * struct.size)
        : mapMemory(map.fd, { valueSize: map.rows * map.rowBytes, entries: 1 }).buffer
    if (contents !== undefined) new Uint8Array(buffer).set(contents)
    return { capacity, bytes: new DataView(buffer), base: 0 }
  })
  new TableSet(TABLES, memories).use()
  furnish({ forwarding, vip: VIP, mac: MAC, servers: SERVERS, connectionsMax: CONNECTIONS_MAX })
  seed(maps.get(AREA)!)
  return loadArtefact(artefact, maps, HERTZ).fd
}

/** Chance never begins with 0. */
function seed({ fd, rows, rowBytes }: { fd: number; rows: number; rowBytes: number }): void {
  const { buffer } = mapMemory(fd, { valueSize: rows * rowBytes, entries: 1 })
  for (let cpu = 0; cpu < rows; cpu++) new DataView(buffer).setUint32(cpu * rowBytes, 1, true)
}
