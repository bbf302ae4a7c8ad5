import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { before, describe, it, type TestContext } from 'node:test'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import { addVeth, enterOwnNetwork, ip, notRoot, until } from '../../tests/kernel/own-network.ts'
import { reasonName } from '../dataplane/reason-text.ts'
import type { SyncRequest } from '../director/model.ts'
import { setSysctl } from '../director/sysctls.ts'
import { listLinks, type Link } from '../kernel/netlink/link.ts'
import { MulticastSender } from '../kernel/packet/multicast-socket.ts'
import { openRtnetlink } from '../kernel/netlink/rtnetlink.ts'
import { tcpFrame } from '../wire/flow.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { Synchronisation } from './synchronisation.ts'

const WEB = { protocol: 'tcp', address: '10.0.0.100', port: 80 } as const
const REQUEST: SyncRequest = {
  ...{ role: 'master', interface: 'one', syncId: 5, maxLength: 0, group: null, port: 0, ttl: 0 },
}
const CONNECTIONS = 100

/** A director at one end of a cable. */
class End {
  readonly laboratory = new Laboratory()
  readonly said: string[] = []
  readonly synchronisation: Synchronisation

  constructor(context: TestContext) {
    this.laboratory.addService(WEB)
    const server = { address: '192.168.10.11', port: 80 }
    this.laboratory.addServer(WEB, server, { forwarding: 'direct' })
    this.synchronisation = new Synchronisation({
      director: this.laboratory.director,
      use: () => this.laboratory.use(),
      log: (severity, text) => this.said.push(`${severity}: ${text}`),
    })
    context.after(() => this.synchronisation.close())
    this.look()
  }

  /** At the network as it is now. */
  look(): void {
    this.synchronisation.takeNetwork(links(), [])
  }

  count(name: string): number {
    return this.synchronisation.counters()[name] ?? 0
  }

  open(first: number, count: number): void {
    for (let port = first; port < first + count; port++) {
      for (const flags of [TcpFlag.syn, TcpFlag.ack]) {
        this.laboratory.send('client', tcpFrame(`10.0.0.10:${port}`, '10.0.0.100:80', { flags }))
      }
    }
  }
}

function links(): Link[] {
  const socket = openRtnetlink()
  try {
    return listLinks(socket)
  } finally {
    socket.close()
  }
}

/** Both ends of a cable are this host's: what comes from its own address is taken all the same. */
function plug(): void {
  addVeth('one', 'other')
  for (const name of ['all', 'one', 'other']) {
    writeFileSync(`/proc/sys/net/ipv4/conf/${name}/accept_local`, '1')
    writeFileSync(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, '0')
  }
}

describe('connection synchronisation', { skip: notRoot }, () => {
  before(() => {
    enterOwnNetwork()
    plug()
  })

  it('tells over several ports what the other end learns, and counts both', async (context) => {
    const [one, other] = [new End(context), new End(context)]
    for (const { laboratory } of [one, other]) {
      laboratory.use()
      assert.equal(setSysctl('sync_ports', 4), null)
    }
    assert.deepEqual(one.synchronisation.counters(), {})
    const backup = { ...REQUEST, role: 'backup', interface: 'other' } as const
    assert.equal(other.synchronisation.start(backup), null)
    assert.equal(one.synchronisation.start(REQUEST), null)
    one.open(1000, CONNECTIONS)
    await until('all are known', () => other.count('created') === CONNECTIONS)
    assert.equal(one.count('connectionsSent'), CONNECTIONS)
    assert.ok(one.count('messagesSent') >= 4, 'each port has its own')
    assert.equal(other.count('messagesReceived'), one.count('messagesSent'))
    assert.equal(other.count('connectionsReceived'), CONNECTIONS)
    assert.deepEqual([...one.said, ...other.said], [])
  })

  it('lets both be master and backup of each other, without an echo', async (context) => {
    const [one, other] = [new End(context), new End(context)]
    for (const [end, name] of [
      [one, 'one'],
      [other, 'other'],
    ] as const) {
      assert.equal(end.synchronisation.start({ ...REQUEST, interface: name }), null)
      const backup = { ...REQUEST, role: 'backup', interface: name } as const
      assert.equal(end.synchronisation.start(backup), null)
    }
    one.open(1000, CONNECTIONS)
    other.open(2000, 1)
    await until('all are known', () => other.count('created') === CONNECTIONS)
    await until('the one is known', () => one.count('created') === 1)
    // Two walks later there still is nothing to tell.
    const before = [one, other].map((end) => end.count('walks'))
    await until('both walked twice', () =>
      [one, other].every((end, i) => end.count('walks') >= before[i]! + 2),
    )
    assert.deepEqual(
      [one.count('connectionsSent'), other.count('connectionsSent')],
      [CONNECTIONS, 1],
    )
  })

  it('leaves out what is malformed, or not meant for it', async (context) => {
    const end = new End(context)
    const backup = { ...REQUEST, role: 'backup', interface: 'other' } as const
    assert.equal(end.synchronisation.start(backup), null)
    const { index } = links().find(({ name }) => name === 'one')!
    const place = { interfaceIndex: index, group: '224.0.0.81', port: 8848, bufferBytes: 0 }
    const sender = MulticastSender.open(place, 1)
    context.after(() => sender.close())
    const messages = ['00', '0005000c', '00060008' + '00010000', '00050008' + '01010000']
    for (const hex of messages) assert.equal(sender.send(Buffer.from(hex, 'hex')), 'sent')
    await until('all came', () => end.count('messagesReceived') === messages.length)
    assert.equal(end.count('malformed'), 3)
    assert.equal(end.count('otherSyncId'), 1)
  })

  it('says why it cannot begin, as the kernel does, and then has not begun', (context) => {
    const end = new End(context)
    const { sync } = end.laboratory.director
    ip('link add idle type veth peer name away')
    end.look()
    const refusals = [
      end.synchronisation.start({ ...REQUEST, interface: 'nowhere' }),
      end.synchronisation.start({ ...REQUEST, interface: 'idle' }),
      end.synchronisation.stop('master'),
    ]
    assert.deepEqual(
      refusals.map((refusal) => refusal?.errno),
      ['ENODEV', 'ENETUNREACH', 'ESRCH'],
    )
    assert.deepEqual(sync.list(), [])
    const backup = { ...REQUEST, role: 'backup', interface: 'idle' } as const
    assert.equal(end.synchronisation.start(backup), null)
    assert.equal(end.synchronisation.start(backup)?.errno, 'EEXIST')
    assert.equal(end.synchronisation.stop('backup'), null)
    ip('link delete idle')
  })

  it('leaves packets to the host with backup_only, while the backup runs alone', (context) => {
    const end = new End(context)
    const { synchronisation, laboratory } = end
    const forwards = () => {
      const syn = tcpFrame('10.0.0.10:999', '10.0.0.100:80', { flags: TcpFlag.syn })
      return laboratory.send('client', syn).departed.length === 1
    }
    const other = { protocol: 'tcp', address: '10.0.0.101', port: 80 } as const
    const backup = { ...REQUEST, role: 'backup', interface: 'other' } as const
    assert.equal(synchronisation.start(backup), null)
    assert.equal(forwards(), true)
    assert.equal(setSysctl('backup_only', 1), null)
    synchronisation.keepBackupOnly()
    laboratory.addService(other)
    assert.equal(forwards(), false)
    const syn = tcpFrame('10.0.0.10:999', '10.0.0.101:80', { flags: TcpFlag.syn })
    assert.equal(reasonName(laboratory.send('client', syn).reason), 'notOurs')
    assert.equal(synchronisation.start(REQUEST), null)
    assert.equal(forwards(), true)
    assert.equal(reasonName(laboratory.send('client', syn).reason), 'answeredUnreachable')
    assert.equal(synchronisation.stop('master'), null)
    assert.equal(forwards(), false)
    assert.equal(synchronisation.stop('backup'), null)
    assert.equal(forwards(), true)
  })

  it('does not forward for a moment while a master beside it is refused', (context) => {
    const { synchronisation, laboratory } = new End(context)
    const backup = { ...REQUEST, role: 'backup', interface: 'other' } as const
    assert.equal(synchronisation.start(backup), null)
    assert.equal(setSysctl('backup_only', 1), null)
    synchronisation.keepBackupOnly()
    const { mock } = context.mock.method(laboratory.director.roles, 'setSuspended')
    const unreachable = { ...REQUEST, group: '10.0.0.1' }
    assert.equal(synchronisation.start(unreachable)?.errno, 'ENETUNREACH')
    assert.deepEqual(
      mock.calls.map(({ arguments: [isSuspended] }) => isSuspended),
      [true],
    )
  })

  it('tells all anew when the network takes messages again, and until then says what is wrong', async (context) => {
    const [one, other] = [new End(context), new End(context)]
    const backup = { ...REQUEST, role: 'backup', interface: 'other' } as const
    assert.equal(other.synchronisation.start(backup), null)
    assert.equal(one.synchronisation.start(REQUEST), null)
    const before = links()
    ip('link set one down')
    one.open(1000, CONNECTIONS)
    await until('all were refused', () => one.count('connectionsSent') === CONNECTIONS)
    await until('it is told', () => one.said.length > 0)
    one.synchronisation.takeNetwork(before, [])
    assert.equal(one.said.length, 1, 'nothing is well yet')
    ip('link set one up')
    one.open(2000, 1)
    await until('all are known', () => other.count('created') === CONNECTIONS + 1)
    await until('it is told', () => one.said.length > 1)
    assert.match(one.said[0]!, /^warning: .* its messages cannot be sent \(E[A-Z]+\)$/)
    assert.match(one.said[1]!, / is at work again on one$/)
  })

  it('goes on when its interface comes back, and says so once', async (context) => {
    const [one, other] = [new End(context), new End(context)]
    const backup = { ...REQUEST, role: 'backup', interface: 'other' } as const
    assert.equal(other.synchronisation.start(backup), null)
    assert.equal(one.synchronisation.start(REQUEST), null)
    ip('link delete one')
    for (const end of [one, other, one, other]) end.look()
    one.open(1000, CONNECTIONS)
    plug()
    for (const end of [one, other, one, other]) end.look()
    await until('all are known', () => other.count('created') === CONNECTIONS)
    const told = (role: string, name: string) => [
      `warning: the ${role} synchronisation daemon: waits for interface ${name}`,
      `info: the ${role} synchronisation daemon is at work again on ${name}`,
    ]
    assert.deepEqual(one.said, told('master', 'one'))
    assert.deepEqual(other.said, told('backup', 'other'))
    // Somebody who takes the tables over goes on with it, too.
    const next = new Synchronisation({
      director: one.laboratory.director,
      use: () => one.laboratory.use(),
      log: () => undefined,
    })
    context.after(() => next.close())
    one.synchronisation.close()
    next.takeNetwork(links(), [])
    one.open(2000, CONNECTIONS)
    await until('the others are known', () => other.count('created') === 2 * CONNECTIONS)
  })
})
