import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseRules } from '../cli/ipvsadm/rules.ts'
import { PROBES_MAX } from '../dataplane/limits.ts'
import { connections } from '../dataplane/tables.ts'
import { endpoint, tcpFrame, udpFrame } from '../wire/flow.ts'
import { readPcap, writePcap, type Pcap, type PcapFrame } from '../wire/pcap.ts'
import { printFrame } from '../wire/print.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { isLan, readLan, type Lan } from './lan.ts'
import { replayFrames, worldFor, type ReplayedFrame } from './replay.ts'
import type { Rule } from './rule.ts'

const CLIENT_MAC = '02:aa:00:00:00:01'
const OWN_MAC = '02:aa:00:00:00:02'
const SERVER_MAC = '02:aa:00:00:00:03'
const FROM_CLIENT = { destinationMac: OWN_MAC, sourceMac: CLIENT_MAC }
const FROM_SERVER = { destinationMac: OWN_MAC, sourceMac: SERVER_MAC }

/** A capture of these frames, through a file, a second apart. */
function capture(...frames: readonly Uint8Array[]): Pcap {
  return captureAt(frames.map((bytes, seconds) => ({ bytes, seconds })))
}

function captureAt(
  frames: readonly { bytes: Uint8Array; seconds: number; originalLength?: number }[],
): Pcap {
  const captured = frames.map(({ bytes, seconds, originalLength = bytes.length }): PcapFrame => {
    return { seconds: 1_700_000_000 + seconds, nanoseconds: 500_000_000, bytes, originalLength }
  })
  const pcap = readPcap(writePcap(captured))
  assert.ok(!('error' in pcap))
  return pcap
}

function replay(pcap: Pcap, rules: readonly Rule[], lan?: Lan): ReplayedFrame[] {
  const world = worldFor(pcap, rules, lan)
  assert.deepEqual(world.furnish(rules), { refused: [], problems: [] })
  return [...replayFrames(world, pcap)]
}

/** What left, as one line each; '-' where nothing did. */
function linesOf(replayed: readonly ReplayedFrame[]): string[] {
  return replayed.map(({ sent }) =>
    sent === null ? '-' : printFrame(sent.bytes, { link: true }).replace(/, (win|seq|ack) .*/, ''),
  )
}

interface Family {
  readonly name: string
  readonly client: string
  readonly vip: string
  readonly rip: string
  readonly lip: string
  ethertype: string
}
const FAMILIES: readonly Family[] = [
  {
    name: 'IPv4',
    client: '10.0.0.10:40000',
    vip: '10.0.0.100:80',
    rip: '10.0.1.11:8080',
    lip: '10.0.1.1',
    ethertype: 'IPv4 (0x0800)',
  },
  {
    name: 'IPv6',
    client: '[2001:db8:a::10]:40000',
    vip: '[2001:db8:a::100]:80',
    rip: '[2001:db8:b::11]:8080',
    lip: '2001:db8:b::1',
    ethertype: 'IPv6 (0x86dd)',
  },
]

/** One service with one server, whose forwarding method is an option of ipvsadm. */
function rulesFor({ vip, rip, lip }: Family, method: '-m' | '-g' | '-i' | '-b'): Rule[] {
  const local = method === '-b' ? `-P -t ${vip} -z ${lip}` : ''
  return parseRules(`-A -t ${vip} -s rr\n-a -t ${vip} -r ${rip} ${method}\n${local}`)
}

/** tcpdump's way to write an endpoint. */
function dotted(text: string): string {
  const { ip, port } = endpoint(text)
  return `${ip}.${port}`
}

for (const family of FAMILIES) {
  const { client, vip, rip, lip, ethertype } = family
  const syn = tcpFrame(client, vip, { flags: TcpFlag.syn, over: FROM_CLIENT })
  const ack = tcpFrame(client, vip, { flags: TcpFlag.ack, over: FROM_CLIENT })
  const [c, v, r] = [client, vip, rip].map(dotted)
  const plain = family.name === 'IPv4' ? 54 : 74

  describe(`${family.name} replayed`, () => {
    it('as NAT there and back', () => {
      const synAck = tcpFrame(rip, client, {
        flags: TcpFlag.syn | TcpFlag.ack,
        over: FROM_SERVER,
      })
      const replayed = replay(capture(syn, synAck, ack), rulesFor(family, '-m'))
      assert.deepEqual(linesOf(replayed), [
        `${OWN_MAC} > ${SERVER_MAC}, ethertype ${ethertype}, length ${plain}: ${c} > ${r}: Flags [S]`,
        `${OWN_MAC} > ${CLIENT_MAC}, ethertype ${ethertype}, length ${plain}: ${v} > ${c}: Flags [S.]`,
        `${OWN_MAC} > ${SERVER_MAC}, ethertype ${ethertype}, length ${plain}: ${c} > ${r}: Flags [.]`,
      ])
      const told = replayed.map(({ report }) => [report.reason, report.server, report.opened])
      assert.deepEqual(told, [
        ['toServer', rip, true],
        ['toClient', rip, false],
        ['toServer', rip, false],
      ])
      for (const { report } of replayed) assert.equal(report.service, `tcp ${vip}`)
    })

    it('as direct routing, only with other MAC addresses', () => {
      const replayed = replay(capture(syn, ack), rulesFor(family, '-g'))
      const { ip } = endpoint(rip)
      const hex = family.name === 'IPv4' ? '0a:00:01:0b' : '00:00:00:11'
      assert.deepEqual(linesOf(replayed), [
        `${OWN_MAC} > 02:00:${hex}, ethertype ${ethertype}, length ${plain}: ${c} > ${v}: Flags [S]`,
        `${OWN_MAC} > 02:00:${hex}, ethertype ${ethertype}, length ${plain}: ${c} > ${v}: Flags [.]`,
      ])
      const server = ip.includes(':') ? `[${ip}]:80` : `${ip}:80`
      assert.equal(replayed[0]!.report.server, server)
    })

    it('through a tunnel, from the virtual address', () => {
      const replayed = replay(capture(syn), rulesFor(family, '-i'))
      const [line] = linesOf(replayed)
      const outer = `${endpoint(vip).ip} > ${endpoint(rip).ip}`
      const length = family.name === 'IPv4' ? 74 : 114
      const inner = family.name === 'IPv4' ? 'IP' : 'IP6'
      assert.ok(line!.includes(`length ${length}: ${outer}: ${inner} ${c} > ${v}`), line)
    })

    it('as FULLNAT there and back', () => {
      const rules = rulesFor(family, '-b')
      const [forward] = linesOf(replay(capture(syn), rules))
      const local = new RegExp(`${lip.replaceAll('.', '\\.')}\\.(\\d+) > `).exec(forward!)?.[1]
      assert.ok(local !== undefined && forward!.includes(` > ${r}: Flags [S]`), forward)
      const from = family.name === 'IPv4' ? `${lip}:${local}` : `[${lip}]:${local}`
      const synAck = tcpFrame(rip, from, { flags: TcpFlag.syn | TcpFlag.ack, over: FROM_SERVER })
      const back = linesOf(replay(capture(syn, synAck), rules))[1]
      assert.ok(back!.includes(`${CLIENT_MAC}, `) && back!.includes(`: ${v} > ${c}: `), back)
    })
  })
}

describe('replay', () => {
  const family = FAMILIES[0]!
  const { client, vip } = family
  const rules = rulesFor(family, '-m')
  const syn = tcpFrame(client, vip, { flags: TcpFlag.syn, over: FROM_CLIENT })

  it('leaves what is not for a service, and says why', () => {
    const frames = [
      udpFrame(client, vip, { over: FROM_CLIENT }),
      tcpFrame(client, '10.0.0.7:80', { over: FROM_CLIENT }),
      syn.subarray(0, 20),
    ]
    const replayed = replay(capture(syn, ...frames), rules)
    const told = replayed.map(({ report }) => `${report.verdict} ${report.reason}`)
    assert.deepEqual(told, ['send toServer', 'pass noService', 'pass notOurs', 'pass truncated'])
  })

  it('ends connections at the time of the capture', () => {
    const ack = tcpFrame(client, vip, { flags: TcpFlag.ack, over: FROM_CLIENT })
    const reasonAfter = (seconds: number) => {
      const frames = [
        { bytes: syn, seconds: 0 },
        { bytes: ack, seconds },
      ]
      return replay(captureAt(frames), rules)[1]!.report.reason
    }
    // SYN_RECV lasts 60 seconds.
    assert.equal(reasonAfter(59), 'toServer')
    assert.equal(reasonAfter(60), 'notOpening')
    assert.equal(reasonAfter(90_000), 'notOpening')
  })

  it('frees servers of connections that ended, as the daemon does', () => {
    const lc = parseRules(`
      -A -t 10.0.0.100:80 -s lc
      -a -t 10.0.0.100:80 -r 10.0.1.11:80 -m
      -a -t 10.0.0.100:80 -r 10.0.1.12:80 -m -x 1`)
    const from = (port: number) =>
      tcpFrame(`10.0.0.10:${port}`, vip, { flags: TcpFlag.syn, over: FROM_CLIENT })
    const frames = [
      { bytes: from(1), seconds: 0 },
      { bytes: from(2), seconds: 1 },
      { bytes: from(3), seconds: 2 },
      { bytes: from(4), seconds: 100 },
    ]
    const servers = replay(captureAt(frames), lc).map(({ report }) => report.server)
    assert.deepEqual(servers, ['10.0.1.12:80', '10.0.1.11:80', '10.0.1.11:80', '10.0.1.12:80'])
  })

  it('does not let time go back', () => {
    const frames = [
      { bytes: syn, seconds: 50 },
      { bytes: syn, seconds: 0 },
      { bytes: syn, seconds: 51 },
    ]
    const replayed = replay(captureAt(frames), rules)
    assert.deepEqual(
      replayed.map(({ report }) => [report.time, report.opened]),
      [
        [0, true],
        [-50, false],
        [1, false],
      ],
    )
  })

  it('restores what the capture cut, and cuts what leaves', () => {
    const long = tcpFrame(client, vip, {
      flags: TcpFlag.syn,
      data: 'x'.repeat(500),
      over: FROM_CLIENT,
    })
    const cut = { bytes: long.subarray(0, 96), seconds: 0, originalLength: long.length }
    const [replayed] = replay(captureAt([cut]), rulesFor(family, '-i'))
    assert.equal(replayed!.sent!.bytes.length, 96 + 20)
    assert.equal(replayed!.sent!.originalLength, long.length + 20)
    assert.equal(replayed!.report.reason, 'toServer')
  })

  it('takes frames longer than the link for the segments they stand for', () => {
    const options = { flags: TcpFlag.syn, data: 'x'.repeat(20_000) }
    const long = tcpFrame(client, vip, { ...options, over: FROM_CLIENT })
    const [replayed] = replay(capture(long), rules)
    assert.equal(replayed!.report.reason, 'toServer')
    assert.equal(replayed!.sent!.bytes.length, long.length)
  })

  it('gives the same answer each time', () => {
    const frames = Array.from({ length: 50 }, (_, i) =>
      tcpFrame(`10.0.0.10:${1000 + i}`, vip, { flags: TcpFlag.syn, over: FROM_CLIENT }),
    )
    const many = parseRules(`
      -A -t 10.0.0.100:80 -s sh
      -a -t 10.0.0.100:80 -r 10.0.1.11:80 -b
      -a -t 10.0.0.100:80 -r 10.0.1.12:80 -b
      -P -t 10.0.0.100:80 -z 10.0.1.1`)
    const once = replay(capture(...frames), many).map(({ report }) => report)
    const again = replay(capture(...frames), many).map(({ report }) => report)
    assert.deepEqual(once, again)
    assert.ok(once.every(({ reason }) => reason === 'toServer'))
  })

  it('takes tables large enough for what may open connections, not for every frame', () => {
    const acks = FAMILIES.map(({ client, vip }) => tcpFrame(client, vip, { flags: TcpFlag.ack }))
    const datagrams = FAMILIES.map(({ client, vip }) => udpFrame(client, vip))
    const linesFor = (...frames: Uint8Array[]) => {
      const pcap = capture(...Array.from({ length: 1000 }, () => frames).flat())
      return worldFor(pcap, rules, undefined).tables.memoryOf(connections).capacity - PROBES_MAX
    }
    assert.equal(linesFor(...acks), 1024)
    assert.equal(linesFor(...datagrams), 4096)
    assert.equal(linesFor(syn), 2048)
  })

  it('tells of rules that the director refuses', () => {
    const wrong = parseRules('-A -t 10.0.0.100:80 -s rr\n\n-A -t 10.0.0.100:80 -s lc')
    const world = worldFor(capture(), wrong, undefined)
    const { refused } = world.furnish(wrong)
    assert.deepEqual(refused, [
      { errno: 'EEXIST', message: 'service tcp 10.0.0.100:80 exists already', line: 3 },
    ])
  })

  it('holds frames for neighbours that a described LAN does not have, and routes by it', () => {
    const lan = readLan(`{
      "interfaces": [
        {"name": "front", "mac": "${OWN_MAC}", "addresses": ["10.0.0.1/24"]},
        {"name": "back", "mac": "02:aa:00:00:00:05", "addresses": ["10.0.1.1/24"]}],
      "neighbours": [{"address": "10.0.1.12", "mac": "${SERVER_MAC}", "interface": "back"}]}`)
    assert.ok(isLan(lan))
    const three = parseRules(`
      -A -t 10.0.0.100:80 -s rr
      -a -t 10.0.0.100:80 -r 10.0.1.11:80 -m
      -a -t 10.0.0.100:80 -r 10.0.1.12:80 -m
      -a -t 10.0.0.100:80 -r 10.9.9.9:80 -m`)
    const frames = [1, 2, 3].map((port) =>
      tcpFrame(`10.0.0.10:${port}`, vip, { flags: TcpFlag.syn, over: FROM_CLIENT }),
    )
    const reports = replay(capture(...frames), three, lan).map(({ report }) => report)
    assert.deepEqual(
      reports.map(({ server, reason, egress, waitsFor }) => [server, reason, egress, waitsFor]),
      [
        ['10.9.9.9:80', 'answeredNoRoute', 'front', undefined],
        ['10.0.1.12:80', 'toServer', 'back', undefined],
        ['10.0.1.11:80', 'nextHopUnresolved', undefined, '10.0.1.11'],
      ],
    )
  })
})

describe('the reports', () => {
  it('are what the README says', () => {
    const { client, vip } = FAMILIES[0]!
    const syn = tcpFrame(client, vip, { flags: TcpFlag.syn, over: FROM_CLIENT })
    const [replayed] = replay(capture(syn), rulesFor(FAMILIES[0]!, '-m'))
    assert.deepEqual(Object.keys(replayed!.report), [
      'frame',
      'time',
      'interface',
      'verdict',
      'reason',
      'service',
      'server',
      'opened',
      'in',
      'egress',
      'out',
    ])
  })
})
