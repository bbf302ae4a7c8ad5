/**
 * A whole director in a LAN of its own: `sluice run`, asked over its control socket, answering real frames.
 *
 *   client 10.1.0.2 ── net1 ── 10.1.0.1 director 10.2.0.1 ── net2 ── 10.2.0.11 server (nginx)
 *                              10.1.0.100, the VIP
 *
 * The director's own stack forwards packets, as on a router: it has every chance to answer, or forward, once more.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { ControlClient } from '../src/control/client.ts'
import type { ServerSettings, ServiceKey, ServiceSettings } from '../src/director/model.ts'
import { deleteNeighbour, replaceNeighbour } from '../src/kernel/netlink/neighbour.ts'
import { changeLink, getLink } from '../src/kernel/netlink/link.ts'
import { Director } from '../src/lab/director.ts'
import type { Host } from '../src/lab/host.ts'
import { Lan } from '../src/lab/lan.ts'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import { startRealServer } from '../src/lab/real-server.ts'
import { echoFrame, tcpFrame, udpFrame } from '../src/wire/flow.ts'
import { TcpFlag } from '../src/wire/tcp.ts'
import { notRoot, until } from './kernel/own-network.ts'
import { Station } from './kernel/station.ts'

const VIP = '10.1.0.100'
/** A client that only the test speaks for: no stack answers in its name. */
const GHOST = '10.1.0.77'
const KEY: ServiceKey = { protocol: 'tcp', address: VIP, port: 80 }
const SERVICE: ServiceSettings = {
  scheduler: 'wlc',
  schedulerFlags: 0,
  persistenceTimeoutS: 0,
  netmask: 0xffffffff,
  onePacket: false,
  persistenceEngine: null,
}
const SERVER: ServerSettings = {
  forwarding: 'masquerade',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnel: { type: 'ipip', port: 0, checksum: 'none' },
}

describe('a director', { skip: notRoot }, () => {
  const lan = new Lan(labPrefix())
  let hosts: Record<'client' | 'director' | 'server', Host>
  let director: Director
  let control: ControlClient
  let ghost: Station
  let cable: Station
  let directorMac: string

  before(async () => {
    hosts = buildLan(lan)
    const folder = labFolder()
    await startRealServer(hosts.server, folder, '10.2.0.11')
    director = await Director.start(hosts.director, ['net1', 'net2'], 'v8', folder)
    control = await ControlClient.connect(`${folder}/sluice.sock`)
    await control.call('service.add', { service: KEY, settings: SERVICE })
    const server = { address: '10.2.0.11', port: 80 }
    await control.call('server.add', { service: KEY, server, settings: SERVER })
    ghost = new Station(hosts.client, 'net1')
    cable = new Station(hosts.server, 'net2')
    directorMac = getLink(hosts.director.socket, 'net1')!.mac!
    const interfaceIndex = hosts.director.indexOf('net1')
    replaceNeighbour(hosts.director.socket, { interfaceIndex, ip: GHOST, mac: ghost.mac })
  })

  after(() => {
    control?.close()
    ghost?.close()
    cable?.close()
    lan.takeDown()
    clearLab()
  })

  const over = () => ({ sourceMac: ghost.mac, destinationMac: directorMac })
  let port = 40000
  const syn = (to: string, flags: number = TcpFlag.syn) =>
    tcpFrame(`${GHOST}:${++port}`, to, { flags, over: over() })
  const udp = (to: string) => udpFrame(`${GHOST}:${++port}`, to, { data: 'hello', over: over() })
  const toGhost = new RegExp(`> ${GHOST.replaceAll('.', '\\.')}[.:]`)

  it('answers a SYN for the virtual service once, and passes it on once', async () => {
    cable.forget()
    const frame = syn(`${VIP}:80`)
    const answers = await ghost.ask(frame, toGhost)
    assert.equal(answers.length, 1, answers.join('\n'))
    assert.match(answers[0]!, new RegExp(`${VIP}\\.80 > .*Flags \\[S\\.\\]`))
    const arrived = await cable.listen(/> 10\.2\.0\.11\.80: Flags \[S\]/)
    assert.equal(arrived.length, 1, arrived.join('\n'))
  })

  const own: [string, () => Uint8Array, RegExp][] = [
    ['a port of the VIP without a service', () => syn(`${VIP}:81`), /Flags \[R\.\]/],
    ['the port of the service on another address', () => syn('10.1.0.1:80'), /Flags \[R\.\]/],
    ['a segment that belongs to no connection', () => syn(`${VIP}:80`, TcpFlag.ack), /Flags \[R\]/],
    ['a datagram to a port without a service', () => udp(`${VIP}:80`), /udp port 80 unreachable/],
    ['an echo request to the VIP', () => echoFrame(GHOST, VIP, { over: over() }), /echo reply/],
  ]
  for (const [what, frame, answer] of own) {
    it(`leaves ${what} to the host, which answers once`, async () => {
      const answers = await ghost.ask(frame(), toGhost)
      assert.equal(answers.length, 1, answers.join('\n'))
      assert.match(answers[0]!, answer)
    })
  }

  it('leaves what is routed past the service to the host, which forwards it once, both ways', async () => {
    cable.forget()
    const answers = await ghost.ask(syn('10.2.0.11:80'), toGhost)
    assert.equal(answers.length, 1, answers.join('\n'))
    assert.match(answers[0]!, /10\.2\.0\.11\.80 > .*Flags \[S\.\]/)
    const arrived = await cable.listen(/> 10\.2\.0\.11\.80: Flags \[S\]/)
    assert.equal(arrived.length, 1, arrived.join('\n'))
  })

  it('holds a frame until the next hop is resolved', async () => {
    const { client, director: host } = hosts
    const before = await control.call('status', {})
    deleteNeighbour(host.socket, host.indexOf('net2'), '10.2.0.11')
    assert.equal(await fetchPage(client, `http://${VIP}/`), 'server')
    const status = await control.call('status', {})
    const held = (reasons: Readonly<Record<string, number>>) => reasons['nextHopUnresolved'] ?? 0
    assert.ok(held(status.reasons) > held(before.reasons), JSON.stringify(status.reasons))
    assert.equal(status.engineCounters['waitedInVain'], 0)
  })

  it('counts every frame it took under one reason', async () => {
    const { reasons, engineCounters } = await control.call('status', {})
    const counted = Object.values(reasons).reduce((sum, packets) => sum + packets, 0)
    assert.equal(counted, engineCounters['received']! - engineCounters['leftToHost']!)
    assert.equal(engineCounters['lostInRing'], 0)
  })

  it('forwards again after an interface went down and came back', async () => {
    const { client, director: host } = hosts
    changeLink(host.socket, host.indexOf('net2'), { isUp: false })
    host.raise('net2')
    assert.equal(await fetchPage(client, `http://${VIP}/`), 'server')
  })

  it('takes no frame from the host once it was killed, and serves anew when started again', async () => {
    const { pid } = await control.call('status', {})
    process.kill(pid, 'SIGKILL')
    await until('the daemon is gone', () => !existsSync(`/proc/${pid}`))
    const answers = await ghost.ask(syn(`${VIP}:80`), toGhost)
    assert.equal(answers.length, 1, answers.join('\n'))
    assert.match(answers[0]!, /Flags \[R\.\]/, 'the host itself answers: nobody listens there')
    const folder = `${labFolder()}/again`
    mkdirSync(folder)
    director = await Director.start(hosts.director, ['net1', 'net2'], 'v8', folder)
    control.close()
    control = await ControlClient.connect(`${folder}/sluice.sock`)
    assert.deepEqual(await control.call('service.list', {}), [])
  })

  it('ends on SIGTERM with status 0', async () => {
    assert.equal(await director.stop(), true)
  })
})

function buildLan(lan: Lan): Record<'client' | 'director' | 'server', Host> {
  for (const network of ['net1', 'net2']) lan.addNetwork(network)
  const hosts = {
    client: lan.addHost('client'),
    director: lan.addHost('director'),
    server: lan.addHost('server'),
  }
  lan.plug(hosts.client, 'net1')
  lan.plug(hosts.director, 'net1')
  lan.plug(hosts.director, 'net2')
  lan.plug(hosts.server, 'net2')
  hosts.client.addAddress('net1', '10.1.0.2', 24)
  hosts.director.addAddress('net1', '10.1.0.1', 24)
  hosts.director.addAddress('net1', VIP, 32)
  hosts.director.addAddress('net2', '10.2.0.1', 24)
  hosts.server.addAddress('net2', '10.2.0.11', 24)
  hosts.client.setDefaultRoute('10.1.0.1')
  hosts.server.setDefaultRoute('10.2.0.1')
  hosts.director.set('net.ipv4.ip_forward', 1)
  // The ghost never acknowledges: without repetition each answer is heard once.
  hosts.server.set('net.ipv4.tcp_synack_retries', 0)
  return hosts
}

/** The name of the server that answered, as curl on that host sees it; throws with what curl says. */
async function fetchPage(host: Host, url: string): Promise<string> {
  const args = ['-sS', '--max-time', '8', '-o', '/dev/null', '-w', '%header{x-real-server}', url]
  const child = host.start('curl', args, { isTalkedTo: true })
  let output = ''
  child.stdout!.on('data', (chunk) => (output += String(chunk)))
  const [status] = (await once(child, 'close')) as [number]
  assert.equal(status, 0, `curl ended with ${status}`)
  return output
}
