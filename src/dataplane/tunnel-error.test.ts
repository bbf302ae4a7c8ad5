import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DIRECTOR_MAC, GATEWAY_MAC, Laboratory } from '../../tests/goldens/laboratory.ts'
import { TUNNEL_KINDS } from '../../tests/packets/tunnels.ts'
import { bytesToHex } from '../base/hex.ts'
import { icmpErrorFrame, tcpFrame, type IcmpErrorOptions } from '../wire/flow.ts'
import { reasonName } from './reason-text.ts'

const SIDES = {
  4: { client: '10.0.0.10', vip: '10.0.0.100' },
  6: { client: '2001:db8:a::10', vip: '2001:db8:a::100' },
} as const
const OUTER = {
  4: { own: '192.168.10.1', server: '192.168.10.11', router: '192.168.10.254', header: 20 },
  6: { own: '2001:db8:b::1', server: '2001:db8:b::11', router: '2001:db8:b::fe', header: 40 },
} as const
type Family = keyof typeof SIDES

const UNREACHABLE = { 4: { type: 3, code: 1 }, 6: { type: 1, code: 3 } } as const
const EXPIRED = { 4: { type: 11 }, 6: { type: 3 } } as const
const TOO_BIG = { 4: { type: 3, code: 4 }, 6: { type: 2 } } as const

/** A service with one real server in a tunnel, and a packet that has gone there. */
class Tunnelled {
  readonly lab = new Laboratory()
  /** The IP packet from the client, one hop on; and the one it lies in. */
  readonly inner: Uint8Array
  readonly outer: Uint8Array
  readonly #family: Family
  readonly #outerFamily: Family

  constructor(family: Family, outerFamily: Family, { tunnel } = TUNNEL_KINDS[0]!) {
    this.#family = family
    this.#outerFamily = outerFamily
    const key = { protocol: 'tcp', address: SIDES[family].vip, port: 80 } as const
    this.lab.addService(key)
    const server = { address: OUTER[outerFamily].server, port: 80 }
    this.lab.addServer(key, server, { forwarding: 'tunnel', tunnel })
    const sent = this.send(2, 0)
    this.outer = sent.departed[0]!.bytes.subarray(14)
    this.inner = this.#frame(2, 0, 63).subarray(14)
  }

  send(flags: number, bytes: number) {
    return this.lab.send('client', this.#frame(flags, bytes, 64))
  }

  #frame(flags: number, bytes: number, hops: number): Uint8Array {
    const { client, vip } = SIDES[this.#family]
    const [from, to] = this.#family === 4 ? [client, vip] : [`[${client}]`, `[${vip}]`]
    const mac = { destinationMac: DIRECTOR_MAC.client, sourceMac: GATEWAY_MAC }
    const over = { ...mac, ip: { timeToLive: hops, hopLimit: hops } }
    return tcpFrame(`${from}:4000`, `${to}:80`, { flags, data: new Uint8Array(bytes), over })
  }

  /** An error of a router on the way, which quotes the tunnel packet. */
  error(options: Omit<IcmpErrorOptions, 'quoted'>, quoted = this.outer): Uint8Array {
    const { router, own } = OUTER[this.#outerFamily]
    const over = { destinationMac: DIRECTOR_MAC.server, sourceMac: '02:00:00:00:0b:fe' }
    return icmpErrorFrame(router, own, { quoted, over, ...options })
  }

  hear(frame: Uint8Array) {
    const { reason, departed } = this.lab.send('server', frame)
    return { reason: reasonName(reason), departed }
  }

  /** What the client is to hear. */
  told(options: Omit<IcmpErrorOptions, 'quoted'>): string {
    const { vip, client } = SIDES[this.#family]
    const macs = { sourceMac: DIRECTOR_MAC.client, destinationMac: GATEWAY_MAC }
    const ip = { typeOfService: 0xc0, dontFragment: false }
    const quoted = this.inner
    return bytesToHex(icmpErrorFrame(vip, client, { quoted, ...options, over: { ...macs, ip } }))
  }
}

for (const kind of TUNNEL_KINDS) {
  for (const family of [4, 6] as const) {
    const { header } = OUTER[family]
    describe(`${kind.name}, IPv${family} in IPv${family}: ICMP errors about its packets`, () => {
      it('the client hears of them from the VIP', () => {
        for (const what of [UNREACHABLE[family], EXPIRED[family]]) {
          const tunnelled = new Tunnelled(family, family, kind)
          const { reason, departed } = tunnelled.hear(tunnelled.error(what))
          assert.equal(reason, 'icmpToClient')
          assert.equal(departed[0]!.at, 'client')
          assert.equal(bytesToHex(departed[0]!.bytes), tunnelled.told(what))
        }
      })

      it('what is too big is told by what fits through the tunnel, and answered here from then on', () => {
        const tunnelled = new Tunnelled(family, family, kind)
        const fits = 1400 - header - kind.bytes
        const tooBig = tunnelled.error({ ...TOO_BIG[family], rest: 1400 })
        // IPv4: as Linux, which measures the next packet by it first.
        if (family === 4) tunnelled.hear(tooBig)
        tunnelled.send(0x10, 0)
        const { departed } = tunnelled.hear(tooBig)
        const want = tunnelled.told({ ...TOO_BIG[family], rest: fits })
        assert.equal(bytesToHex(departed[0]!.bytes), want)
        const over = fits - header - 20
        assert.equal(reasonName(tunnelled.send(0x10, over).reason), 'toServer')
        assert.equal(reasonName(tunnelled.send(0x10, over + 1).reason), 'answeredTooBig')
      })
    })
  }
}

for (const [family, outerFamily] of [
  [4, 6],
  [6, 4],
] as const) {
  describe(`IPv${family} in IPv${outerFamily}: ICMP errors about its packets`, () => {
    it('what is too big is noted, and answered here from then on', () => {
      const tunnelled = new Tunnelled(family, outerFamily)
      const error = tunnelled.error({ ...TOO_BIG[outerFamily], rest: 1400 })
      assert.deepEqual(tunnelled.hear(error), { reason: 'icmpNoted', departed: [] })
      const fits = 1400 - OUTER[outerFamily].header
      const over = fits - OUTER[family].header - 20
      assert.equal(reasonName(tunnelled.send(0x10, over).reason), 'toServer')
      assert.equal(reasonName(tunnelled.send(0x10, over + 1).reason), 'answeredTooBig')
    })

    it('others are left to the host', () => {
      const tunnelled = new Tunnelled(family, outerFamily)
      assert.equal(tunnelled.hear(tunnelled.error(EXPIRED[outerFamily])).reason, 'notOurs')
    })
  })
}

describe('what is no error about a tunnel packet of ours', () => {
  for (const family of [4, 6] as const) {
    it(`IPv${family}: another server, too little of it, a fragment`, () => {
      const tunnelled = new Tunnelled(family, family)
      const { outer } = tunnelled
      const elsewhere = outer.slice()
      elsewhere[OUTER[family].header - 1]! ^= 0x80
      const quotes = [elsewhere, outer.subarray(0, outer.length - 20 + 3), outer.subarray(0, 30)]
      if (family === 4) {
        const later = outer.slice()
        later[7] = 1
        quotes.push(later)
      }
      for (const quoted of quotes) {
        const { reason, departed } = tunnelled.hear(tunnelled.error(EXPIRED[family], quoted))
        assert.deepEqual([reason, departed], ['notOurs', []])
      }
    })

    it(`IPv${family}: a wrong checksum`, () => {
      const tunnelled = new Tunnelled(family, family)
      const frame = tunnelled.error(EXPIRED[family])
      frame[14 + OUTER[family].header + 2]! ^= 1
      assert.equal(tunnelled.hear(frame).reason, 'icmpChecksum')
    })
  }
})
