import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { before, describe, it, type TestContext } from 'node:test'
import { loaderArguments, moduleUrl } from '../../../tests/own-program.ts'
import { Random } from '../../base/random.ts'
import { CLAIM_CASES, randomFrame, SAMPLE_CLAIMS } from '../../../tests/kernel/claim-frames.ts'
import {
  addVeth,
  enterOwnNetwork,
  ip,
  linkOf,
  notRoot,
  until,
  type Link,
} from '../../../tests/kernel/own-network.ts'
import { NO_CLAIMS, type ClaimEndpoint } from './claim-sets.ts'
import { isClaimed } from './claim.ts'
import { KernelError } from '../errno.ts'
import { addressOf } from '../ffi.ts'
import { IngressClaim } from './ingress-claim.ts'
import { PacketSocket } from '../packet/packet-socket.ts'
import { VIRTIO_HEADER_SIZE } from '../packet/virtio-header.ts'

const withoutNft = spawnSync('nft', ['--version']).status === 0 ? false : 'nft is not installed'

function nft(args: string): string {
  return execFileSync('nft', args.split(' '), { encoding: 'utf8' })
}

/** A claim that is closed with the test. */
function openClaim(context: TestContext, table?: string): IngressClaim {
  const claim = IngressClaim.open(table)
  context.after(() => claim.close())
  return claim
}

function hex(socket: PacketSocket): string {
  const { buffer } = socket.memory.bytes
  const frame = Buffer.from(buffer, socket.frameStart, socket.frameLength)
  return `${socket.hasVlanTag ? `[${socket.vlanTci}] ` : ''}${frame.toString('hex')}`
}

describe('the ingress claim', { skip: notRoot }, () => {
  let out: Link
  let input: Link

  before(() => {
    enterOwnNetwork()
    ;[out, input] = addVeth('slout', 'slin')
    // What the hook lets through, a bridge behind it hands to its own device, whatever it is.
    ip('link add slbr type bridge mcast_snooping 0')
    for (const filter of ['iptables', 'ip6tables']) {
      const setting = `/proc/sys/net/bridge/bridge-nf-call-${filter}`
      if (existsSync(setting)) writeFileSync(setting, '0') // would drop unsound headers
    }
    ip('link set slin master slbr')
    ip('link set slbr addrgenmode none')
    ip('link set slbr promisc on')
    ip('link set slbr up')
  })

  it('drops exactly the frames that its twin says, whole and mangled', async (context) => {
    const claim = openClaim(context)
    claim.attach('slin')
    claim.replace(SAMPLE_CLAIMS)
    const sender = PacketSocket.open(out.index, { slots: 0 })
    const tap = PacketSocket.open(input.index)
    const behind = PacketSocket.open(linkOf('slbr').index)
    const seed = Number(process.env['SEED'] ?? 1)
    const random = new Random(seed)
    const frames = CLAIM_CASES.map(({ frame }) => frame)
    while (frames.length < 6000) frames.push(randomFrame(random))

    let claimed = 0
    let passed = 0
    const memory = new Uint8Array(64 * 512)
    const view = { bytes: new DataView(memory.buffer), address: addressOf(memory) }
    for (let first = 0; first < frames.length; first += 64) {
      const batch = frames.slice(first, first + 64)
      memory.fill(0)
      batch.forEach((frame, i) => {
        const start = 512 * i + VIRTIO_HEADER_SIZE
        const isForOther = (first + i) % 17 === 16
        memory.set(frame, start)
        memory.set(isForOther ? [2, 9, 9, 9, 9, 9] : input.mac, start)
        sender.send(view, start, frame.length)
      })
      sender.flush()
      const want: string[] = []
      for (let seen = 0; seen < batch.length;) {
        await until(`frame ${first + seen} arrives, seed ${seed}`, () => tryNext(tap))
        seen++
        const { bytes } = tap.memory
        const { frameStart, frameLength, vlanTci, packetType } = tap
        if (isClaimed(claim.sets, bytes, frameStart, frameLength, vlanTci, packetType)) claimed++
        else want.push(hex(tap))
        tap.release(lastSlot)
      }
      const got: string[] = []
      while (got.length < want.length) {
        await until(`of ${want.join(' ')} comes more than ${got.length}`, () => tryNext(behind))
        got.push(hex(behind))
        behind.release(lastSlot)
      }
      assert.deepEqual(got, want, `seed ${seed}`)
      assert.equal(behind.next(), -1, 'nothing came through that is claimed')
      passed += got.length
    }
    assert.deepEqual([...sender.sendErrors], [])
    assert.ok(claimed > 500 && passed > 500, `${claimed} claimed, ${passed} passed`)
    for (const socket of [sender, tap, behind]) socket.close()
  })

  it('is readable with nft', { skip: withoutNft }, (context) => {
    const claim = openClaim(context, 'sluice-read')
    claim.attach('slin')
    claim.update(SAMPLE_CLAIMS)
    const text = nft('list table netdev sluice-read')
    for (const line of [
      'meta pkttype other return',
      'vlan id != 0 return',
      'ip daddr @destination_addresses4 jump to4',
      'ip saddr @source_addresses4 ip daddr != @own_addresses4 jump from4',
      'ip frag-off & 16383 != 0 counter packets 0 bytes 0 drop',
      'ip6 saddr . meta l4proto . th sport @sources6 counter packets 0 bytes 0 drop',
      'type filter hook ingress device "slin" priority filter; policy accept;',
      '10.0.0.1 . sctp . 9',
      'jump networks6',
      'ip daddr 10.2.0.0/15 tcp dport 53-80 counter packets 0 bytes 0 drop',
      '2001:db8:1::2 . udp',
    ]) {
      assert.ok(text.includes(line), `${line}\nis not in\n${text}`)
    }
    claim.close()
    assert.equal(nft('list ruleset'), '')
  })

  it('follows additions, removals and replacement', { skip: withoutNft }, (context) => {
    const claim = openClaim(context)
    const web: ClaimEndpoint = { address: '10.0.0.7', protocol: 6, port: 80 }
    const elements = (set: string): string =>
      /elements = \{([^}]*)\}/.exec(nft(`list set netdev sluice ${set}`))?.[1]?.trim() ?? ''
    claim.update({ ...NO_CLAIMS, destinations: [web, web, { ...web, port: 0 }] })
    assert.equal(elements('destinations4'), '10.0.0.7 . tcp . 80')
    claim.update(NO_CLAIMS, { ...NO_CLAIMS, destinations: [web] })
    assert.equal(elements('destinations4'), '10.0.0.7 . tcp . 80', 'added twice, removed once')
    claim.update(
      { ...NO_CLAIMS, destinations: [{ ...web, port: 81 }] },
      { ...NO_CLAIMS, destinations: [web] },
    )
    assert.equal(elements('destinations4'), '10.0.0.7 . tcp . 81')
    claim.replace({ ...NO_CLAIMS, ownAddresses: ['10.0.0.9'] })
    assert.equal(elements('destinations4') + elements('destination_addresses4'), '')
    assert.equal(elements('own_addresses4'), '10.0.0.9')
  })

  it('follows networks that come and go', { skip: withoutNft }, (context) => {
    const claim = openClaim(context)
    const web = { prefix: '10.2.0.0/15', protocol: 6, firstPort: 80, lastPort: 89 }
    const rules = (chain: string): number =>
      nft(`list chain netdev sluice ${chain}`).match(/jump to|drop$/gm)?.length ?? 0
    const counts = (): number[] => ['networks4', 'ports4', 'networks6'].map(rules)
    const of = (...networks: (typeof web)[]) => ({ ...NO_CLAIMS, networks })
    claim.update(of(web, web, { ...web, protocol: 17 }))
    assert.deepEqual(counts(), [2, 2, 0])
    claim.update(of({ ...web, prefix: '::/0' }), of(web, { ...web, protocol: 17 }))
    assert.deepEqual(counts(), [1, 1, 1])
    claim.update(NO_CLAIMS, of(web))
    assert.deepEqual(counts(), [0, 0, 1])
    claim.replace(NO_CLAIMS)
    assert.deepEqual(counts(), [0, 0, 0])
  })

  it('stays as it was when the kernel refuses, and says what', (context) => {
    const claim = openClaim(context)
    const isRefusal = (call: RegExp, code: string) => (error: unknown) =>
      error instanceof KernelError && call.test(error.call) && error.code === code
    try {
      claim.attach('slnone') // from Linux 6.16 on the chain waits for the interface
    } catch (error) {
      assert.ok(isRefusal(/new chain ingress_slnone/, 'ENOENT')(error), String(error))
    }
    claim.detach('slnone')
    assert.throws(() => IngressClaim.open(), isRefusal(/new table sluice/, 'EPERM'))
    claim.attach('slin')
    claim.detach('slin')
    claim.detach('slin')
  })

  it('takes ten thousand services with ten servers each, and an edit, without a wait', (context) => {
    const claim = openClaim(context)
    const address = (a: number, n: number): string => `${a}.${n >> 16}.${(n >> 8) & 255}.${n & 255}`
    const list = (a: number, n: number): ClaimEndpoint[] =>
      Array.from({ length: n }, (_, i) => ({ address: address(a, i), protocol: 6, port: 80 }))
    const started = performance.now()
    claim.replace({ destinations: list(10, 10_000), sources: list(172, 100_000), ownAddresses: [] })
    const loaded = performance.now()
    claim.update({ ...NO_CLAIMS, destinations: [{ address: '192.0.2.1', protocol: 6, port: 1 }] })
    const edited = performance.now()
    context.diagnostic(`load ${loaded - started} ms, edit ${edited - loaded} ms`)
    assert.ok(loaded - started < 5000, `${loaded - started} ms`)
    assert.ok(edited - loaded < 500, `${edited - loaded} ms`)
  })

  it('is gone when the process that holds it is killed', { skip: withoutNft }, async () => {
    const script = `
      import { IngressClaim } from ${JSON.stringify(moduleUrl('./ingress-claim', import.meta.url))}
      IngressClaim.open().attach('slin')
      console.log('held')
      setInterval(() => {}, 1000)`
    const args = [...loaderArguments, '--input-type=module', '--eval', script]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    assert.match(nft('list ruleset'), /table netdev sluice/)
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.equal(nft('list ruleset'), '')
  })
})

let lastSlot = -1

function tryNext(socket: PacketSocket): boolean {
  lastSlot = socket.next()
  return lastSlot >= 0
}
