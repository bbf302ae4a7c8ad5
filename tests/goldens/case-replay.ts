/**
 * One recorded case, replayed: our ipvsadm, our packet path and a clock that only `sleep` moves.
 *
 * Every event that says what came out is compared; what differs is returned, not thrown. Masked: the order of
 * connections, one second of their timers, and `--stats` and `--rate` while the kernel has not refreshed them.
 */
import { isDeepStrictEqual } from 'node:util'
import { Verdict } from '../../src/dataplane/verdict.ts'
import * as tables from '../../src/dataplane/tables.ts'
import { readCounters } from '../../src/director/entries.ts'
import { ESTIMATE_INTERVAL_MS } from '../../src/director/estimator.ts'
import { setSysctl, sysctl } from '../../src/director/sysctls.ts'
import { parseFrame } from '../../src/wire/frame.ts'
import { SctpChunkType } from '../../src/wire/sctp.ts'
import { TcpFlag } from '../../src/wire/tcp.ts'
import { bytesOf } from '../packets/golden-frames.ts'
import { print, show } from './departed-text.ts'
import { ForgedFlows, recordedTaken } from './forged-flows.ts'
import { leaveToHost } from './host-stack.ts'
import { shellOn } from './ipvsadm-program.ts'
import { Laboratory, type Departed, type Side } from './laboratory.ts'
import type { CaseEvent, CommandEvent, FrameEvent, GoldenEvent } from './recordings.ts'

/** What came out otherwise than recorded. */
export interface Difference {
  readonly n: number
  readonly got: unknown
  readonly wanted: unknown
}

const ESTIMATE_INTERVAL_S = ESTIMATE_INTERVAL_MS / 1000

/** Replays a case from its first event to its last, or to one that cannot be replayed at all. */
export async function replayCase(events: readonly GoldenEvent[]): Promise<Difference[]> {
  const replay = new CaseReplay()
  for (const [i, event] of events.entries()) {
    try {
      await replay.step(event, answersTo(events, i))
    } catch (error) {
      replay.differences.push({ n: event.n, got: error, wanted: event })
      break
    }
  }
  return replay.differences
}

/** The frames that left because of event `i`. */
function answersTo(events: readonly GoldenEvent[], i: number): FrameEvent[] {
  const end = events.findIndex(({ op }, at) => at > i && op !== 'rx')
  return events.slice(i + 1, end < 0 ? events.length : end) as FrameEvent[]
}

class CaseReplay {
  readonly differences: Difference[] = []
  readonly #lab = new Laboratory()
  readonly #shell = shellOn(this.#lab)
  readonly #flows = new ForgedFlows(this.#lab)
  /** Seconds since the case began, and since something that counts was done. */
  #elapsedS = 0
  #restedS = 0

  async step(event: GoldenEvent, answers: readonly FrameEvent[]): Promise<void> {
    if (event.op === 'sleep') return this.#sleep(event.s)
    if (event.op === 'rx') return
    if (event.op === 'cmd') return this.#run(event)
    if (event.op === 'case') return this.#setSwitches(event)
    this.#restedS = 0
    if (event.op === 'conn') {
      this.#compare(event.n, this.#flows.open(event), recordedTaken(event))
    } else if (event.op === 'close') this.#flows.close(event)
    else if (event.op === 'note') this.#heed(event.text)
    else if (event.op === 'tx') this.#send(event, answers)
  }

  #setSwitches({ sysctl: assignments = [] }: CaseEvent): void {
  for (const each of assignments) {
    const [name, value] = each.split('=')
    // What is about netfilter is off, which is all that it can be.
    if (each === 'net.ipv4.vs.conntrack=0') continue
    const refusal = setSysctl(name!, Number(value))
    if (refusal !== null) throw new Error(refusal.message)
  }
    this.#lab.director.keepNatServers()
  }

  #compare(n: number, got: unknown, wanted: unknown): void {
    if (!isDeepStrictEqual(got, wanted)) this.differences.push({ n, got, wanted })
  }

  /** The estimator runs every two seconds, as the daemon has it run. */
  #sleep(seconds: number): void {
    const end = this.#elapsedS + seconds
    this.#restedS += seconds
    for (;;) {
      const next = (Math.floor(this.#elapsedS / ESTIMATE_INTERVAL_S) + 1) * ESTIMATE_INTERVAL_S
      this.#lab.sleep(Math.min(next, end) - this.#elapsedS)
      this.#elapsedS = Math.min(next, end)
      if (next > end) return
      estimate(this.#lab)
    }
  }

  async #run({ n, cmd, stdout, stderr, rc }: CommandEvent): Promise<void> {
    // The kernel shows its own tables there.
    if (cmd.startsWith('cat /proc/net/')) return
    const result = await this.#shell.run(cmd)
    if (/--(stats|rate)/.test(cmd) && this.#restedS < ESTIMATE_INTERVAL_S) return
    if (/^ipvsadm -L\w*c\b/.test(cmd)) this.#compareConnections(n, result.stdout, stdout)
    else this.#compare(n, result, { stdout, stderr, rc })
  }

  #compareConnections(n: number, got: string, wanted: string): void {
    const [ours, theirs] = [readConnections(got), readConnections(wanted)]
    const isSame =
      ours.length === theirs.length &&
      ours.every(({ text, expiresS }, i) => {
        const other = theirs[i]!
        return text === other.text && Math.abs(expiresS - other.expiresS) <= 1
      })
    if (!isSame) this.differences.push({ n, got, wanted })
  }

  #send({ n, at, hex }: FrameEvent, answers: readonly FrameEvent[]): void {
    const frame = bytesOf(hex!)
    const { verdict, departed } = this.#lab.send(at as Side, frame)
    const recorded = answers
      .filter(({ hex }) => hex !== undefined)
      .map(({ at, hex }) => ({ at: at as Side, bytes: bytesOf(hex!) }))
    if (verdict !== Verdict.pass) this.#compareFrames(n, departed, recorded)
    else if (!isHostsAnswer(answers)) this.#compareFrames(n, leaveToHost(frame), recorded)
  }

  #compareFrames(n: number, got: readonly Departed[], wanted: readonly Departed[]): void {
    if (isDeepStrictEqual(got.map(show), wanted.map(show))) return
    const text = (left: Departed) => `${print(left)} = ${show(left)}`
    this.differences.push({ n, got: got.map(text), wanted: wanted.map(text) })
  }

  #heed(note: string): void {
    const finished = /^(\d+) x \(SYN, FIN\|ACK\) from distinct sources/.exec(note)?.[1]
    const large = /^(\d+) packets of 60000 bytes \(IP length\) sent$/.exec(note)?.[1]
    if (finished !== undefined) this.#flows.openAndFinish(Number(finished), '10.0.0.100:80')
    else if (large !== undefined) this.#flows.sendLarge(Number(large), 60000, '10.0.0.100:53')
    else throw new Error(`what to do for: ${note}`)
  }
}

function estimate({ director }: Laboratory): void {
  if (sysctl('run_estimation') === 0) return
  for (const { row, servers, estimator } of director.services.values()) {
    estimator.update(readCounters(tables.services.row(row)))
    for (const { row, estimator } of servers) {
      estimator.update(readCounters(tables.servers.row(row)))
    }
  }
}

/** The host's own answers to what nobody took: a reset, an abort, or that the port or protocol is not reachable. */
function isHostsAnswer(answers: readonly FrameEvent[]): boolean {
  const [first] = answers
  if (answers.length !== 1 || first!.at !== 'client') return false
  if (first!.sum !== '') return /^TCP \S+ > \S+ RA? |type 3 code 3 .*\{UDP /.test(first!.sum)
  return isRefusal(bytesOf(first!.hex!))
}

/** What RFC 9260 section 8.4 has a host answer to packets of no association. */
const OUT_OF_THE_BLUE: readonly (number | undefined)[] = [
  SctpChunkType.abort,
  SctpChunkType.shutdownComplete,
]

/** Of a frame that is recorded without words. */
function isRefusal(frame: Uint8Array): boolean {
  const { tcp, sctp, icmp, icmpv6 } = parseFrame(frame) ?? {}
  if (tcp !== undefined) return (tcp.flags & TcpFlag.rst) !== 0
  if (sctp !== undefined) return OUT_OF_THE_BLUE.includes(sctp.chunks[0]?.type)
  if (icmp !== undefined) return icmp.type === 3 && (icmp.code === 2 || icmp.code === 3)
  return icmpv6?.type === 1 && icmpv6.code === 4
}

interface ConnectionLine {
  readonly text: string
  readonly expiresS: number
}

/** The lines of `-Lnc` without their timers, sorted. */
function readConnections(listing: string): ConnectionLine[] {
  return listing
    .split('\n')
    .map((line) => {
      const [timer, minutes, seconds] = /\b(\d+):(\d\d)\b/.exec(line) ?? []
      const expiresS = timer === undefined ? 0 : Number(minutes) * 60 + Number(seconds)
      return { text: timer === undefined ? line : line.replace(timer, ''), expiresS }
    })
    .sort((a, b) => (a.text < b.text ? -1 : 1))
}
