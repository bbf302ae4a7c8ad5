import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { notRoot } from '../../../tests/kernel/own-network.ts'
import { ARTEFACT_FORMAT, type Artefact } from '../../bpf/artefact.ts'
import { describeProgram, type LineAt } from '../../bpf/debug-lines.ts'
import { encode } from '../../bpf/encode.ts'
import * as bpf from '../../bpf/instruction.ts'
import { AREA, CompiledProgramRefusal, createMaps, loadArtefact } from './artefact.ts'
import { mapMemory, possibleCpus } from './map.ts'
import { ProgramBench } from './run.ts'
import { close } from '../ffi.ts'

const { r0, r1, r2 } = bpf
const HERTZ = 250

/** An artefact of these instructions over an area of 64 bytes a CPU, and a map `rows` of 8 bytes a row. */
function artefactOf(
  program: readonly bpf.Instruction[],
  patches: readonly (readonly [number, string])[],
): Artefact {
  const { bytes, slots } = encode(program)
  const lines = program.map((_, i): LineAt => {
    return { slot: slots[i]!, file: 'src/some.ts', line: i + 1, column: 3, text: `  line ${i + 1}` }
  })
  const debug = describeProgram([{ slot: 0, name: 'some' }], lines)
  const base64 = (part: Uint8Array) => Buffer.from(part).toString('base64')
  return {
    format: ARTEFACT_FORMAT,
    name: 'some',
    attachment: 'xdp',
    instructions: base64(bytes),
    maps: [
      { name: AREA, rowBytes: 64 },
      { name: 'rows', rowBytes: 8 },
    ],
    leastRows: { rows: 2 },
    patches: patches.map(([at, symbol]) => [slots[at]!, symbol]),
    debug: {
      btf: base64(debug.btf),
      functions: base64(debug.functions),
      lines: base64(debug.lines),
    },
    texts: ['src/some.ts', ...lines.map(({ text }) => text)],
    places: lines.map(({ slot, line, column }, i) => [slot, 0, line, column, i + 1]),
  }
}

function load(context: TestContext, artefact: Artefact, rows: number) {
  const maps = createMaps(artefact, new Map([['rows', rows]]))
  context.after(() => {
    for (const { fd } of maps.values()) close(fd)
  })
  const { fd } = loadArtefact(artefact, maps, HERTZ)
  context.after(() => close(fd))
  return { maps, bench: new ProgramBench(fd, 'xdp') }
}

describe('a compiled program', { skip: notRoot }, () => {
  it('finds the numbers of this place in its instructions', (context) => {
    const symbols = ['cpus', 'capacity rows', 'clockMultiplier', 'clockShift']
    const wanted = [possibleCpus(), 77, 2 ** 19, 20]
    for (const [i, symbol] of symbols.entries()) {
      const artefact = artefactOf([bpf.move32(r0, 1), bpf.exit()], [[0, symbol]])
      const { bench } = load(context, artefact, 77)
      assert.equal(bench.run(new Uint8Array(64)).verdict, wanted[i], symbol)
    }
  })

  it('shares its maps with this process', (context) => {
    const artefact = artefactOf(
      [
        bpf.mapValue(r1, 'index', 1, 8),
        bpf.load(r0, bpf.u32(r1, 0)),
        bpf.move32(r2, 5),
        bpf.store(bpf.u32(r1, 4), r2),
        bpf.exit(),
      ],
      [],
    )
    const { bench, maps } = load(context, artefact, 2)
    const { buffer, unmap } = mapMemory(maps.get('rows')!.fd, { valueSize: 16, entries: 1 })
    const view = new DataView(buffer)
    view.setUint32(8, 99, true)
    assert.equal(bench.run(new Uint8Array(64)).verdict, 99)
    assert.equal(view.getUint32(12, true), 5)
    unmap()
  })

  it('is refused at its source line', (context) => {
    const bad = artefactOf([bpf.move32(r0, 1), bpf.load(r0, bpf.u32(r0, 0)), bpf.exit()], [])
    const error = assertThrows(() => load(context, bad, 2))
    assert.ok(error instanceof CompiledProgramRefusal)
    const [first, ...rest] = error.message.split('\n')
    assert.match(first!, /^src\/some\.ts:2:3: error: the kernel's verifier: R0 invalid mem access/)
    assert.deepEqual(rest.slice(0, 2), ['  2 |   line 2', '    |   ^'])
  })

  it('wants the rows it takes for granted', (context) => {
    const artefact = artefactOf([bpf.move32(r0, 1), bpf.exit()], [])
    assert.throws(() => load(context, artefact, 1), { message: 'map rows has 2 rows at least' })
  })
})

function assertThrows(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new assert.AssertionError({ message: 'it should have thrown' })
}
