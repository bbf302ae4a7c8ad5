import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encode, EncodingError, type EncodeOptions } from './encode.ts'
import * as i from './instruction.ts'

const { r0, r1, r2, r6, r10 } = i

function hex(program: readonly i.Instruction[], options?: EncodeOptions): string {
  const text = Buffer.from(encode(program, options).bytes).toString('hex')
  return text.replaceAll(/(..)(..)(....)(........)/g, '$1 $2 $3 $4\n').trim()
}

/**
 * Bytes by `llvm-mc -triple bpfel -mcpu=v3 --show-encoding`, of the text beside them. Its version 14 reads but
 * does not write the atomic operations that fetch, and has no modulo: that one is by RFC 9669.
 */
const ASSEMBLED: readonly [i.Instruction, string, string][] = [
  [i.add(r1, 4), 'r1 += 4', '07 01 0000 04000000'],
  [i.subtract(r1, r2), 'r1 -= r2', '1f 21 0000 00000000'],
  [i.multiply(r1, -3), 'r1 *= -3', '27 01 0000 fdffffff'],
  [i.divide(r6, 10), 'r6 /= 10', '37 06 0000 0a000000'],
  [i.modulo32(r6, r2), 'w6 %= w2', '9c 26 0000 00000000'],
  [i.and(r1, -16), 'r1 &= -16', '57 01 0000 f0ffffff'],
  [i.or32(r1, 0xffff_0000), 'w1 |= -65536', '44 01 0000 0000ffff'],
  [i.xor(r0, r10), 'r0 ^= r10', 'af a0 0000 00000000'],
  [i.shl(r1, 63), 'r1 <<= 63', '67 01 0000 3f000000'],
  [i.shr32(r1, 31), 'w1 >>= 31', '74 01 0000 1f000000'],
  [i.sar(r1, r2), 'r1 s>>= r2', 'cf 21 0000 00000000'],
  [i.move(r1, r10), 'r1 = r10', 'bf a1 0000 00000000'],
  [i.move32(r0, -1), 'w0 = -1', 'b4 00 0000 ffffffff'],
  [i.negate(r2), 'r2 = -r2', '87 02 0000 00000000'],
  [i.negate(r2, 32), 'w2 = -w2', '84 02 0000 00000000'],
  [i.bigEndian(r1, 16), 'r1 = be16 r1', 'dc 01 0000 10000000'],
  [i.bigEndian(r1, 64), 'r1 = be64 r1', 'dc 01 0000 40000000'],
  [i.littleEndian(r6, 32), 'r6 = le32 r6', 'd4 06 0000 20000000'],
  [i.load(r2, i.u8(r1, -1)), 'r2 = *(u8 *)(r1 - 1)', '71 12 ffff 00000000'],
  [i.load(r2, i.u16(r1, 2)), 'r2 = *(u16 *)(r1 + 2)', '69 12 0200 00000000'],
  [i.load(r2, i.u32(r1, 32767)), 'r2 = *(u32 *)(r1 + 32767)', '61 12 ff7f 00000000'],
  [i.load(r0, i.u64(r10, -8)), 'r0 = *(u64 *)(r10 - 8)', '79 a0 f8ff 00000000'],
  [i.store(i.u8(r10, -1), r1), '*(u8 *)(r10 - 1) = r1', '73 1a ffff 00000000'],
  [i.store(i.u64(r10, -512), r1), '*(u64 *)(r10 - 512) = r1', '7b 1a 00fe 00000000'],
  [i.atomicAdd(i.u32(r1, 4), r2), 'lock *(u32 *)(r1 + 4) += r2', 'c3 21 0400 00000000'],
  [i.atomicAdd(i.u64(r1, 8), r2), 'lock *(u64 *)(r1 + 8) += r2', 'db 21 0800 00000000'],
  [
    i.fetchAdd(i.u64(r1, 8), r2),
    'r2 = atomic_fetch_add((u64 *)(r1 + 8), r2)',
    'db 21 0800 01000000',
  ],
  [
    i.atomic('or', i.u64(r1, 0), r2, true),
    'r2 = atomic_fetch_or((u64 *)(r1 + 0), r2)',
    'db 21 0000 41000000',
  ],
  [
    i.atomic('and', i.u32(r1, 0), r2, true),
    'w2 = atomic_fetch_and((u32 *)(r1 + 0), w2)',
    'c3 21 0000 51000000',
  ],
  [i.atomic('xor', i.u64(r1, 0), r2, false), 'lock *(u64 *)(r1 + 0) ^= r2', 'db 21 0000 a0000000'],
  [i.exchange(i.u32(r1, 0), r2), 'w2 = xchg32_32(r1 + 0, w2)', 'c3 21 0000 e1000000'],
  [i.compareExchange(i.u64(r1, 16), r2), 'r0 = cmpxchg_64(r1 + 16, r0, r2)', 'db 21 1000 f1000000'],
  [
    i.compareExchange(i.u32(r1, 16), r2),
    'w0 = cmpxchg32_32(r1 + 16, w0, w2)',
    'c3 21 1000 f1000000',
  ],
  [
    i.constant64(r1, 0x1234_5678_9abc),
    'r1 = 20015998343868 ll',
    '18 01 0000 bc9a7856\n00 00 0000 34120000',
  ],
  [i.constant64(r1, -2), 'r1 = -2 ll', '18 01 0000 feffffff\n00 00 0000 ffffffff'],
  [i.call(14), 'call 14', '85 00 0000 0e000000'],
  [i.exit(), 'exit', '95 00 0000 00000000'],
]

/** The same, of jumps to the instruction behind them. */
const BRANCHES: readonly [i.Instruction, string, string][] = [
  [i.branch(r1, 'equal', 0, 0), 'if r1 == 0 goto +0', '15 01 0000 00000000'],
  [i.branch(r1, 'unequal', r2, 0), 'if r1 != r2 goto +0', '5d 21 0000 00000000'],
  [i.branch(r1, 'less', 5, 0), 'if r1 < 5 goto +0', 'a5 01 0000 05000000'],
  [i.branch(r1, 'lessOrEqual', r2, 0), 'if r1 <= r2 goto +0', 'bd 21 0000 00000000'],
  [i.branch(r1, 'greater', -1, 0), 'if r1 > -1 goto +0', '25 01 0000 ffffffff'],
  [i.branch32(r1, 'greaterOrEqual', 7, 0), 'if w1 >= 7 goto +0', '36 01 0000 07000000'],
  [i.branch(r1, 'signedLess', 5, 0), 'if r1 s< 5 goto +0', 'c5 01 0000 05000000'],
  [i.branch32(r1, 'signedLessOrEqual', r2, 0), 'if w1 s<= w2 goto +0', 'de 21 0000 00000000'],
  [i.branch(r1, 'signedGreater', r2, 0), 'if r1 s> r2 goto +0', '6d 21 0000 00000000'],
  [i.branch32(r1, 'signedGreaterOrEqual', -1, 0), 'if w1 s>= -1 goto +0', '76 01 0000 ffffffff'],
  [i.jump(0), 'goto +0', '05 00 0000 00000000'],
]

describe('encode', () => {
  for (const [instruction, text, bytes] of BRANCHES) {
    it(`says ${text}`, () => {
      assert.equal(hex([instruction, i.exit()]), `${bytes}\n95 00 0000 00000000`)
    })
  }

  for (const [instruction, text, bytes] of ASSEMBLED) {
    it(`says ${text}`, () => assert.equal(hex([instruction]), bytes))
  }

  it('says what llvm has no words for', () => {
    const cases: [i.Instruction, string][] = [
      [i.mapPointer(r1, 'fd', 7), '18 11 0000 07000000\n00 00 0000 00000000'],
      [i.mapPointer(r1, 'index', 2), '18 51 0000 02000000\n00 00 0000 00000000'],
      [i.mapValue(r6, 'fd', 7, 24), '18 26 0000 07000000\n00 00 0000 18000000'],
      [i.mapValue(r6, 'index', 1, 0x8000_0000), '18 66 0000 01000000\n00 00 0000 00000080'],
      [i.callKernel(0x1234), '85 20 0000 34120000'],
      [
        { kind: 'raw', opcode: 0xff, dst: 15, src: 14, offset: -1, immediate: -2 },
        'ff ef ffff feffffff',
      ],
    ]
    for (const [instruction, bytes] of cases) assert.equal(hex([instruction]), bytes)
  })

  it('counts distances in slots, from the next instruction', () => {
    const program = [
      i.label('again'),
      i.branch(r1, 'equal', 0, 'out'),
      i.constant64(r2, 5),
      i.mayGoto('out'),
      i.jump('again'),
      i.functionPointer(r2, 'function'),
      i.callFunction('function'),
      i.label('out'),
      i.exit(),
      i.label('function'),
      i.exit(),
    ]
    assert.equal(
      hex(program),
      [
        '15 01 0700 00000000',
        '18 02 0000 05000000',
        '00 00 0000 00000000',
        'e5 00 0400 00000000',
        '05 00 fbff 00000000',
        '18 42 0000 03000000',
        '00 00 0000 00000000',
        '85 10 0000 01000000',
        '95 00 0000 00000000',
        '95 00 0000 00000000',
      ].join('\n'),
    )
    assert.deepEqual([...encode(program).slots], [0, 0, 1, 3, 4, 5, 7, 8, 8, 9, 9])
  })

  it('takes distances as well as labels', () => {
    assert.equal(
      hex([i.jump(0), i.jump(-2), i.exit()]),
      hexOf('05 00 0000', '05 00 feff', '95 00 0000'),
    )
  })

  const hexOf = (...lines: string[]) => lines.map((line) => `${line} 00000000`).join('\n')

  it('jumps farther than 16 bits only if it may', () => {
    const program = [
      i.jump('out'),
      ...Array<i.Instruction>(32768).fill(i.move(r0, 0)),
      i.label('out'),
      i.exit(),
    ]
    assert.throws(() => encode(program), {
      name: 'EncodingError',
      message:
        'instruction 0: a jump over 32768 slots: 16 bits cannot say it, and only kernel 6.6 can jump farther',
    })
    assert.match(hex(program, { longJumps: true }), /^06 00 0000 00800000\n/)
    assert.match(hex(program.toSpliced(1, 1), { longJumps: true }), /^05 00 ff7f 00000000\n/)
  })

  const REFUSED: readonly [string, readonly i.Instruction[], string][] = [
    ['a label twice', [i.label('a'), i.label('a'), i.exit()], "instruction 1: a second label 'a'"],
    ['a label that is not there', [i.jump('b')], "instruction 0: there is no label 'b'"],
    [
      'a way out of the program',
      [i.exit(), i.jump('end'), i.label('end')],
      "instruction 1: to 'end' there is no instruction",
    ],
    [
      'a jump before the program',
      [i.jump(-2), i.exit()],
      'instruction 0: -2 slots on there is no instruction',
    ],
    [
      'a jump into a constant',
      [i.jump(1), i.constant64(r1, 1), i.exit()],
      'instruction 0: 1 slots on there is no instruction',
    ],
    [
      'a far offset',
      [i.load(r1, i.u8(r1, 32768))],
      'instruction 0: the offset 32768: not of 16 bits',
    ],
    ['a fraction', [i.store(i.u8(r10, -1.5), 0)], 'instruction 0: the offset -1.5: not of 16 bits'],
    [
      'a wide immediate',
      [i.add(r1, 0x8000_0000)],
      'instruction 0: the immediate 2147483648: not from -2147483648 to 2147483647',
    ],
    [
      'an immediate past 32 bits',
      [i.add32(r1, 2 ** 32)],
      'instruction 0: the immediate 4294967296: not from -2147483648 to 4294967295',
    ],
    [
      'a wide byte',
      [i.store(i.u8(r10, -1), 256)],
      'instruction 0: the immediate 256: not from -128 to 255',
    ],
    [
      'a wide comparison',
      [i.branch(r1, 'less', 2 ** 31, 0), i.exit()],
      'instruction 0: the immediate 2147483648: not from -2147483648 to 2147483647',
    ],
    [
      'no number',
      [i.move(r1, Number.NaN)],
      'instruction 0: the immediate NaN: not from -2147483648 to 2147483647',
    ],
    ['a wide shift', [i.shl32(r1, 32)], 'instruction 0: a shift of 32 bits by 32'],
    ['a division by nothing', [i.modulo(r1, 0)], 'instruction 0: a division by 0'],
    [
      'a small atomic',
      [i.atomicAdd(i.u16(r1, 0), r2)],
      'instruction 0: an atomic operation on 2 bytes: only on 4 or 8',
    ],
    [
      'an exchange without return',
      [i.atomic('exchange', i.u64(r1, 0), r2, false)],
      'instruction 0: exchange always fetches',
    ],
    ['a write to the frame pointer', [i.move(r10, 0)], 'instruction 0: r10 is only read'],
    [
      'a constant too large',
      [{ kind: 'constant64', dst: r1, value: 1n << 64n }],
      'instruction 0: the constant 18446744073709551616: not of 64 bits',
    ],
    [
      'a negative descriptor',
      [i.mapPointer(r1, 'fd', -1)],
      'instruction 0: -1 is the number of no map',
    ],
    [
      'an offset past a map',
      [i.mapValue(r1, 'fd', 1, 2 ** 32)],
      "instruction 0: offset 4294967296 in a map's value",
    ],
  ]
  for (const [why, program, message] of REFUSED) {
    it(`refuses ${why}`, () => {
      assert.throws(() => encode(program), { name: 'EncodingError', message })
    })
  }

  it('names the instruction it refuses', () => {
    assert.throws(
      () => encode([i.exit(), i.jump('nowhere')]),
      (error) => error instanceof EncodingError && error.at === 1,
    )
  })
})
