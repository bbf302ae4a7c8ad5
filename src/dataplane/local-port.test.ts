import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Laboratory, type LaboratoryOptions } from '../../tests/goldens/laboratory.ts'
import { FIRST_SERVER_ROW } from '../director/director-model.ts'
import type { ServiceKey } from '../director/model.ts'
import { repairSums } from '../../tests/packets/sums.ts'
import { tcpFrame, udpFrame } from '../wire/flow.ts'
import { parseFrame } from '../wire/frame.ts'
import { LOCAL_PORT_FIRST, LOCAL_PORT_LAST, LOCAL_PORT_TRIES_MAX, PROBES_MAX } from './limits.ts'
import { reasonName } from './reason-text.ts'
import { locals, servers } from './tables.ts'
import { UDP_TIMEOUT_S } from './timeout.ts'

const VIP = '10.0.0.100'
const LOCALS = ['192.168.10.201', '192.168.10.202']

interface Plan extends LaboratoryOptions {
  readonly servers?: number
  readonly locals?: number
  readonly protocols?: readonly ('tcp' | 'udp')[]
  readonly ports?: readonly number[]
}

/** FULLNAT services to servers .11, .12, …, port 8080. */
function makeLaboratory(plan: Plan = {}): Laboratory {
  const lab = new Laboratory(plan)
  for (const protocol of plan.protocols ?? ['udp']) {
    for (const port of plan.ports ?? [80]) {
      const key: ServiceKey = { protocol, address: VIP, port }
      lab.addService(key)
      for (const local of LOCALS.slice(0, plan.locals ?? 1)) lab.addLocal(key, local)
      for (let n = plan.servers ?? 1; n > 0; n--) {
        lab.addServer(
          key,
          { address: `192.168.10.${10 + n}`, port: 8080 },
          { forwarding: 'fullnat' },
        )
      }
    }
  }
  return lab
}

/** Whom the server then sees: its own address, and the client's stand-in; or the reason why nobody. */
function open(lab: Laboratory, client: string, port = 80, protocol: 'tcp' | 'udp' = 'udp'): string {
  const to = `${VIP}:${port}`
  const frame = protocol === 'udp' ? udpFrame(client, to) : tcpFrame(client, to, { flags: 2 })
  const { reason, departed } = lab.send('client', frame)
  if (departed.length === 0) return reasonName(reason)
  const { ip, udp, tcp } = parseFrame(departed[0]!.bytes)!
  return `${ip!.source}:${(udp ?? tcp)!.sourcePort} > ${ip!.destination}`
}

/** The client who gets a server's answer; or why nobody does. */
function reply(lab: Laboratory, from: string, to: string): string {
  const frame = udpFrame(from, to, { over: { destinationMac: '02:00:00:00:0b:01' } })
  const { reason, departed } = lab.send('server', frame)
  if (departed.length === 0) return reasonName(reason)
  const { ip, udp } = parseFrame(departed[0]!.bytes)!
  return `${ip!.source}:${udp!.sourcePort} > ${ip!.destination}:${udp!.destinationPort}`
}

it('one local port serves every server at once', () => {
  const lab = makeLaboratory({ servers: 3 })
  const seen = [1, 2, 3, 4].map((n) => open(lab, `10.0.0.10:${n}`))
  assert.deepEqual(seen, [
    '192.168.10.201:5000 > 192.168.10.11',
    '192.168.10.201:5000 > 192.168.10.12',
    '192.168.10.201:5000 > 192.168.10.13',
    '192.168.10.201:5001 > 192.168.10.11',
  ])
  const answers = [11, 12, 13, 14].map((n) =>
    reply(lab, `192.168.10.${n}:8080`, `${LOCALS[0]}:5000`),
  )
  const wanted = [1, 2, 3].map((n) => `10.0.0.100:80 > 10.0.0.10:${n}`)
  assert.deepEqual(answers, [...wanted, 'notOurs'])
  assert.equal(reply(lab, '192.168.10.11:8081', `${LOCALS[0]}:5000`), 'notOurs')
  assert.equal(reply(lab, '192.168.10.11:8080', `${LOCALS[0]}:5002`), 'notOurs')
  assert.equal(locals.row(0).connections, 4)
})

it('local addresses take turns', () => {
  const lab = makeLaboratory({ locals: 2 })
  const seen = [1, 2, 3, 4].map((n) => open(lab, `10.0.0.10:${n}`).split(' ')[0])
  const wanted = ['201:5000', '202:5000', '201:5001', '202:5001']
  assert.deepEqual(
    seen,
    wanted.map((end) => `192.168.10.${end}`),
  )
})

it('two services with one server and one local address do not share a port', () => {
  const lab = makeLaboratory({ ports: [80, 81] })
  assert.equal(open(lab, '10.0.0.10:1', 80), '192.168.10.201:5000 > 192.168.10.11')
  assert.equal(open(lab, '10.0.0.10:1', 81), '192.168.10.201:5001 > 192.168.10.11')
  assert.equal(reply(lab, '192.168.10.11:8080', `${LOCALS[0]}:5000`), '10.0.0.100:80 > 10.0.0.10:1')
  assert.equal(reply(lab, '192.168.10.11:8080', `${LOCALS[0]}:5001`), '10.0.0.100:81 > 10.0.0.10:1')
})

it('TCP and UDP do', () => {
  const lab = makeLaboratory({ protocols: ['tcp', 'udp'] })
  assert.equal(open(lab, '10.0.0.10:1', 80, 'tcp'), '192.168.10.201:5000 > 192.168.10.11')
  assert.equal(open(lab, '10.0.0.10:1', 80, 'udp'), '192.168.10.201:5000 > 192.168.10.11')
})

it('a port is given back when its connection ends, and rests before it is used again', () => {
  const lab = makeLaboratory()
  open(lab, '10.0.0.10:1')
  lab.sleep(UDP_TIMEOUT_S - 1)
  assert.equal(reply(lab, '192.168.10.11:8080', `${LOCALS[0]}:5000`), '10.0.0.100:80 > 10.0.0.10:1')
  lab.sleep(UDP_TIMEOUT_S)
  assert.equal(locals.row(0).connections, 0)
  assert.equal(reply(lab, '192.168.10.11:8080', `${LOCALS[0]}:5000`), 'notOurs')
  assert.equal(open(lab, '10.0.0.10:1'), '192.168.10.201:5001 > 192.168.10.11')
})

it('without a local address there is no connection', () => {
  assert.equal(open(makeLaboratory({ locals: 0 }), '10.0.0.10:1'), 'noLocalAddress')
})

it('when every port towards a server is taken, it is refused, counted, and all else goes on', () => {
  const rows = (1 << 17) + PROBES_MAX
  const lab = makeLaboratory({ capacities: { connections: rows, localPorts: rows } })
  const all = LOCAL_PORT_LAST - LOCAL_PORT_FIRST + 1
  const frame = udpFrame('10.0.0.10:1', `${VIP}:80`)
  /** The port that the server sees of the n-th client, or the reason why it sees none. */
  const openNth = (n: number) => {
    frame.set([n >>> 16, n >>> 8, n], 27)
    repairSums(frame, frame.length)
    const { reason, departed } = lab.send('client', frame)
    const bytes = departed[0]?.bytes
    return bytes === undefined ? reasonName(reason) : (bytes[34]! << 8) | bytes[35]!
  }
  const ports = Array.from({ length: all }, (_, n) => openNth(n))
  const wanted = Array.from({ length: all }, (_, i) => LOCAL_PORT_FIRST + i)
  assert.deepEqual(ports, wanted)
  assert.equal(openNth(all), 'localPortsExhausted')
  const local = locals.row(0)
  assert.deepEqual([local.connections, local.exhausted], [all, 1])
  assert.equal(servers.row(FIRST_SERVER_ROW).inactive, all, 'nothing is left of it')
  assert.equal(openNth(7), LOCAL_PORT_FIRST + 7, 'a connection that there is')
  lab.sleep(UDP_TIMEOUT_S)
  assert.equal(local.connections, 0)
  assert.equal(openNth(all), LOCAL_PORT_FIRST + LOCAL_PORT_TRIES_MAX)
})
