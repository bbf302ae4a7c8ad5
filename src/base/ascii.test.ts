import assert from 'node:assert/strict'
import { it } from 'node:test'
import { writeAscii, writeInteger, writeIpv4 } from './ascii.ts'

/** What a piece writes behind something else, which it leaves alone. */
function written(write: (bytes: Uint8Array, at: number) => number): string {
  const bytes = new Uint8Array(32).fill(0x7e)
  const end = write(bytes, 1)
  assert.equal(bytes[0], 0x7e)
  return Buffer.from(bytes.subarray(1, end)).toString()
}

it('writes text as it is', () => {
  for (const text of ['', 'a', '["tcp","NONE",']) {
    assert.equal(
      written((bytes, at) => writeAscii(bytes, at, text)),
      text,
    )
  }
})

it('writes integers of every length as JavaScript does', () => {
  for (let power = 1; power <= 2 ** 31; power *= 2) {
    for (const n of [power - 1, power, 10 ** Math.floor(Math.log10(power)) - 1]) {
      if (n < 0 || n >= 2 ** 31) continue
      assert.equal(
        written((bytes, at) => writeInteger(bytes, at, n)),
        String(n),
      )
    }
  }
})

it('writes addresses with dots', () => {
  for (const address of ['0.0.0.0', '255.255.255.255', '10.0.0.100', '192.168.1.2', '1.20.255.9']) {
    const [a, b, c, d] = address.split('.').map(Number) as [number, number, number, number]
    const word = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
    assert.equal(
      written((bytes, at) => writeIpv4(bytes, at, word)),
      address,
    )
  }
})
