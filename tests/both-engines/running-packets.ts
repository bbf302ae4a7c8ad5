/**
 * A thread that runs packets through a loaded program, one behind the other, while another edits the tables; what it
 * notes of each is for that other one to judge.
 *
 * New connections in turn with packets of old ones. Of each packet four words: what the counter of edits said before
 * and after it, what the program returned, and the real server by its MAC address (0: the frame went to none).
 */
import { parentPort, workerData } from 'node:worker_threads'
import { ProgramBench } from '../../src/kernel/bpf/run.ts'
import { tcpFrame } from '../../src/wire/flow.ts'
import { TcpFlag } from '../../src/wire/tcp.ts'
import { NOTE_WORDS, ONE_IN_OLD, type PacketRun } from './packet-notes.ts'

const PORTS = 30_000

const run = workerData as PacketRun
const counters = new Int32Array(run.counters)
const bench = new ProgramBench(run.program, 'tc')
const notes = new Int32Array(run.packetsMax * NOTE_WORDS)

function frameOf(n: number, flags: number): Uint8Array {
  const client = `10.${1 + Math.floor(n / PORTS)}.0.10:${1024 + (n % PORTS)}`
  return tcpFrame(client, run.virtual, { flags, over: { destinationMac: run.destinationMac } })
}

let opened = 0
let packets = 0
while (packets < run.packetsMax && Atomics.load(counters, 1) === 0) {
  const isOld = packets % ONE_IN_OLD === ONE_IN_OLD - 1
  const frame = isOld
    ? frameOf(Math.floor((opened * (packets % 97)) / 97), TcpFlag.ack)
    : frameOf(opened++, TcpFlag.syn)
  const before = Atomics.load(counters, 0)
  const { verdict, frame: after } = bench.run(frame, { interfaceIndex: run.interfaceIndex })
  const done = Atomics.load(counters, 0)
  const isToServer = after[4] === 0x0b
  notes.set([before, done, verdict, isToServer ? after[5]! - 0x10 : 0], packets * NOTE_WORDS)
  if (before !== done || (before & 1) === 1) Atomics.add(counters, 3, 1)
  Atomics.store(counters, 2, ++packets)
  Atomics.notify(counters, 2)
}
parentPort!.postMessage(notes.slice(0, packets * NOTE_WORDS))
