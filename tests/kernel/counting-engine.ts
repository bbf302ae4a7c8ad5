/**
 * For a kernel engine without the packet path: programs that only count frames, in a row of `reasons` each, and few
 * rows of every table.
 */
import type { Artefact } from '../../src/bpf/artefact.ts'
import { describeProgram } from '../../src/bpf/debug-lines.ts'
import { encode } from '../../src/bpf/encode.ts'
import * as bpf from '../../src/bpf/instruction.ts'
import {
  FRAGMENT_PROBES_MAX,
  LOCALITY_PROBES_MAX,
  MEMBER_PROBES_MAX,
  PROBES_MAX,
} from '../../src/dataplane/limits.ts'
import { reasons } from '../../src/dataplane/tables.ts'
import type { ReadProgram } from '../../src/engine/kernel-programs.ts'

/** Small, and quickly made. */
export const FEW_ROWS = {
  connections: 1024 + PROBES_MAX,
  localPorts: 1024 + PROBES_MAX,
  localities: 256 + LOCALITY_PROBES_MAX,
  localityMembers: 256 + MEMBER_PROBES_MAX,
  fragments: 64 + FRAGMENT_PROBES_MAX,
  services: 64,
  serviceIndex: 128,
  servers: 256,
  serverOrigins: 256,
  pool: 1 << 14,
  hops: 128,
  neighbourIndex: 256,
  routeNodes: 256 * 128,
}
const SIZE = reasons.struct.size
const { r0, r1, r2, r3, r4 } = bpf
const IPV4 = 0x0008

/** Programs that count IPv4 frames in row `row` of `reasons`, the companion one row further on. */
export function counting(row: number): ReadProgram {
  return (name) => {
    const isXdp = name === 'xdp'
    const [data, end, pass] = isXdp ? [0, 4, 2] : [76, 80, -1]
    const { bytes } = encode([
      bpf.load(r2, bpf.u32(r1, data)),
      bpf.load(r3, bpf.u32(r1, end)),
      bpf.move(r4, r2),
      bpf.add(r4, 14),
      bpf.branch(r4, 'greater', r3, 'out'),
      bpf.load(r4, bpf.u16(r2, 12)),
      bpf.branch(r4, 'unequal', IPV4, 'out'),
      bpf.mapValue(r1, 'index', 0, SIZE * (row + (name === 'companion' ? 1 : 0))),
      bpf.move32(r2, 1),
      bpf.atomicAdd(bpf.u64(r1, 0), r2),
      bpf.label('out'),
      bpf.move32(r0, pass),
      bpf.exit(),
    ])
    return artefactOf(name, isXdp ? 'xdp' : 'tc', bytes)
  }
}

function artefactOf(name: string, attachment: 'xdp' | 'tc', bytes: Uint8Array): Artefact {
  const place = { slot: 0, file: 'count.ts', line: 1, column: 1, text: 'count()' }
  const { btf, functions, lines } = describeProgram([{ slot: 0, name: 'count' }], [place])
  const base64 = (data: Uint8Array) => Buffer.from(data).toString('base64')
  return {
    format: 1,
    name,
    attachment,
    instructions: base64(bytes),
    maps: [
      { name: 'reasons', rowBytes: SIZE },
      { name: 'area', rowBytes: 64 },
    ],
    leastRows: {},
    patches: [],
    debug: { btf: base64(btf), functions: base64(functions), lines: base64(lines) },
    places: [],
    texts: [],
  }
}
