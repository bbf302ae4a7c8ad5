/**
 * A director in the kernel that has to do with IPv4 alone runs the program made for that, and the general one as soon
 * as it has to do with more: end to end, by NAT.
 *
 *   client ─ net1 ─ director, with the VIPs ─ net2 ─ server
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import type { Server } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { ControlClient } from '../src/control/client.ts'
import { Director } from '../src/lab/director.ts'
import type { Family, Host } from '../src/lab/host.ts'
import { Lan } from '../src/lab/lan.ts'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import { bracketed, HOST_BITS, PREFIX_BITS } from '../src/lab/modes.ts'
import { notRoot } from './kernel/own-network.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectTcp, exchangeTcp, listenTcp } from './lan/sockets.ts'

const PORT = 8000
const PATIENCE_MS = 30_000
const at = (family: Family, network: number, host: number) =>
  family === 4 ? `10.${network}.0.${host}` : `fd00:${network}::${host}`
const vipOf = (family: Family) => at(family, 1, 100)
const serviceOf = (family: Family) => `-t ${bracketed(vipOf(family))}:${PORT}`

describe('a director for IPv4 alone', { skip: notRoot }, () => {
  let lan: Lan
  let client: Host
  let director: Director
  let control: ControlClient
  let server: Server

  before(async () => {
    mkdirSync(labFolder(), { recursive: true })
    lan = new Lan(labPrefix(), 6)
    for (const network of [1, 2]) lan.addNetwork(`net${network}`)
    const add = (name: string, places: Readonly<Record<number, number>>) => {
      const host = lan.addHost(name)
      for (const [network, number] of Object.entries(places)) {
        lan.plug(host, `net${network}`)
        for (const family of [4, 6] as const) {
          const ip = at(family, Number(network), number)
          host.addAddress(`net${network}`, ip, PREFIX_BITS[family])
        }
      }
      return host
    }
    client = add('client', { 1: 2 })
    const host = add('director', { 1: 1, 2: 1 })
    const real = add('server', { 2: 3 })
    for (const family of [4, 6] as const) {
      host.addAddress('net1', vipOf(family), HOST_BITS[family])
      real.setDefaultRoute(at(family, 2, 1))
    }
    director = await Director.start(host, ['net1', 'net2'], 'kernel', labFolder())
    control = await ControlClient.connect(`${labFolder()}/sluice.sock`)
    server = await listenTcp(real, PORT, (socket) => socket.pipe(socket))
    await addService(4)
  })
  after(() => {
    control?.close()
    server?.close()
    lan?.takeDown()
    clearLab()
  })

  async function addService(family: Family): Promise<void> {
    await director.ipvsadm(`-A ${serviceOf(family)} -s rr`)
    const real = `${bracketed(at(family, 2, 3))}:${PORT}`
    await director.ipvsadm(`-a ${serviceOf(family)} -r ${real} -m`)
  }

  async function isSpecial(): Promise<boolean> {
    const { engineCounters } = await control.call('status', {})
    return engineCounters['programsForIpv4'] === 1
  }

  async function untilSpecial(): Promise<void> {
    for (const end = performance.now() + PATIENCE_MS; !(await isSpecial());) {
      assert.ok(performance.now() < end, 'the program for IPv4 never came')
      await sleep(50)
    }
  }

  async function ask(family: Family): Promise<void> {
    const socket = await connectTcp(client, vipOf(family), PORT)
    assert.equal(String(await exchangeTcp(socket, `IPv${family}`)), `IPv${family}`)
  }

  it('runs the program for it, once it has settled', async () => {
    await ask(4)
    await untilSpecial()
    await ask(4)
  })

  it('has the general one at once where there is IPv6, and with the last of it goes back', async () => {
    const kept = await connectTcp(client, vipOf(4), PORT)
    await addService(6)
    assert.equal(await isSpecial(), false)
    await ask(6)
    assert.equal(String(await exchangeTcp(kept, 'kept')), 'kept')
    await director.ipvsadm(`-D ${serviceOf(6)}`)
    assert.equal(await isSpecial(), false)
    await untilSpecial()
    await ask(4)
  })
})
