/**
 * Programs that count the IPv4 frames they see, each in its own word of one map, and let every frame go on; and
 * frames for them to see.
 */
import { encode } from '../../src/bpf/encode.ts'
import * as i from '../../src/bpf/instruction.ts'
import { createMap, mapMemory, type MapShape } from '../../src/kernel/bpf/map.ts'
import { loadProgram, type ProgramType } from '../../src/kernel/bpf/program.ts'
import { close, sendto, socket } from '../../src/kernel/ffi.ts'
import { inNamespace } from '../../src/kernel/netns.ts'
import type { Host } from './two-hosts.ts'

const { r0, r1, r2, r3, r4 } = i
const WORDS = 16
const XDP_PASS = 2
const TC_NEXT = -1
/** Of an Ethernet header, as a little-endian u16. */
const IPV4 = 0x0008
const AF_INET = 2
const SOCK_DGRAM = 2

export interface Counters {
  /** A program that counts in that word; closed with the counters. */
  load(type: ProgramType, word: number): number
  count(word: number): number
  close(): void
}

export function openCounters(): Counters {
  const shape: MapShape = {
    type: 'array',
    name: 'counts',
    valueSize: 4 * WORDS,
    entries: 1,
    isMappable: true,
  }
  const map = createMap(shape)
  const memory = mapMemory(map, shape)
  const words = new Uint32Array(memory.buffer)
  const open = [map]
  return {
    load(type, word) {
      const instructions = encode(countingProgram(type, word)).bytes
      const { fd } = loadProgram({ type, name: `count_${word}`, instructions, maps: [map] })
      open.push(fd)
      return fd
    },
    count: (word) => Atomics.load(words, word),
    close() {
      for (let fd = open.pop(); fd !== undefined; fd = open.pop()) close(fd)
      memory.unmap()
    },
  }
}

function countingProgram(type: ProgramType, word: number): i.Instruction[] {
  const result = type === 'xdp' ? XDP_PASS : TC_NEXT
  const [data, end] = type === 'xdp' ? [0, 4] : [76, 80]
  return [
    i.load(r2, i.u32(r1, data)),
    i.load(r3, i.u32(r1, end)),
    i.move(r4, r2),
    i.add(r4, 14),
    i.branch(r4, 'greater', r3, 'out'),
    i.load(r4, i.u16(r2, 12)),
    i.branch(r4, 'unequal', IPV4, 'out'),
    i.mapValue(r1, 'index', 0, 4 * word),
    i.move32(r2, 1),
    i.atomicAdd(i.u32(r1, 0), r2),
    i.label('out'),
    i.move32(r0, result),
    i.exit(),
  ]
}

/** A function that sends one UDP datagram from that host to 10.0.0.1; and `close`. */
export function openSender(host: Host): { send: () => void; close: () => void } {
  const fd = inNamespace(host.namespace, () => socket(AF_INET, SOCK_DGRAM, 0))
  const address = Uint8Array.of(AF_INET, 0, 0, 9, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)
  return { send: () => void sendto(fd, Uint8Array.of(1), address), close: () => close(fd) }
}
