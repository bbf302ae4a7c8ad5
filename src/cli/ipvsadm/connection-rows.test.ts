import assert from 'node:assert/strict'
import { it } from 'node:test'
import { connectionOf } from '../../control/connection-row.ts'
import type { ConnectionRow } from '../../director/model.ts'
import { formatRows } from './connection-rows.ts'
import { formatConnections } from './connections.ts'
import { NUMERIC } from './naming.ts'

const ROWS: readonly ConnectionRow[] = [
  ['tcp', 'ESTABLISHED', 899.992, '10.0.0.10', 40000, '10.0.0.100', 80, '192.168.10.11', 80],
  ['udp', 'UDP', 9, '10.0.0.1', 1, '10.0.0.100', 53, '192.168.10.11', 53],
  ['tcp', 'SYN_RECV', 59.008, '2001:db8::10', 65535, '2001:db8:a::100', 80, '2001:db8:b::1', 8080],
  ['tcp', 'NONE', 2_678_400, '255.255.255.255', 0, '255.255.255.255', 65535, '1.2.3.4', 0],
  ['sctp', 'S-ACK-SENT', 0.008, '10.0.0.10', 99, '10.0.0.100', 80, '192.168.10.11', 80],
  // The shortest there can be.
  ['ip', 'NONE', 0, '0.0.0.5', 0, '0.0.0.0', 0, '1.1.1.1', 0],
]
const FULLNAT: ConnectionRow = [
  ...(['tcp', 'FIN_WAIT', 7.5, '10.0.0.10', 1024, '10.0.0.100', 80, '10.1.1.1', 80] as const),
  ...(['192.168.10.1', 5000] as const),
]
const CALL: ConnectionRow = [
  ...(['udp', 'NONE', 59.5, '10.0.0.0', 0, '10.0.0.100', 5060, '10.1.1.1', 5060] as const),
  ...([null, 0, 'sip', '"a\\"],[b@x'] as const),
]

function bytesOf(rows: readonly ConnectionRow[]): Buffer {
  return Buffer.from(JSON.stringify(rows).slice(1, -1))
}

for (const [what, rows] of [
  ['connections of every kind', ROWS],
  ['FULLNAT among them', [...ROWS, FULLNAT, ...ROWS]],
  ['FULLNAT alone', [FULLNAT]],
  ['calls among them', [CALL, ...ROWS, CALL]],
  ['short ones alone', Array<ConnectionRow>(50).fill(ROWS.at(-1)!)],
  ['none', []],
] as const) {
  it(`lists ${what} as formatConnections does, however they come`, () => {
    const want = formatConnections(rows.map(connectionOf), false, NUMERIC)
    for (const size of [1, 2, 1000]) {
      const parts: Buffer[] = []
      for (let i = 0; i < rows.length; i += size) parts.push(bytesOf(rows.slice(i, i + size)))
      assert.equal(Buffer.concat(formatRows(parts)).toString(), want)
    }
  })
}

it('refuses what are no rows', () => {
  const whole = bytesOf([FULLNAT]).toString()
  for (const row of [whole, bytesOf([CALL]).toString()]) {
    for (let length = 1; length < row.length; length++) {
      const cut = row.slice(0, length)
      assert.throws(() => formatRows([Buffer.from(cut)]), { errno: 'EPROTO' }, cut)
    }
  }
  for (const text of ['7', '[]', '[1,2]', '["tcp","NONE",x]', `${whole}${whole}`, `${whole},`]) {
    assert.throws(() => formatRows([Buffer.from(text)]), { errno: 'EPROTO' }, text)
  }
})
