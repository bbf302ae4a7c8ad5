/**
 * Real servers that end their tunnels in the kernel, by tc and by XDP, end to end: HTTP through `ipvsadm -i`, in every
 * kind of tunnel and every mixture of families, in frames that stand for many segments. Checksums are unfinished as far
 * as the server, as between hosts of one machine, or finished on the way there, and the server's stack verifies them.
 *
 *   client ─ net1 ─┬─ director, with the VIPs
 *                  └─ server, `sluice realserver --engine kernel`
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { createServer, request, type IncomingMessage } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { Random } from '../src/base/random.ts'
import { startCommand } from '../src/lab/commands.ts'
import { Director } from '../src/lab/director.ts'
import type { Family, Host } from '../src/lab/host.ts'
import { Lan } from '../src/lab/lan.ts'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import { bracketed, HOST_BITS, PREFIX_BITS } from '../src/lab/modes.ts'
import { listInstances } from '../src/engine/instance.ts'
import { listTcx } from '../src/kernel/bpf/link.ts'
import type { KernelCounts } from '../src/realserver/kernel-decapsulator.ts'
import { notRoot } from './kernel/own-network.ts'
import { connectTcp } from './lan/sockets.ts'

const FAMILIES = [4, 6] as const
const KINDS = [
  '',
  '--tun-type gre --tun-nocsum',
  '--tun-type gre --tun-csum',
  '--tun-type gue --tun-port 6080 --tun-nocsum',
  '--tun-type gue --tun-port 6080 --tun-csum',
  '--tun-type gue --tun-port 6080 --tun-remcsum',
] as const
const FIRST_PORT = 8000
const SEED = Number(process.env['SLUICE_SEED'] ?? Date.now())
const random = new Random(SEED)
/** Goes out in frames that stand for many segments. */
const LARGE = randomBytes(1 << 18)
const SMALL = Buffer.from('small')
const PATIENCE_MS = 10_000

const at = (family: Family, host: number) => (family === 4 ? `10.1.0.${host}` : `fd00:1::${host}`)
const vipOf = (family: Family) => at(family, 100)
/** One for each mixture. */
const portOf = (kind: number, outer: Family) => FIRST_PORT + 10 * kind + outer

const PORTS = KINDS.flatMap((_, kind) => FAMILIES.map((outer) => portOf(kind, outer)))
const RULES = FAMILIES.flatMap((inner) =>
  KINDS.flatMap((flags, kind) =>
    FAMILIES.flatMap((outer) => {
      const service = `-t ${bracketed(vipOf(inner))}:${portOf(kind, outer)}`
      const real = `${bracketed(at(outer, 3))}:${portOf(kind, outer)}`
      return [`-A ${service} -s rr`, `-a ${service} -r ${real} -i ${flags}`.trimEnd()]
    }),
  ),
)

interface EndReport {
  readonly tunnels: { readonly delivered: number; readonly kernel: KernelCounts }
}

/** Of so many bytes, by SEED. */
function randomBytes(length: number): Buffer {
  const words = Uint32Array.from({ length: Math.ceil(length / 4) }, () => random.next32())
  return Buffer.from(words.buffer, 0, length)
}

function hashOf(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

/** TCP segments whose checksum was wrong. */
function wrongSums(host: Host): number {
  const text = host.run(() => readFileSync('/proc/thread-self/net/snmp', 'utf8'))
  const [names, values] = text.split('\n').filter((line) => line.startsWith('Tcp:'))
  return Number(values!.split(' ')[names!.split(' ').indexOf('InCsumErrors')])
}

for (const [attach, sums] of [
  ['tc', 'unfinished'],
  ['tc', 'finished'],
  ['xdp', 'finished'],
] as const) {
  const name = `a real server that ends tunnels by ${attach}, checksums ${sums}`
  describe(name, { skip: notRoot }, () => {
    const folder = labFolder()
    let lan: Lan
    let client: Host
    let server: Host
    let log = ''
    let starts = 0
    let realServer: Awaited<ReturnType<typeof startCommand>>
    const sites = PORTS.map(() =>
      createServer((asked, answer) => {
        const hash = createHash('sha256')
        asked.on('data', (chunk: Buffer) => hash.update(chunk))
        asked.on('end', () => answer.end(`${hash.digest('hex')} to ${asked.socket.localAddress}`))
      }),
    )

    before(async () => {
      mkdirSync(folder, { recursive: true })
      lan = new Lan(labPrefix(), 6)
      lan.addNetwork('net1')
      const [director, ...others] = ['director', 'client', 'server'].map((name, i) => {
        const host = lan.addHost(name)
        lan.plug(host, 'net1')
        for (const family of FAMILIES)
          host.addAddress('net1', at(family, i + 1), PREFIX_BITS[family])
        return host
      })
      ;[client, server] = others as [Host, Host]
      if (sums === 'finished') lan.readyForXdp('server', 'net1')
      for (const family of FAMILIES) director!.addAddress('net1', vipOf(family), HOST_BITS[family])
      const [running] = await Promise.all([
        Director.start(director!, ['net1'], 'kernel', folder),
        startRealServer(),
      ])
      await running.ipvsadm('-R', RULES.join('\n'))
      for (const [i, site] of sites.entries()) {
        server.run(() => site.listen(PORTS[i]))
        await once(site, 'listening')
      }
    })
    after(() => {
      for (const site of sites) {
        site.close()
        site.closeAllConnections()
      }
      lan?.takeDown()
      clearLab()
    })

    async function startRealServer(): Promise<void> {
      const more = ['--engine', 'kernel', '--attach', attach, '--name', server.namespace, '--json']
      const words = FAMILIES.flatMap((one) => ['--vip', vipOf(one), '--director', at(one, 1)])
      const args = ['realserver', '--mode', 'tun', ...words, ...more]
      log = `${folder}/realserver-${++starts}.log`
      realServer = await startCommand(server, 'sluice', args, log)
    }

    /** What the server has to say about it. */
    async function upload(inner: Family, port: number, data: Buffer): Promise<string> {
      const socket = await connectTcp(client, vipOf(inner), port)
      const asked = request({ method: 'POST', createConnection: () => socket })
      asked.end(data)
      const signal = AbortSignal.timeout(PATIENCE_MS)
      const [answer] = (await once(asked, 'response', { signal })) as [IncomingMessage]
      const chunks = await answer.setEncoding('utf8').toArray({ signal })
      return chunks.join('')
    }

    const wanted = (inner: Family, data: Buffer) =>
      `${hashOf(data)} to ${inner === 4 ? '::ffff:' : ''}${vipOf(inner)}`

    async function stop(): Promise<EndReport> {
      realServer.kill('SIGTERM')
      await once(realServer, 'exit')
      const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
      return JSON.parse(lines.at(-1)!) as EndReport
    }

    for (const [kind, flags] of KINDS.entries()) {
      it(`takes HTTP out of them: ${flags || 'IPIP'}`, async () => {
        for (const outer of FAMILIES) {
          for (const inner of FAMILIES) {
            const sizes = [random.below(3000), random.below(1 << 17)]
            for (const data of [LARGE, ...sizes.map(randomBytes)]) {
              const said = await upload(inner, portOf(kind, outer), data)
              const what = `IPv${inner} in IPv${outer}, ${data.length} bytes, SLUICE_SEED=${SEED}`
              assert.equal(said, wanted(inner, data), what)
            }
          }
        }
      })
    }

    it('did all of it in the kernel, and leaves nothing there', async () => {
      const { tunnels } = await stop()
      assert.equal(tunnels.delivered, 0, JSON.stringify(tunnels))
      for (const name of ['ipip', 'gre', 'gue'] as const) assert.ok(tunnels.kernel[name] > 40, name)
      const counted = Object.entries(tunnels.kernel).filter(([, count]) => count > 0)
      assert.deepEqual(counted.map(([name]) => name).sort(), ['gre', 'gue', 'ipip'])
      assert.equal(programs(), 0)
      assert.equal(wrongSums(server), 0, `SLUICE_SEED=${SEED}`)
    })

    it('goes on without its daemon, and with the next', async () => {
      await startRealServer()
      realServer.kill('SIGKILL')
      await once(realServer, 'exit')
      assert.equal(programs(), 1)
      for (const inner of FAMILIES) {
        assert.equal(await upload(inner, portOf(0, 4), LARGE), wanted(inner, LARGE))
      }
      await startRealServer()
      assert.equal(await upload(4, portOf(0, 6), SMALL), wanted(4, SMALL))
      const { tunnels } = await stop()
      assert.ok(tunnels.kernel.ipip > 0)
      assert.equal(programs(), 0)
    })

    /** How many of ours sit on the server's interface; by XDP there is one as long as it has names. */
    function programs(): number {
      if (attach === 'xdp') return Number(listInstances().includes(server.namespace))
      return server.run(() => listTcx(server.indexOf('net1'), 'ingress')).length
    }
  })
}
