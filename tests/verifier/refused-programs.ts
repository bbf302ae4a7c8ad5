/**
 * Programs that the verifier refuses, each for another reason, with the source they might come from; and where the
 * reader of its log must point. What kernels said of them is in logs-*.txt beside this file.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FunctionAt, LineAt } from '../../src/bpf/debug-lines.ts'
import * as i from '../../src/bpf/instruction.ts'

const { r0, r1, r2, r3, r4, r6, r7, r10 } = i

export interface RefusedProgram {
  readonly name: string
  readonly program: readonly i.Instruction[]
  readonly lines: readonly LineAt[]
  readonly functions: readonly FunctionAt[]
  /** What the verifier says, whatever the kernel. */
  readonly sentence: RegExp
  readonly slot: number | undefined
  /** Of `lines`, the one it is about. */
  readonly line: number | undefined
}

/** Slot, line and text of each source line. */
type Lines = readonly (readonly [number, number, string])[]

function refused(
  name: string,
  program: readonly i.Instruction[],
  lines: Lines,
  sentence: RegExp,
  slot?: number,
  line?: number,
  file = 'src/dataplane/main.ts',
): RefusedProgram {
  return {
    name,
    program,
    lines: lines.map(([at, number, text]) => ({ slot: at, file, line: number, column: 3, text })),
    functions: [{ slot: 0, name: 'receive' }],
    sentence,
    slot,
    line,
  }
}

const readPacket = [i.move(r6, r1), i.load(r2, i.u32(r6, 0)), i.load(r3, i.u32(r6, 4))]
const return1 = [i.move32(r0, 1), i.exit()]

export const REFUSED_PROGRAMS: readonly RefusedProgram[] = [
  refused(
    'packet-bounds',
    [...readPacket, i.load(r0, i.u8(r2, 13)), i.exit()],
    [
      [0, 12, 'export function receive(packet: Packet): u32 {'],
      [1, 13, 'const ethernet = packet.at(Ethernet, 0)'],
      [3, 14, 'if (ethernet.type !== IPV4) return PASS'],
    ],
    /^invalid access to packet, off=13 size=1, R2\(.*\); R2 offset is outside of the packet$/,
    3,
    14,
  ),
  refused(
    'unread-register',
    [
      i.move32(r0, 1),
      i.branch(r0, 'equal', 1, 'a'),
      i.move32(r7, 3),
      i.label('a'),
      i.move(r0, r7),
      i.exit(),
    ],
    [
      [0, 20, 'let best: u32'],
      [3, 22, 'return best'],
    ],
    /^R7 !read_ok$/,
    3,
    22,
  ),
  refused(
    'scalar-pointer',
    [i.load(r2, i.u32(r1, 16)), i.load(r0, i.u32(r2, 0)), i.exit()],
    [
      [0, 30, 'const queue = 5'],
      [1, 31, 'return row.weight'],
    ],
    /^R2 invalid mem access '(scalar|inv)'$/,
    1,
    31,
  ),
  refused(
    'unreachable',
    [i.move32(r0, 0), i.exit(), ...return1],
    [
      [0, 40, 'return PASS'],
      [2, 41, 'return DROP'],
    ],
    /^unreachable insn 2$/,
    2,
    41,
  ),
  refused(
    'endless',
    [i.move32(r0, 0), i.label('a'), i.branch(r1, 'unequal', 0, 'a'), i.exit()],
    [
      [0, 60, 'let x = 0'],
      [1, 61, 'while (true) {}'],
    ],
    /^infinite loop detected at insn 1$/,
    1,
    61,
  ),
  refused(
    'stack',
    [i.store(i.u64(r10, -520), 0), ...return1],
    [[0, 70, 'const scratch = Scratch.local()']],
    /^invalid write to stack R10 off=-520 size=8$/,
    0,
    70,
  ),
  {
    ...refused(
      'subprogram',
      [
        i.callFunction('f'),
        i.exit(),
        i.label('f'),
        i.move32(r2, 0),
        i.load(r0, i.u32(r2, 4)),
        i.exit(),
      ],
      [
        [0, 80, 'return pick()'],
        [2, 9, 'const none = null'],
        [3, 10, 'return none.row'],
      ],
      /^R2 invalid mem access '(scalar|inv)'$/,
      3,
      10,
      'src/dataplane/schedule.ts',
    ),
    functions: [
      { slot: 0, name: 'receive' },
      { slot: 2, name: 'pick' },
    ],
  },
  refused('falls-out', [i.move32(r0, 0)], [[0, 90, 'x = 0']], /^last insn is not an exit or jmp$/),
  refused(
    'variable-bounds',
    [
      ...readPacket,
      i.load(r4, i.u32(r6, 16)),
      i.add(r2, r4),
      i.move(r0, r2),
      i.add(r0, 4),
      i.branch(r0, 'greater', r3, 'out'),
      i.load(r0, i.u32(r2, 0)),
      i.exit(),
      i.label('out'),
      ...return1,
    ],
    [
      [0, 100, 'const offset = u32(packet.queue)'],
      [4, 101, 'const tcp = packet.at(Tcp, offset)'],
      [8, 102, 'return tcp.ports'],
    ],
    /^invalid access to packet, off=0 size=4, R2\(.*\); R2 offset is outside of the packet$/,
    8,
    102,
  ),
  refused(
    'unknown-helper',
    [i.call(9999), i.exit()],
    [[0, 110, 'return fib()']],
    /^invalid func unknown#9999$/,
    0,
    110,
  ),
]

/** A million steps: the log is larger than there is room for. */
export const TOO_COMPLEX: RefusedProgram = refused(
  'too-complex',
  [i.move32(r7, 0), i.label('a'), i.add(r7, 1), i.branch(r7, 'less', 2_000_000, 'a'), ...return1],
  [
    [0, 50, 'let i: u32 = 0'],
    [1, 51, 'for (; i < STEPS_MAX; i++) {'],
  ],
  /^BPF program is too large. Processed 1000001 insn$/,
)

/** What each kernel's verifier said, by its version and the program's name. */
export function recordedLogs(kernel: string): ReadonlyMap<string, string> {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'tests/verifier/logs-6.1.txt'))) folder = dirname(folder)
  const text = readFileSync(join(folder, `tests/verifier/logs-${kernel}.txt`), 'utf8')
  const stanzas = text.split(/^=== /m).slice(1)
  return new Map(
    stanzas.map((stanza) => {
      const end = stanza.indexOf('\n')
      return [stanza.slice(0, end), stanza.slice(end + 1)]
    }),
  )
}
