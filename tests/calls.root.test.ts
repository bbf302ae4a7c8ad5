/**
 * The persistence engine sip in either engine: a call's packets reach one server, whoever sends them. In the kernel
 * engine the daemon reads which call it is, and enters it where the kernel's packet path looks.
 */
import assert from 'node:assert/strict'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { notRoot } from './kernel/own-network.ts'
import { bindUdp } from './lan/sockets.ts'
import { clearWays, clientIp, serverIp, vipOf, WaysLan } from './lan/ways-lan.ts'

const PORT = 5060
const VIP = vipOf('dr', 4)
const WAIT_MS = 10_000

const invite = (id: string) => `INVITE sip:b@example.com SIP/2.0\r\nCall-ID: ${id}\r\n\r\n`

for (const [engine, attach] of [
  ['v8', 'auto'],
  ['kernel', 'tc'],
  ['kernel', 'xdp'],
] as const) {
  describe(`calls, ${engine} ${attach}`, { skip: notRoot }, () => {
    let lan: WaysLan
    let servers: readonly Socket[]
    const clients: Socket[] = []
    before(async () => {
      lan = await WaysLan.build(engine, attach)
      servers = [
        await bindUdp(lan.servers.nat, serverIp('nat', 4), PORT),
        await bindUdp(lan.servers.dr, VIP, PORT),
      ]
      await lan.ipvsadm(`-A -u ${VIP}:${PORT} -s rr -p 60 -M 0.0.0.0 --pe sip`)
      await lan.ipvsadm(`-a -u ${VIP}:${PORT} -r ${serverIp('nat', 4)}:${PORT} -m`)
      await lan.ipvsadm(`-a -u ${VIP}:${PORT} -r ${serverIp('dr', 4)}:${PORT} -g`)
    })
    after(() => {
      for (const socket of [...clients, ...(servers ?? [])]) socket.close()
      clearWays(lan)
    })

    /** A client that has not asked yet: which server gets its message? */
    async function ask(port: number, message: string): Promise<number> {
      const client = await bindUdp(lan.client, clientIp(4), port)
      clients.push(client)
      const signal = AbortSignal.timeout(WAIT_MS)
      const arrivals = servers.map(async (server, i) => {
        const [data] = (await once(server, 'message', { signal })) as [Buffer]
        assert.equal(data.toString(), message)
        return i
      })
      client.send(message, PORT, VIP)
      return Promise.any(arrivals)
    }

    it('each goes to its server, from whatever port', async () => {
      const first = await ask(40_001, invite('call-1@x'))
      const second = await ask(40_002, invite('call-2@x'))
      assert.equal(second, 1 - first)
      const again = [
        await ask(40_003, invite('call-1@x')),
        await ask(40_004, invite('call-2@x')),
        await ask(40_005, invite('call-2@x')),
        await ask(40_006, invite('call-1@x')),
      ]
      assert.deepEqual(again, [first, second, second, first])
    })

    it('what comes behind the first packet takes the path alone', async () => {
      const [client] = clients
      const before = await lan.counted('callUnread')
      const arrived = servers.map((server) => once(server, 'message').then(() => true))
      client!.send('no call at all', PORT, VIP)
      assert.ok(await Promise.any(arrived))
      assert.equal(await lan.counted('callUnread'), before)
    })

    it('a message of several fragments arrives whole', async () => {
      const to = await ask(40_008, invite('call-1@x'))
      assert.equal(await ask(40_009, invite('call-1@x') + 'v=0 '.repeat(500)), to)
    })

    it('what has no call is dropped, and counted', async () => {
      const client = await bindUdp(lan.client, clientIp(4), 40_007)
      clients.push(client)
      const before = await lan.counted('noCall')
      client.send('no call at all', PORT, VIP)
      const end = performance.now() + WAIT_MS
      while ((await lan.counted('noCall')) === before) assert.ok(performance.now() < end)
      assert.equal(await lan.counted('noCall'), before + 1)
    })

    it('they are listed', async () => {
      const listed = await lan.ipvsadm('-Lnc --persistent-conn')
      const calls = [...listed.matchAll(/^UDP 0[01]:\d\d +\w+ +0\.0\.0\.0:0 .* sip +(\S+)$/gm)]
      assert.deepEqual(calls.map(([, id]) => id).sort(), ['call-1@x', 'call-2@x'])
      assert.match(await lan.ipvsadm('-Lnc'), /^UDP 0[01]:\d\d +\w+ +0\.0\.0\.0:0 /m)
    })
  })
}
