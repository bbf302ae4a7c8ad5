import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { BtfReader } from './btf-reader.ts'
import { Kind } from './btf.ts'

/**
 * Of clang -g -target bpf, section .BTF:
 *
 *     struct frame {
 *       unsigned short length;
 *       union {
 *         struct { unsigned char a : 3, sum : 2, b : 3; unsigned int start; };
 *         unsigned long all;
 *       };
 *     };
 *     unsigned f(struct frame *x) { return x->sum; }
 */
const BY_CLANG = Buffer.from(
  `
    n+sBABgAAAAAAAAA8AAAAPAAAACaAAAAAAAAAAAAAAICAAAAAQAAAAIAAAQQAAAABwAAAAMAAAAAAAAAAAAAAA
    QAAABAAAAADgAAAAAAAAECAAAAEAAAAAAAAAACAAAFCAAAAAAAAAAFAAAAAAAAAB0AAAAIAAAAAAAAAAAAAAAE
    AACECAAAACEAAAAGAAAAAAAAAyMAAAAGAAAAAwAAAicAAAAGAAAABQAAAykAAAAHAAAAIAAAAC8AAAAAAAABAQ
    AAAAgAAAA9AAAAAAAAAQQAAAAgAAAASgAAAAAAAAEIAAAAQAAAAAAAAAABAAANBwAAAFgAAAABAAAAWgAAAAEA
    AAwJAAAAAGZyYW1lAGxlbmd0aAB1bnNpZ25lZCBzaG9ydABhbGwAYQBzdW0AYgBzdGFydAB1bnNpZ25lZCBjaG
    FyAHVuc2lnbmVkIGludAB1bnNpZ25lZCBsb25nAHgAZgAudGV4dAAvdG1wL3MuYwB1bnNpZ25lZCBmKHN0cnVj
    dCBmcmFtZSAqeCkgeyByZXR1cm4geC0+c3VtOyB9AA==
  `,
  'base64',
)

describe('the BTF of another compiler', () => {
  const reader = BtfReader.parse(BY_CLANG)!
  const frame = reader.find(Kind.struct, 'frame')!

  it('is read', () => {
    assert.equal(reader.count, 10)
    assert.equal(frame, 2)
    assert.equal(reader.find(Kind.function, 'f'), 10)
    assert.equal(reader.find(Kind.struct, 'f'), undefined)
    assert.equal(reader.find(Kind.function, 'fr'), undefined)
    assert.deepEqual([reader.nameOf(7), reader.kindOf(7)], ['unsigned int', Kind.int])
    assert.deepEqual(
      [reader.nameOf(0), reader.kindOf(0), reader.kindOf(11)],
      ['', Kind.void, Kind.void],
    )
  })

  it('says where members lie, also in what has no name, bit for bit', () => {
    const places = ['length', 'sum', 'b', 'start', 'all'].map((name) => {
      const { bitOffset, bitSize } = reader.member(frame, name)!
      return [name, bitOffset, bitSize]
    })
    assert.deepEqual(places, [
      ['length', 0, undefined],
      ['sum', 64 + 3, 2],
      ['b', 64 + 5, 3],
      ['start', 64 + 32, undefined],
      ['all', 64, undefined],
    ])
    assert.equal(reader.member(frame, 'su'), undefined)
    assert.equal(reader.member(10, 'sum'), undefined)
    assert.equal(reader.member(999, 'sum'), undefined)
  })

  it('is refused cut short', () => {
    for (let length = 0; length < BY_CLANG.length; length++) {
      assert.equal(BtfReader.parse(BY_CLANG.subarray(0, length)), undefined, `${length} bytes`)
    }
  })

  it('is no trap when it is garbled', () => {
    const change = fc.tuple(fc.nat(BY_CLANG.length - 1), fc.nat(255))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = Uint8Array.from(BY_CLANG)
        for (const [at, value] of changes) bytes[at] = value
        const garbled = BtfReader.parse(bytes)
        garbled?.find(Kind.struct, 'frame')
        for (let type = 0; type <= (garbled?.count ?? 0); type++) {
          garbled?.nameOf(type)
          garbled?.member(type, 'start')
        }
      }),
    )
  })

  it('ends somewhere, though a structure holds itself', () => {
    for (let at = 24; at < 24 + 240; at += 4) {
      const looped = Uint8Array.from(BY_CLANG)
      looped[at] = 2
      const reader = BtfReader.parse(looped)
      for (let type = 1; type <= 10; type++) reader?.member(type, 'absent')
    }
  })
})
