import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { after, before, describe, it, type TestContext } from 'node:test'
import { notRoot, until } from '../../../tests/kernel/own-network.ts'
import { createTwoHosts, type Host, type TwoHosts } from '../../../tests/kernel/two-hosts.ts'
import { inNamespace } from '../netns.ts'
import { changeOffloads, readOffloads, type Offloads } from './offload.ts'

const ALL: Offloads = {
  txChecksum: true,
  rxChecksum: true,
  scatterGather: true,
  tso: true,
  gso: true,
  gro: true,
}

describe('offloads', { skip: notRoot }, () => {
  let hosts: TwoHosts
  let host: Host
  before(async () => {
    hosts = await createTwoHosts()
    host = hosts.a
  })
  after(() => hosts?.remove())

  const read = () => readOffloads(host.socket, 'eth0')
  const change = (what: Partial<Offloads>) => {
    changeOffloads(host.socket, 'eth0', what)
    return read()
  }

  it('are switched one by one', () => {
    assert.deepEqual(change(ALL), ALL)
    for (const name of ['rxChecksum', 'tso', 'gso', 'gro'] as const) {
      assert.deepEqual(change({ [name]: false }), { ...ALL, [name]: false })
      assert.deepEqual(change({ [name]: true }), ALL)
    }
    assert.deepEqual(change({}), ALL)
    assert.deepEqual(readOffloads(hosts.b.socket, 'eth0').txChecksum, true)
  })

  it('are switched off with what they depend on, and on again', () => {
    change(ALL)
    assert.deepEqual(change({ txChecksum: false }), { ...ALL, txChecksum: false, tso: false })
    const withoutScatter = { ...ALL, scatterGather: false, tso: false, gso: false }
    assert.deepEqual(change({ scatterGather: false, txChecksum: true }), withoutScatter)
    assert.deepEqual(change({ tso: true }), withoutScatter)
    assert.deepEqual(change(ALL), ALL)
  })

  it('are seen on the cable', async (context) => {
    change(ALL)
    assert.match(await checksumOnCable(context, hosts), /bad udp cksum/)
    change({ txChecksum: false })
    assert.match(await checksumOnCable(context, hosts), /udp sum ok/)
  })

  it('are refused in words', () => {
    assert.throws(() => readOffloads(host.socket, 'nothing'), {
      message: 'read offload rxChecksum of nothing: no such device (ENODEV)',
    })
    assert.throws(() => changeOffloads(host.socket, 'lo', { txChecksum: false }), {
      message: 'switch off offload txChecksum of lo: operation not supported (EOPNOTSUPP)',
    })
    for (const name of ['', 'sixteen-letters!']) {
      assert.throws(() => readOffloads(host.socket, name), /names no interface/)
    }
  })
})

/** What tcpdump at the other end says of a datagram that host `a` sends. */
async function checksumOnCable(context: TestContext, { a, b }: TwoHosts): Promise<string> {
  const args = ['-i', 'eth0', '-n', '-vv', '-l', '-c', '1', 'udp']
  const tcpdump = inNamespace(b.namespace, () => spawn('tcpdump', args))
  context.after(() => tcpdump.kill('SIGKILL'))
  let [said, listening] = ['', '']
  tcpdump.stdout.on('data', (chunk) => (said += String(chunk)))
  tcpdump.stderr.on('data', (chunk) => (listening += String(chunk)))
  await until('tcpdump listens', () => listening.includes('listening on'))
  inNamespace(a.namespace, () => execFileSync('bash', ['-c', 'echo > /dev/udp/10.0.0.2/9']))
  await until('tcpdump has seen it', () => said.includes('cksum') || said.includes('sum ok'))
  return said
}
