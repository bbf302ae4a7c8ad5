import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { notRoot } from '../../../tests/kernel/own-network.ts'
import { encode } from '../../bpf/encode.ts'
import * as i from '../../bpf/instruction.ts'
import { loadProgram, type ProgramType } from './program.ts'
import { ProgramBench } from './run.ts'
import { close } from '../ffi.ts'

const { r0, r1, r2, r3 } = i
const LOOPBACK = 1

/** A bench for a program, which ends with the test. */
function bench(context: TestContext, type: ProgramType, ...program: i.Instruction[]): ProgramBench {
  const { fd } = loadProgram({ type, name: 'bench', instructions: encode(program).bytes })
  context.after(() => close(fd))
  return new ProgramBench(fd, type)
}

/** Returns the u32 of the context at `offset`. */
const readContext = (offset: number) => [i.load(r0, i.u32(r1, offset)), i.exit()]

describe('a test run', { skip: notRoot }, () => {
  it('gives an XDP program the frame, and has it back', (context) => {
    const run = bench(
      context,
      'xdp',
      i.load(r2, i.u32(r1, 0)),
      i.load(r3, i.u32(r1, 4)),
      i.move(r0, r2),
      i.add(r0, 14),
      i.branch(r0, 'greater', r3, 'short'),
      i.load(r0, i.u8(r2, 13)),
      i.store(i.u8(r2, 13), 0xab),
      i.exit(),
      i.label('short'),
      i.move32(r0, 99),
      i.exit(),
    )
    for (const length of [14, 60, 1514, 3000]) {
      const frame = new Uint8Array(length)
      frame[13] = 42
      const { verdict, frame: after } = run.run(frame)
      frame[13] = 0xab
      assert.equal(verdict, 42)
      assert.deepEqual(after, frame)
    }
    assert.throws(() => run.run(new Uint8Array(13)), { call: 'run BPF program', code: 'EINVAL' })
    assert.throws(() => run.run(new Uint8Array(5000)), { name: 'AssertionError' })
  })

  it('gives longer frames back', (context) => {
    const ADJUST_HEAD = 44
    const program = [i.move(r2, -20), i.call(ADJUST_HEAD), i.exit()]
    const { verdict, frame } = bench(context, 'xdp', ...program).run(new Uint8Array(64).fill(1))
    assert.equal(verdict, 0)
    assert.equal(frame.length, 84)
    assert.deepEqual([...frame.subarray(20)], Array<number>(64).fill(1))
  })

  it('tells an XDP program where the frame came in', (context) => {
    const run = bench(context, 'xdp', ...readContext(12))
    assert.equal(run.run(new Uint8Array(64), { ingressIndex: LOOPBACK }).verdict, LOOPBACK)
    assert.equal(run.run(new Uint8Array(64)).verdict, LOOPBACK, 'what the kernel chooses')
  })

  it('tells a tc program what it is told', (context) => {
    const cases = [
      [8, { mark: 0xfffffff1 }, 0xfffffff1],
      [32, { priority: 5 }, 5],
      [36, { ingressIndex: 77 }, 77],
      [40, { interfaceIndex: LOOPBACK }, LOOPBACK],
      [164, { gsoSegments: 3, gsoSize: 900 }, 3],
      [176, { gsoSize: 1400 }, 1400],
      [0, {}, 64],
    ] as const
    for (const [offset, told, seen] of cases) {
      const run = bench(context, 'tc', ...readContext(offset))
      assert.equal(run.run(new Uint8Array(64), told).verdict, seen, `at ${offset}`)
      if (offset !== 0 && offset !== 40) assert.notEqual(run.run(new Uint8Array(64)).verdict, seen)
    }
  })

  it('says what became of the mark, and how long it took', (context) => {
    const run = bench(
      context,
      'tc',
      i.move32(r2, 7),
      i.store(i.u32(r1, 8), r2),
      i.move32(r0, 0),
      i.exit(),
    )
    const { mark, durationNs } = run.run(new Uint8Array(64), {}, 1000)
    assert.equal(mark, 7)
    assert.ok(durationNs < 1e6)
  })
})
