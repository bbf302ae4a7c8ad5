import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TUNNEL_KINDS, wrap, type TunnelKind } from '../../tests/packets/tunnels.ts'
import { concatBytes, viewOf } from '../base/bytes.ts'
import { isChecksumRight, pseudoHeaderSum, fold } from '../wire/checksum.ts'
import { emitIpLayers, parseIpLayers, type IpLayersSpec } from '../wire/frame.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { Unwrapper } from './unwrap.ts'

const VIPS = ['10.0.0.100', '10.0.0.101', '2001:db8::100', '2001:db8::101']
const CLIENT = { 4: '192.0.2.9', 6: '2001:db8:9::9' }
const VIP = { 4: '10.0.0.101', 6: '2001:db8::101' }
const DATAGRAM_MAX = 1500
/** Bytes before the packet. */
const START = 30

const udp = { sourcePort: 4000, destinationPort: 53, payload: new Uint8Array(100).fill(7) }
const tcp = { sourcePort: 4000, destinationPort: 80, payload: new Uint8Array(101).fill(7) }

function emit(family: 4 | 6, layers: Omit<IpLayersSpec, 'ip'>, ip: object = {}): Uint8Array {
  const [source, destination] = [CLIENT[family], VIP[family]]
  return emitIpLayers({ ip: { source, destination, ...ip }, ...layers })
}

/** What comes out of a tunnel packet behind its outer IP header. */
function unwrap(inner: Uint8Array, outerClass = 0, protocol?: number) {
  const bytes = concatBytes(new Uint8Array(START), inner)
  const announced = protocol ?? (inner[0]! >>> 4 === 4 ? Protocol.ipip : Protocol.ipv6)
  const unwrapper = new Unwrapper(VIPS, { datagramMax: DATAGRAM_MAX })
  const refusal = unwrapper.unwrap(viewOf(bytes), START, inner.length, announced, outerClass)
  const { start, length, checksumStart, checksumOffset } = unwrapper
  const packet = bytes.subarray(start, start + length)
  return { refusal, packet, checksumStart, checksumOffset }
}

describe('unwrapping', () => {
  for (const family of [4, 6] as const) {
    const classField = family === 4 ? 'typeOfService' : 'trafficClass'
    const header = family === 4 ? 20 : 40

    it(`leaves an IPv${family} packet as it is, without what lies behind it`, () => {
      for (const layers of [{ udp }, { tcp }]) {
        const inner = emit(family, layers, { timeToLive: 1, hopLimit: 1, [classField]: 0xb8 })
        const out = unwrap(concatBytes(inner, Uint8Array.of(1, 2, 3)))
        assert.equal(out.refusal, undefined)
        assert.deepEqual(out.packet, inner)
        assert.deepEqual([out.checksumStart, out.checksumOffset], [0, 0])
      }
    })

    it(`lets out only what is addressed to a VIP, of IPv${family}`, () => {
      const others = family === 4 ? ['10.0.0.99', '0.0.0.0'] : ['2001:db8::99', '2001:db9::101']
      for (const destination of others) {
        assert.equal(unwrap(emit(family, { udp }, { destination })).refusal, 'otherDestination')
      }
    })

    it(`refuses an IPv${family} packet that is cut, or not what was announced`, () => {
      const inner = emit(family, { udp })
      for (let length = 0; length < inner.length; length++) {
        assert.equal(unwrap(inner.slice(0, length), 0, protocolOf(family)).refusal, 'malformed')
      }
      assert.equal(unwrap(inner, 0, protocolOf(family === 4 ? 6 : 4)).refusal, 'malformed')
      assert.equal(unwrap(inner, 0, Protocol.tcp).refusal, 'malformed')
    })

    // RFC 6040, figure 4: rows inner, columns outer; 0 not ECN-capable, 1 ECT(1), 2 ECT(0), 3 congested.
    const figure = [
      [0, 0, 0, undefined],
      [1, 1, 1, 3],
      [2, 1, 2, 3],
      [3, 3, 3, 3],
    ]
    for (const [inner, row] of figure.entries()) {
      it(`passes congestion marks on to an IPv${family} packet with ECN ${inner}`, () => {
        for (const [outer, wanted] of row.entries()) {
          const dscp = 0xb8 // differs from the outer one's, which stays behind
          const out = unwrap(emit(family, { udp }, { [classField]: dscp | inner }), 0x28 | outer)
          assert.equal(out.refusal, wanted === undefined ? 'congested' : undefined, `${outer}`)
          if (wanted === undefined) continue
          assert.deepEqual(out.packet, emit(family, { udp }, { [classField]: dscp | wanted }))
        }
      })
    }

    it(`finds partial checksums in IPv${family}`, () => {
      for (const [layers, protocol, offset] of [
        [{ udp: { ...udp, checksum: partial(family, Protocol.udp, 108) } }, Protocol.udp, 6],
        [{ tcp: { ...tcp, checksum: partial(family, Protocol.tcp, 121) } }, Protocol.tcp, 16],
      ] as const) {
        const out = unwrap(emit(family, layers))
        assert.equal(out.refusal, undefined)
        assert.deepEqual([out.checksumStart, out.checksumOffset], [header, offset], `${protocol}`)
      }
      const wrong = unwrap(emit(family, { udp: { ...udp, checksum: 0x1234 } }))
      assert.deepEqual([wrong.checksumStart, wrong.checksumOffset], [0, 0])
    })

    it(`refuses datagrams put together, but not segments, of IPv${family}`, () => {
      const payload = new Uint8Array(3000)
      const datagrams = { ...udp, payload, checksum: partial(family, Protocol.udp, 3008) }
      assert.equal(unwrap(emit(family, { udp: datagrams })).refusal, 'mergedDatagrams')
      const segments = { ...tcp, payload, checksum: partial(family, Protocol.tcp, 3020) }
      assert.equal(unwrap(emit(family, { tcp: segments })).refusal, undefined)
      assert.equal(unwrap(emit(family, { udp: { ...udp, payload } })).refusal, undefined)
    })
  }

  it('keeps the header’s checksum right, or wrong', () => {
    const right = unwrap(emit(4, { udp }, { typeOfService: 2 }), 3).packet
    assert.ok(isChecksumRight(right.subarray(0, 20)))
    const wrong = unwrap(emit(4, { udp }, { typeOfService: 2, checksum: 1 }), 3).packet
    assert.ok(!isChecksumRight(wrong.subarray(0, 20)))
  })

  it('takes options, and looks for no checksum in fragments', () => {
    const options = Uint8Array.of(1, 1, 1, 0)
    const checksum = partial(4, Protocol.udp, 108)
    const out = unwrap(emit(4, { udp: { ...udp, checksum } }, { options }))
    assert.equal(out.checksumStart, 24)
    for (const fragment of [{ moreFragments: true }, { fragmentOffset: 800 }]) {
      const part = unwrap(emit(4, { udp: { ...udp, checksum } }, fragment))
      assert.deepEqual([part.refusal, part.checksumStart], [undefined, 0])
    }
  })

  it('refuses impossible lengths', () => {
    for (const [at, value] of [
      [0, 0x44],
      [0, 0x4f],
      [2, 0xff],
    ] as const) {
      const inner = emit(4, {})
      inner[at] = value
      assert.equal(unwrap(inner).refusal, 'malformed')
    }
    assert.ok(parseIpLayers(emit(4, {})))
  })
})

describe('unwrapping GRE and GUE', () => {
  /** Behind the outer IP header, and the protocol that this announces. */
  function envelop({ tunnel }: TunnelKind, inner: Uint8Array): [Uint8Array, number] {
    const frame = wrap(tunnel, inner, { source: '10.0.0.1', destination: '10.0.0.2' }, 50_000)
    const isGue = tunnel.type === 'gue'
    return [frame.subarray(14 + 20 + (isGue ? 8 : 0)), frame[14 + 9]!]
  }

  for (const kind of TUNNEL_KINDS) {
    for (const family of [4, 6] as const) {
      it(`takes the packet out: IPv${family}, ${kind.name}`, () => {
        for (const layers of [{ udp }, { tcp }]) {
          const inner = emit(family, layers)
          const out = unwrap(envelop(kind, inner)[0], 0, envelop(kind, inner)[1])
          assert.equal(out.refusal, undefined)
          assert.deepEqual(out.packet, inner)
        }
      })

      it(`refuses what is cut: IPv${family}, ${kind.name}`, () => {
        const [bytes, protocol] = envelop(kind, emit(family, { udp }))
        for (let length = 0; length < bytes.length; length++) {
          assert.equal(unwrap(bytes.slice(0, length), 0, protocol).refusal, 'malformed')
        }
      })

      it(`has congestion marks passed on: IPv${family}, ${kind.name}`, () => {
        const field = family === 4 ? 'typeOfService' : 'trafficClass'
        const [bytes, protocol] = envelop(kind, emit(family, { udp }, { [field]: 2 }))
        assert.deepEqual(unwrap(bytes, 3, protocol).packet, emit(family, { udp }, { [field]: 3 }))
      })
    }
  }

  const greSummed = TUNNEL_KINDS[2]!

  it('verifies a GRE checksum, byte by byte', () => {
    const [bytes, protocol] = envelop(greSummed, emit(4, { udp }))
    for (let at = 4; at < bytes.length; at++) {
      if (at >= 8 && at < 28) continue // the inner header, which may be refused for something else
      const wrong = bytes.slice()
      wrong[at]! ^= 0x10
      assert.equal(unwrap(wrong, 0, protocol).refusal, 'wrongChecksum', `${at}`)
    }
  })

  it('takes an inner checksum that hardware would finish as finished', () => {
    for (const family of [4, 6] as const) {
      const finished = envelop(greSummed, emit(family, { udp }))
      const inner = emit(family, { udp: { ...udp, checksum: partial(family, Protocol.udp, 108) } })
      const bytes = concatBytes(finished[0].subarray(0, 8), inner)
      const out = unwrap(bytes, 0, finished[1])
      assert.deepEqual([out.refusal, out.checksumOffset], [undefined, 6])
      bytes[9]! ^= 0x20
      assert.equal(unwrap(bytes, 0, finished[1]).refusal, 'wrongChecksum')
    }
  })

  it('believes the kernel where it has put segments together', () => {
    const payload = new Uint8Array(3000)
    const segments = { ...tcp, payload, checksum: partial(4, Protocol.tcp, 3020) }
    const inner = emit(4, { tcp: segments })
    const first = envelop(greSummed, emit(4, { tcp }))
    const bytes = concatBytes(first[0].subarray(0, 8), inner)
    assert.equal(unwrap(bytes, 0, first[1]).refusal, undefined)
  })

  const gre = (flags: number, protocol: number) => {
    const head = new Uint8Array(4)
    viewOf(head).setUint16(0, flags)
    viewOf(head).setUint16(2, protocol)
    return concatBytes(head, emit(4, { udp }))
  }
  const gue = (head: readonly number[], inner = emit(4, { udp })) =>
    concatBytes(Uint8Array.from(head), inner)

  it('refuses what no director sends', () => {
    for (const [what, bytes, protocol] of [
      ['a key', gre(0x2000, 0x0800), Protocol.gre],
      ['a sequence number', gre(0x1000, 0x0800), Protocol.gre],
      ['version 1', gre(1, 0x880b), Protocol.gre],
      ['Ethernet', gre(0, 0x6558), Protocol.gre],
      ['a control message', gue([0x20, 1, 0, 0]), Protocol.udp],
      ['version 2', gue([0x80, 4, 0, 0]), Protocol.udp],
      ['version 1, of what is no IP', gue([0x50, 4, 0, 0]), Protocol.udp],
      ['something else inside', gue([0, 17, 0, 0]), Protocol.udp],
      ['an option without a flag', gue([1, 4, 0, 0, 0, 0, 0, 0]), Protocol.udp],
      ['an unknown flag', gue([0, 4, 0, 2]), Protocol.udp],
      ['private flags that are not there', gue([0, 4, 0, 1]), Protocol.udp],
      [
        'a private flag that is unknown',
        gue([2, 4, 0, 1, 0x40, 0, 0, 0, 0, 20, 0, 26]),
        Protocol.udp,
      ],
    ] as const) {
      assert.equal(unwrap(bytes, 0, protocol).refusal, 'otherTunnel', what)
    }
    assert.equal(unwrap(gre(0, 0x86dd), 0, Protocol.gre).refusal, 'malformed')
    assert.equal(unwrap(gue([0, 41, 0, 0]), 0, Protocol.udp).refusal, 'malformed')
  })

  it('takes version 1 of GUE, which is no header', () => {
    for (const family of [4, 6] as const) {
      const inner = emit(family, { udp })
      assert.deepEqual(unwrap(inner, 0, Protocol.udp).packet, inner)
    }
  })

  it('finishes a remote checksum, where it is the one that looks so', () => {
    const inner = emit(4, { udp: { ...udp, checksum: partial(4, Protocol.udp, 108) } })
    const remote = (start: number, offset: number, packet = inner) =>
      unwrap(gue([2, 4, 0, 1, 0x80, 0, 0, 0, 0, start, 0, offset], packet), 0, Protocol.udp)
    const { refusal, packet, checksumStart, checksumOffset } = remote(20, 26)
    assert.deepEqual([refusal, packet, checksumStart, checksumOffset], [undefined, inner, 20, 6])
    assert.equal(remote(20, 28).refusal, 'otherTunnel')
    assert.equal(remote(0, 26).refusal, 'otherTunnel')
    assert.equal(remote(20, 26, emit(4, { udp })).refusal, 'otherTunnel')
  })
})

function protocolOf(family: 4 | 6): number {
  return family === 4 ? Protocol.ipip : Protocol.ipv6
}

/** What the checksum field holds before the wire's end has completed it. */
function partial(family: 4 | 6, protocol: number, length: number): number {
  return fold(pseudoHeaderSum(CLIENT[family], VIP[family], protocol, length))
}
