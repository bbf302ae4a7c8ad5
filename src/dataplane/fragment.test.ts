import assert from 'node:assert/strict'
import { it } from 'node:test'
import { DIRECTOR_MAC, Laboratory } from '../../tests/goldens/laboratory.ts'
import { goldenFrame } from '../../tests/packets/golden-frames.ts'
import { udpFrame } from '../wire/flow.ts'
import { parseFrame } from '../wire/frame.ts'
import { fragmentExtension } from '../wire/ipv6.ts'
import { FRAGMENT_TIMEOUT_S } from './limits.ts'
import { reasonName } from './reason-text.ts'

const [CLIENT, VIP] = ['10.0.0.10:4000', '10.0.0.100:80']

/** NAT by UDP, to one server, for both families. */
function makeLaboratory(): Laboratory {
  const lab = new Laboratory()
  for (const [address, server] of [
    ['10.0.0.100', '192.168.10.11'],
    ['2001:db8:a::100', '2001:db8:b::11'],
  ] as const) {
    const key = { protocol: 'udp', address, port: 80 } as const
    lab.addService(key)
    lab.addServer(key, { address: server, port: 8080 }, { forwarding: 'masquerade' })
  }
  return lab
}

function fragment(place: 'first' | 'later', identification: number, from = CLIENT): Uint8Array {
  const isFirst = place === 'first'
  const ip = {
    identification,
    dontFragment: false,
    moreFragments: isFirst,
    fragmentOffset: isFirst ? 0 : 32,
  }
  return udpFrame(from, VIP, { data: new Uint8Array(24), over: { ip } })
}

function fragment6(place: 'first' | 'later', identification: number): Uint8Array {
  const isFirst = place === 'first'
  const offset = isFirst ? 0 : 32
  const extensions = [fragmentExtension({ offset, moreFragments: isFirst, identification })]
  const data = new Uint8Array(24)
  const over = { ip: { extensions } }
  return udpFrame('[2001:db8:a::10]:4000', '[2001:db8:a::100]:80', { data, over })
}

function send(lab: Laboratory, frame: Uint8Array): string {
  return reasonName(lab.send('client', frame).reason)
}

for (const [family, make] of [
  ['IPv4', fragment],
  ['IPv6', fragment6],
] as const) {
  it(`${family}: later fragments follow their first one`, () => {
    const lab = makeLaboratory()
    assert.equal(send(lab, make('later', 1)), 'fragmentEarly')
    assert.equal(send(lab, make('first', 1)), 'toServer')
    const { departed } = lab.send('client', make('later', 1))
    const { ip } = parseFrame(departed[0]!.bytes)!
    assert.equal(ip!.destination, family === 'IPv4' ? '192.168.10.11' : '2001:db8:b::11')
    assert.equal(send(lab, make('later', 2)), 'fragmentEarly')
  })
}

it('what came before the first one follows it, there and back', () => {
  const lab = makeLaboratory()
  const there = (place: 'first' | 'later') => lab.send('client', fragment(place, 1)).departed
  assert.deepEqual(there('later'), [])
  assert.deepEqual(
    there('first').map(({ bytes }) => parseFrame(bytes)!.ip!.destination),
    ['192.168.10.11', '192.168.10.11'],
  )
  const back = (isFirst: boolean) => {
    const fields = { identification: 2, dontFragment: false, moreFragments: isFirst }
    const ip = { ...fields, fragmentOffset: isFirst ? 0 : 32 }
    const over = { destinationMac: DIRECTOR_MAC.server, ip }
    const data = new Uint8Array(24)
    return lab.send('server', udpFrame('192.168.10.11:8080', CLIENT, { data, over })).departed
  }
  assert.deepEqual(back(false), [])
  assert.deepEqual(
    back(true).map(({ bytes }) => parseFrame(bytes)!.ip!.source),
    ['10.0.0.100', '10.0.0.100'],
  )
})

it('of another source, or too late, they are strangers', () => {
  const lab = makeLaboratory()
  send(lab, fragment('first', 1))
  assert.equal(send(lab, fragment('later', 1, '10.0.0.11:4000')), 'fragmentEarly')
  lab.sleep(FRAGMENT_TIMEOUT_S - 1)
  assert.equal(send(lab, fragment('later', 1)), 'toServer')
  lab.sleep(1)
  assert.equal(send(lab, fragment('later', 1)), 'fragmentEarly')
})

it('more datagrams than there is room for: the newest is always known, and most are', () => {
  const lab = makeLaboratory()
  for (let id = 0; id < 500; id++) {
    lab.sleep(0.01)
    send(lab, fragment('first', id))
    assert.equal(send(lab, fragment('later', id)), 'toServer', `${id}`)
  }
  let known = 0
  for (let id = 440; id < 500; id++) if (send(lab, fragment('later', id)) === 'toServer') known++
  assert.ok(known > 30, `${known} of the last 60, with room for 64`)
})

it('a whole IPv6 datagram in a fragment of its own needs no other', () => {
  const lab = makeLaboratory()
  const frame = goldenFrame('udp6-atomic-fragment')
  assert.equal(send(lab, frame), 'noService') // port 6000: its ports were read
})
