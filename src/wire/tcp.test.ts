import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesOf, everyCut, goldenPayload } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { fold, isChecksumRight, pseudoHeaderSum } from './checksum.ts'
import { emitTcp, emitTcpOptions, formatTcp, formatTcpFlags, parseTcp } from './tcp.ts'
import { parseTcpOptions, Tcp, TcpFlag, TcpMss, TcpOptionHead, TcpOptionKind } from './tcp.ts'
import type { TcpOption } from './tcp.ts'

test('a segment by scapy: every field, both views', () => {
  const { bytes } = goldenPayload('tcp4-urg')
  const tcp = Tcp.view(viewOf(bytes), 0)
  assert.equal(Tcp.size, 20)
  assert.deepEqual([tcp.sourcePort, tcp.destinationPort], [40000, 8000])
  assert.deepEqual([tcp.sequence, tcp.acknowledgement], [7, 9])
  assert.equal(tcp.offsetAndFlags, 0x5000 | TcpFlag.urg | TcpFlag.ack)
  assert.deepEqual([tcp.window, tcp.urgent], [1, 3])
  assert.deepEqual(parseTcp(bytes), {
    sourcePort: 40000,
    destinationPort: 8000,
    sequence: 7,
    acknowledgement: 9,
    flags: TcpFlag.urg | TcpFlag.ack,
    window: 1,
    urgent: 3,
    options: new Uint8Array(),
    payload: new TextEncoder().encode('abc'),
    checksum: tcp.checksum,
  })
})

test('segments are emitted as they were, the checksum found or computed', () => {
  const names = ['tcp4-syn-options', 'tcp4-sack', 'tcp4-data-odd', 'tcp4-urg', 'tcp4-urgent-ecn']
  for (const name of [...names, 'kernel-tcp4-rst', 'tcp6-syn']) {
    const { bytes, source, destination } = goldenPayload(name)
    const segment = parseTcp(bytes)
    assert.ok(segment !== undefined, name)
    assert.deepEqual(emitTcp(segment, source, destination), bytes, name)
    assert.deepEqual(emitTcp({ ...segment, checksum: undefined }, source, destination), bytes, name)
    const pseudoSum = pseudoHeaderSum(source, destination, 6, bytes.length)
    assert.ok(isChecksumRight(bytes, pseudoSum), name)
  }
})

test("the kernel leaves a partial checksum: the pseudo-header's sum, not complemented", () => {
  for (const name of [
    'kernel-tcp4-syn',
    'kernel-tcp4-data',
    'kernel-tcp6-syn',
    'kernel-tcp6-rst',
  ]) {
    const { bytes, source, destination } = goldenPayload(name)
    const pseudoSum = pseudoHeaderSum(source, destination, 6, bytes.length)
    assert.equal(parseTcp(bytes)!.checksum, fold(pseudoSum), name)
  }
})

/** Options as they stand in goldens of the kernel and scapy. */
const options: [string, TcpOption[]][] = [
  [
    'tcp4-syn-options',
    [
      { type: 'mss', size: 1460 },
      { type: 'sackPermitted' },
      { type: 'timestamps', value: 1, echo: 0 },
      { type: 'nop' },
      { type: 'windowScale', shift: 7 },
    ],
  ],
  [
    'tcp4-sack',
    [
      { type: 'nop' },
      { type: 'nop' },
      {
        type: 'sack',
        blocks: [
          { left: 6001, right: 7001 },
          { left: 8001, right: 9001 },
        ],
      },
    ],
  ],
  ['tcp4-unknown-option', [{ type: 'other', kind: 200, data: bytesOf('9c400a00000a') }]],
  [
    'kernel-tcp6-syn',
    [
      { type: 'mss', size: 1440 },
      { type: 'sackPermitted' },
      { type: 'timestamps', value: 3417021247, echo: 0 },
      { type: 'nop' },
      { type: 'windowScale', shift: 10 },
    ],
  ],
]

for (const [name, want] of options) {
  test(`${name}: options are read and written`, () => {
    const bytes = parseTcp(goldenPayload(name).bytes)!.options
    assert.deepEqual(parseTcpOptions(bytes), want)
    const emitted = emitTcpOptions(want)
    assert.deepEqual(emitted, bytes.subarray(0, emitted.length))
    assert.ok(bytes.subarray(emitted.length).every((byte) => byte === TcpOptionKind.end))
  })
}

test('the accessors of the first option of a SYN', () => {
  const view = viewOf(goldenPayload('kernel-tcp4-syn').bytes)
  const head = TcpOptionHead.view(view, Tcp.size)
  assert.deepEqual([head.kind, head.length], [TcpOptionKind.mss, TcpMss.size])
  assert.equal(TcpMss.view(view, Tcp.size).size, 1460)
})

test('options that cannot be are refused', () => {
  const wrong = ['02', '0200', '0201', '020405', '02030405', '030300ff05', '0402', '0803000000']
  for (const hex of [...wrong.filter((text) => text !== '0402'), '040300', '0509ffffffffffffff']) {
    assert.equal(parseTcpOptions(bytesOf(hex)), undefined, hex)
  }
  assert.deepEqual(parseTcpOptions(bytesOf('0402')), [{ type: 'sackPermitted' }])
  assert.deepEqual(parseTcpOptions(bytesOf('010002')), [{ type: 'nop' }])
})

test('a cut header is refused; the payload is what is there', () => {
  const { bytes } = goldenPayload('tcp4-syn-options')
  for (const cut of everyCut(bytes)) assert.equal(parseTcp(cut), undefined)
  const data = goldenPayload('tcp4-data-odd').bytes
  for (const cut of everyCut(data)) {
    assert.equal(parseTcp(cut)?.payload.length, cut.length < 20 ? undefined : cut.length - 20)
  }
})

test('a header length below 20 bytes is refused', () => {
  const bytes = Uint8Array.from(goldenPayload('tcp4-fin').bytes)
  bytes[12] = 0x40
  assert.equal(parseTcp(bytes), undefined)
})

test('it prints as tcpdump does', () => {
  const segment = parseTcp(goldenPayload('tcp4-syn-options').bytes)!
  assert.equal(
    formatTcp(segment),
    'Flags [S], seq 1000, win 64240, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0',
  )
  assert.equal(formatTcpFlags(0), '[none]')
  const broken = { ...segment, options: bytesOf('02030405') }
  assert.match(formatTcp(broken), /options \[bad opt\], length 0$/)
})
