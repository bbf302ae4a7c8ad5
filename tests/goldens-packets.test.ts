/**
 * The packet path, frame by frame, against what Linux IPVS sent (tests/goldens/packets-*.jsonl).
 *
 * Each recorded frame goes in, and what leaves must be what left then, byte for byte; what is passed, the host's own
 * stack must have answered then, too. IP ids that the director chose are not compared. Where we do otherwise on
 * purpose, `DIFFERENT` says what we send.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Verdict } from '../src/dataplane/verdict.ts'
import type { ForwardingMethod, ServiceKey, Tunnel } from '../src/director/model.ts'
import { endpoint } from '../src/wire/flow.ts'
import { printFrame } from '../src/wire/print.ts'
import { print, show, withoutChoices } from './goldens/departed-text.ts'
import { leaveToHost } from './goldens/host-stack.ts'
import { Laboratory, type Departed } from './goldens/laboratory.ts'
import { readRecording, type FrameEvent, type GoldenEvent } from './goldens/recordings.ts'
import { bytesOf } from './packets/golden-frames.ts'

/** By case and number of the frame sent: what leaves instead. */
const DIFFERENT: Readonly<Record<string, readonly string[]>> = {
  // IPVS puts the datagram together and cuts the tunnel packet; our fragments go on as they came, each in one.
  'pkt-ipip 33': [
    'server, 854 bytes: IP 192.168.10.1 > 192.168.10.11: IP 10.0.0.10.5001 > 10.0.0.100.80: UDP, length 1200',
  ],
  'pkt-ipip 35': [
    'server, 462 bytes: IP 192.168.10.1 > 192.168.10.11: IP 10.0.0.10 > 10.0.0.100: ip-proto-17',
  ],
  'pkt-gue-remcsum 33': [
    `server, 866 bytes: ${inGue(824)}: IP 10.0.0.10.5001 > 10.0.0.100.80: UDP, length 1200`,
  ],
  'pkt-gue-remcsum 35': [
    `server, 474 bytes: ${inGue(432)}: IP 10.0.0.10 > 10.0.0.100: ip-proto-17`,
  ],
  'pkt-gue-remcsum 40': [
    `server, 1466 bytes: ${inGue(1424)}: IP 10.0.0.10.5002 > 10.0.0.100.80: UDP, length 2400`,
    `server, 1074 bytes: ${inGue(1032)}: IP 10.0.0.10 > 10.0.0.100: ip-proto-17`,
  ],
  // The one before, not the first of its datagram, has waited for this.
  'pkt-ipip 40': [
    'server, 1454 bytes: IP 192.168.10.1 > 192.168.10.11: IP 10.0.0.10.5002 > 10.0.0.100.80: UDP, length 2400',
    'server, 1062 bytes: IP 192.168.10.1 > 192.168.10.11: IP 10.0.0.10 > 10.0.0.100: ip-proto-17',
  ],
}

function inGue(length: number): string {
  const gue = `UDP, length ${length}: GUE, proto IPIP (4), length ${length}`
  return `IP 192.168.10.1.0 > 192.168.10.11.6080: ${gue}`
}

for (const file of ['packets-v4.jsonl', 'packets-v6.jsonl']) {
  describe(file, () => {
    for (const [name, events] of readRecording(file)) {
      it(name, () => {
        replay(events)
      })
    }
  })
}

function replay(events: readonly GoldenEvent[]): void {
  const lab = new Laboratory()
  events.forEach((event, i) => {
    if (event.op === 'cmd') runCommand(lab, event.cmd)
    else if (event.op === 'sleep') lab.sleep(event.s)
    else if (event.op === 'note') heedNote(lab, event.text)
    else if (event.op === 'tx') {
      const end = events.findIndex(({ op }, at) => at > i && op !== 'rx')
      checkFrame(lab, event, events.slice(i + 1, end) as FrameEvent[])
    }
  })
}

/** The ipvsadm commands of these recordings, and no others. */
function runCommand(lab: Laboratory, command: string): void {
  const words = command.split(' ')
  const valueOf = (...names: string[]) => {
    const at = words.findIndex((word) => names.includes(word))
    return at < 0 ? undefined : words[at + 1]
  }
  if (words[1]!.startsWith('-L')) return
  const { ip, port } = endpoint(valueOf('-t', '-u')!)
  const protocol = words.includes('-t') ? 'tcp' : 'udp'
  const key: ServiceKey = { protocol, address: ip, port }
  if (words[1] === '-A') return lab.addService(key, valueOf('-s')!)
  assert.equal(words[1], '-a', command)
  const server = endpoint(valueOf('-r')!)
  const methods: Record<string, ForwardingMethod> = { m: 'masquerade', g: 'direct', i: 'tunnel' }
  const forwarding = methods[/ -([mgi])\b/.exec(command)![1]!]!
  const type = (valueOf('--tun-type') ?? 'ipip') as Tunnel['type']
  let checksum: Tunnel['checksum'] = 'none'
  if (words.includes('--tun-csum')) checksum = 'checksum'
  if (words.includes('--tun-remcsum')) checksum = 'remote-checksum'
  const tunnel = { type, port: Number(valueOf('--tun-port') ?? 0), checksum }
  lab.addServer(key, { address: server.ip, port: server.port }, { forwarding, tunnel })
}

function heedNote(lab: Laboratory, note: string): void {
  const mtu = /^director's server-side MTU is now (\d+)$/.exec(note)?.[1]
  assert.ok(mtu !== undefined, note)
  lab.setMtu('server', Number(mtu))
}

function checkFrame(lab: Laboratory, sent: FrameEvent, answers: readonly FrameEvent[]): void {
  const frame = bytesOf(sent.hex!)
  const { verdict, departed } = lab.send(sent.at as 'client' | 'server', frame)
  const left = verdict === Verdict.pass ? leaveToHost(frame) : departed
  const recorded = answers
    .filter(({ at }) => at !== 'none')
    .map(({ at, hex }) => ({ at, bytes: bytesOf(hex!) }) as Departed)
  const id = `${sent.case} ${sent.n}`
  const different = DIFFERENT[id]
  const isSame = left.map(show).join() === recorded.map(show).join()
  if (different !== undefined) {
    const lines = left.map(
      ({ at, bytes }) => `${at}, ${bytes.length} bytes: ${printFrame(withoutChoices(bytes))}`,
    )
    assert.deepEqual(lines, different, id)
    assert.ok(!isSame, `${id} is as recorded, not different`)
  } else if (!isSame) {
    assert.deepEqual(left.map(print), recorded.map(print), `${id}: ${sent.sum} ${sent.note ?? ''}`)
    assert.deepEqual(left.map(show), recorded.map(show), `${id}: ${sent.sum} ${sent.note ?? ''}`)
  }
}
