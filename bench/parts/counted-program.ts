/**
 * The compiled packet path on tables of its own in this process, furnished as for bench/kernel.ts, one frame at a time.
 */
import { ipToWords, wordsToIp } from '../../src/base/ip.ts'
import { instructionsFor, type Artefact } from '../../src/bpf/artefact.ts'
import { IPV4_ONLY } from '../../src/compiler/programs.ts'
import { TABLES } from '../../src/dataplane/tables.ts'
import type { ForwardingMethod } from '../../src/director/model.ts'
import { AREA } from '../../src/kernel/bpf/artefact.ts'
import { allocateTables } from '../../src/subset/table.ts'
import { tcpFrame } from '../../src/wire/flow.ts'
import { TcpFlag } from '../../src/wire/tcp.ts'
import { Machine } from '../../tests/compiler/machine.ts'
import { compilePacketPath } from '../../tests/compiler/packet-path.ts'
import { furnish } from './furnish.ts'

const VIP = '10.200.1.1'
const STRANGER = '10.200.9.9'
const MAC = '02:0a:00:00:00:00'
const CLIENT = '10.0.0.1:1024'
const HERTZ = 250
/** Where the destination address stands in an IPv4 frame. */
const DESTINATION = 30
const VERDICT_PASS = { xdp: 2, tc: 0xffffffff } as const

export interface CountedFrame {
  readonly name: string
  readonly forwarding: ForwardingMethod
  readonly kind: 'request' | 'reply' | 'foreign'
}

export const FRAMES: readonly CountedFrame[] = [
  { name: 'not a VIP', forwarding: 'masquerade', kind: 'foreign' },
  { name: 'NAT', forwarding: 'masquerade', kind: 'request' },
  { name: 'NAT, answer', forwarding: 'masquerade', kind: 'reply' },
  { name: 'DR', forwarding: 'direct', kind: 'request' },
  { name: 'TUN', forwarding: 'tunnel', kind: 'request' },
  { name: 'FULLNAT', forwarding: 'fullnat', kind: 'request' },
]

export class CountedProgram {
  readonly artefact: Artefact
  readonly #settled: boolean

  constructor(attachment: 'xdp' | 'tc', isForIpv4: boolean) {
    this.#settled = isForIpv4
    this.artefact = compilePacketPath(attachment, {
      clock: 'jiffies',
      settled: this.#settled ? IPV4_ONLY : {},
    })
  }

  /** A machine that has run such a frame of a connection that is open, and only that is counted. */
  run({ forwarding, kind }: CountedFrame): Machine {
    const machine = this.#furnished(forwarding)
    const over = { destinationMac: MAC }
    const send = (from: string, to: string, flags: number) => {
      machine.counts.fill(0)
      const verdict = machine.run(tcpFrame(from, to, { flags, data: new Uint8Array(6), over }))
      const isPassed = verdict === VERDICT_PASS[this.artefact.attachment]
      if (isPassed !== (kind === 'foreign')) throw new Error(`${from} to ${to}: ${verdict}`)
    }
    const to = `${kind === 'foreign' ? STRANGER : VIP}:80`
    for (const flags of [TcpFlag.syn, TcpFlag.ack, TcpFlag.ack]) send(CLIENT, to, flags)
    if (kind !== 'reply') return machine
    const server = new DataView(machine.frame.buffer).getUint32(DESTINATION)
    const [w0, w1, w2] = ipToWords(VIP)
    const from = `${wordsToIp(w0, w1, w2, server)}:80`
    for (const flags of [TcpFlag.syn | TcpFlag.ack, TcpFlag.ack]) send(from, CLIENT, flags)
    return machine
  }

  #furnished(forwarding: ForwardingMethod): Machine {
    const set = allocateTables(TABLES)
    set.use()
    furnish({ forwarding, vip: VIP, mac: MAC, servers: 100 })
    const rows = new Map<string, number>([[AREA, 1]])
    const maps = this.artefact.maps.map(({ name, rowBytes }) => {
      if (name === AREA) return seeded(rowBytes)
      const { bytes, base, capacity } = set.memoryOf(TABLES.find((one) => one.name === name)!)
      rows.set(name, capacity)
      return new DataView(bytes.buffer, bytes.byteOffset + base, capacity * rowBytes)
    })
    const { attachment } = this.artefact
    const instructions = instructionsFor(this.artefact, { rows, hertz: HERTZ })
    return new Machine({ attachment, instructions, maps })
  }
}

/** Chance never begins with 0. */
function seeded(bytes: number): DataView {
  const area = new DataView(new ArrayBuffer(bytes))
  area.setUint32(0, 1, true)
  return area
}
