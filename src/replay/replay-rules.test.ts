/**
 * Rules for which ipvsadm has no words, `#sluice …`, decide in `replay` as they do in a director: marks, switches.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseRules } from '../cli/ipvsadm/rules.ts'
import { tcpFrame } from '../wire/flow.ts'
import { readPcap, writePcap } from '../wire/pcap.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { replayFrames, worldFor } from './replay.ts'

const OVER = { destinationMac: '02:aa:00:00:00:02', sourceMac: '02:aa:00:00:00:01' }
const VIP = '10.0.0.100:80'
const NAT = `-A -t ${VIP} -s rr\n-a -t ${VIP} -r 10.0.1.11:80 -m\n`

/** What becomes of segments from, to and with these flags, a second apart. */
function reasons(rules: string, ...segments: readonly [string, string, number][]): string[] {
  const frames = segments.map(([from, to, flags], seconds) => {
    const bytes = tcpFrame(from, to, { flags, over: OVER })
    return { seconds, nanoseconds: 0, bytes, originalLength: bytes.length }
  })
  const pcap = readPcap(writePcap(frames))
  assert.ok(!('error' in pcap))
  const read = parseRules(rules)
  const world = worldFor(pcap, read, undefined)
  assert.deepEqual(world.furnish(read), { refused: [], problems: [] })
  return [...replayFrames(world, pcap)].map(({ report }) => report.reason)
}

it('a mark brings a packet to its service', () => {
  const rules = '-A -f 5 -s rr\n-a -f 5 -r 10.0.1.12:0 -g\n'
  const mark = '#sluice mark add 5 --protocol tcp --destination 10.7.0.0/16 --dport 80-89\n'
  const [there, other] = ['10.7.1.1:85', '10.7.1.1:90']
  const from = '10.0.0.10:4000'
  const told = reasons(rules + mark, [from, there, TcpFlag.syn], [from, other, TcpFlag.syn])
  assert.deepEqual(told, ['toServer', 'noService'])
})

it('switches do what they do', () => {
  const ack = ['10.0.0.10:4000', VIP, TcpFlag.ack] as [string, string, number]
  const syns = [1, 2, 3].map((n): typeof ack => [`10.0.0.10:${n}`, VIP, TcpFlag.syn])
  const stray = ['10.0.1.11:80', '10.0.0.10:9', TcpFlag.ack] as typeof ack
  const on = (name: string, value = 1) => `${NAT}#sluice sysctl ${name}=${value}\n`
  assert.deepEqual(reasons(NAT, ack, stray, ...syns), [
    'notOpening',
    'notOurs',
    'toServer',
    'toServer',
    'toServer',
  ])
  assert.deepEqual(reasons(on('sloppy_tcp'), ack), ['toServer'])
  assert.deepEqual(reasons(on('nat_icmp_send'), ack, stray), ['notOpening', 'answeredStray'])
  const dropping = `${on('am_droprate', 2)}#sluice sysctl drop_packet=3\n`
  assert.deepEqual(reasons(dropping, ...syns), ['overloaded', 'toServer', 'overloaded'])
})
