import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it, type TestContext } from 'node:test'
import { openCounters, openSender, type Counters } from '../../../tests/kernel/counting-programs.ts'
import { notRoot, until } from '../../../tests/kernel/own-network.ts'
import { createTwoHosts, type Host, type TwoHosts } from '../../../tests/kernel/two-hosts.ts'
import { linkInfo, programInfo } from './info.ts'
import * as links from './link.ts'
import { isKernelError } from '../errno.ts'
import { close } from '../ffi.ts'
import { inNamespace } from '../netns.ts'

describe('links', { skip: notRoot }, () => {
  let hosts: TwoHosts
  let host: Host
  let counters: Counters
  let sender: ReturnType<typeof openSender>
  before(async () => {
    hosts = await createTwoHosts()
    host = hosts.a
    sender = openSender(hosts.b)
  })
  beforeEach(() => (counters = openCounters()))
  after(() => {
    sender?.close()
    hosts?.remove()
  })

  const here = <T>(run: () => T): T => inNamespace(host.namespace, run)
  const xdp = (program: number, mode: links.XdpMode) =>
    here(() => links.attachXdp(program, host.eth0.index, mode))
  /** Where the kernel knows tcx; else the test is skipped with a word. */
  const tcx = (context: TestContext, program: number, place?: 'first' | 'last') => {
    try {
      return here(() => links.attachTcx(program, host.eth0.index, 'ingress', place))
    } catch (error) {
      if (!isKernelError(error, 'EINVAL')) throw error
      return context.skip('this kernel has no tcx')
    }
  }
  const xdpOf = () => host.ipJson('link show dev eth0')[0]!['xdp'] as { mode: number } | undefined

  for (const [mode, number] of [
    ['native', 1],
    ['generic', 2],
  ] as const) {
    it(`run an XDP program on an interface: ${mode}`, async () => {
      const link = xdp(counters.load('xdp', 0), mode)
      assert.equal(xdpOf()?.mode, number)
      sender.send()
      await until('a frame was counted', () => counters.count(0) === 1)
      assert.deepEqual(
        [linkInfo(link).kind, linkInfo(link).interfaceIndex],
        ['xdp', host.eth0.index],
      )
      assert.throws(() => xdp(counters.load('xdp', 1), mode), {
        code: 'EBUSY',
        hint: 'another program is attached there',
      })
      close(link)
      assert.equal(xdpOf(), undefined)
      counters.close()
    })
  }

  it('change programs without missing a frame', async () => {
    const programs = [0, 1, 2].map((word) => counters.load('xdp', word))
    const link = xdp(programs[0]!, 'native')
    const FRAMES = 300
    for (let i = 1; i <= FRAMES; i++) {
      sender.send()
      if (i % 10 === 0) links.replaceProgram(link, programs[(i / 10) % 3]!)
    }
    const counted = () => [0, 1, 2].map((word) => counters.count(word))
    await until('all are counted', () => counted().reduce((a, b) => a + b) === FRAMES)
    assert.ok(
      counted().every((count) => count >= 90),
      String(counted()),
    )
    close(link)
    counters.close()
  })

  it('change programs only if the old one is still there', () => {
    const [one, two, three] = [0, 1, 2].map((word) => counters.load('xdp', word)) as [
      number,
      number,
      number,
    ]
    const link = xdp(one, 'generic')
    links.replaceProgram(link, two, one)
    assert.throws(() => links.replaceProgram(link, three, one), {
      call: 'replace the program of a BPF link',
      code: 'EPERM',
    })
    assert.equal(linkInfo(link).program, programInfo(two).id)
    assert.throws(() => links.replaceProgram(link, counters.load('tc', 3)), { code: 'EINVAL' })
    links.detachLink(link)
    assert.equal(linkInfo(link).interfaceIndex, 0)
    assert.throws(() => links.replaceProgram(link, one), { code: 'ENOLINK' })
    assert.equal(xdpOf(), undefined)
    close(link)
    counters.close()
  })

  it('run tc programs in an order', async (context) => {
    const [one, two, three] = [0, 1, 2].map((word) => counters.load('tc', word)) as [
      number,
      number,
      number,
    ]
    const link = tcx(context, one)
    if (link === undefined) return
    const others = [tcx(context, two, 'first')!, tcx(context, three, 'last')!]
    const list = () => here(() => links.listTcx(host.eth0.index, 'ingress'))
    assert.deepEqual(
      list(),
      [
        [two, others[0]!],
        [one, link],
        [three, others[1]!],
      ].map(([program, at]) => ({ program: programInfo(program!).id, link: linkInfo(at!).id })),
    )
    assert.equal(linkInfo(link).kind, 'tcx')
    sender.send()
    await until('each saw the frame', () => [0, 1, 2].every((word) => counters.count(word) === 1))
    assert.throws(() => links.replaceProgram(link, three, one), { code: 'EEXIST' })
    links.replaceProgram(link, counters.load('tc', 3), one)
    sender.send()
    await until('the new one saw a frame', () => counters.count(3) === 1)
    assert.deepEqual([0, 1, 2].map(counters.count), [1, 2, 2])
    for (const at of [link, ...others]) close(at)
    assert.deepEqual(list(), [])
    counters.close()
  })

  it('are refused in words', () => {
    const program = counters.load('xdp', 0)
    assert.throws(() => here(() => links.attachXdp(program, 9999, 'native')), {
      message:
        /^attach XDP program to interface 9999 \(native\): invalid argument \(EINVAL\): there is no such/,
    })
    counters.close()
  })
})
