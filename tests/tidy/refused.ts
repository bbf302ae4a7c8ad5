/**
 * Small trees for tests/tidy.test.ts: one that every rule accepts, and changes to it that exactly one refuses.
 */
export interface Refused {
  /** Name of the rule that must speak, alone. */
  readonly rule: string
  /** 'refuse …' */
  readonly why: string
  /** Added to TIDY, or instead of its files. */
  readonly files: Readonly<Record<string, string>>
  readonly complaint: string
}

const TEST = "import { test } from 'node:test'\ntest('x', () => {})\n"

export const TIDY: Readonly<Record<string, string>> = {
  'README.md': '# A project\n',
  'src/base/README.md': '# base\n',
  'src/base/ip.ts':
    "/** Addresses. */\nimport { isIP } from 'node:net'\nexport const isIp = isIP\n",
  'src/base/ip.test.ts': TEST,
  'src/wire/udp.ts': "/** UDP. */\nimport { isIp } from '../base/ip.ts'\nexport const a = isIp\n",
  'src/wire/udp.root.test.ts': `const isRoot = process.getuid() === 0\n${TEST}`,
  'src/dataplane/flow.ts': `/** What is known. */
import { a } from '../wire/udp.ts'
const flowAt = Flow.cursor()
export function readFlow() {
  const flow = flowAt.at(0)
  if (flow === null) return a
}
`,
  'src/kernel/ffi.ts': "/** System calls. */\nimport koffi from 'koffi'\nexport const c = koffi\n",
  'src/kernel/ffi.test.ts': TEST,
  'src/cli/sluice.ts': `/** The command. */
import type { D } from '../daemon/daemon.ts'
export const run = async (): Promise<D> => (await import('../daemon/daemon.ts')).d
// TODO(#7): more commands
`,
  'src/daemon/daemon.ts':
    '/** The daemon. */\nexport type D = number\nexport const d: D = Date.now()\n',
}

function lines(count: number, line: string): string {
  return `${line}\n`.repeat(count)
}

/** A cursor and what is done with it, in a file of the packet path. */
function packetPath(body: string): Record<string, string> {
  return { 'src/dataplane/more.ts': `/** More. */\n${body}` }
}

export const REFUSED: readonly Refused[] = [
  {
    rule: 'fileSize',
    why: 'a file of 501 lines',
    files: { 'tests/long.ts': `/** Long. */\n${lines(500, '//')}` },
    complaint: 'tests/long.ts:1: 501 lines, the wall is 500: what are the two files in it?',
  },
  {
    rule: 'functionSize',
    why: 'a function of 71 lines',
    files: { 'src/daemon/a.ts': `/** A. */\nexport function turn() {\n${lines(69, '  //')}}\n` },
    complaint: 'src/daemon/a.ts:2: turn has 71 lines, the wall is 70',
  },
  {
    rule: 'functionSize',
    why: 'a long arrow function in a test that is no test body',
    files: {
      'src/daemon/a.test.ts': `describe('a', () => {\nconst f = () => {\n${lines(70, '  //')}}\n})\n`,
    },
    complaint: 'src/daemon/a.test.ts:2: f has 72 lines, the wall is 70',
  },
  {
    rule: 'lineLength',
    why: 'a comment that runs off the screen',
    files: { 'src/daemon/a.ts': `/** ${'x'.repeat(118)} */\n` },
    complaint: 'src/daemon/a.ts:1: 125 columns, the wall is 120',
  },
  {
    rule: 'fileNames',
    why: 'a file called utils',
    files: { 'src/daemon/utils.ts': '/** A. */\n' },
    complaint: "src/daemon/utils.ts:1: 'utils' says nothing: name what it holds",
  },
  {
    rule: 'fileNames',
    why: 'a barrel',
    files: { 'src/daemon/index.ts': '/** A. */\n' },
    complaint: "src/daemon/index.ts:1: 'index' says nothing: name what it holds",
  },
  {
    rule: 'fileNames',
    why: 'a file name in camel case',
    files: { 'src/daemon/controlServer.ts': '/** A. */\n' },
    complaint: 'src/daemon/controlServer.ts:1: file names are kebab-case',
  },
  {
    rule: 'functionNames',
    why: 'a function that handles',
    files: { 'src/daemon/a.ts': '/** A. */\nexport function handlePacket() {}\n' },
    complaint: 'src/daemon/a.ts:2: handlePacket does not say what it does: find its verb',
  },
  {
    rule: 'functionNames',
    why: 'a private method that processes',
    files: { 'src/daemon/a.ts': '/** A. */\nclass A {\n  #process() {}\n}\n' },
    complaint: 'src/daemon/a.ts:3: #process does not say what it does: find its verb',
  },
  {
    rule: 'functionNames',
    why: 'an arrow function that does',
    files: { 'src/daemon/a.ts': '/** A. */\nconst doIt = () => 1\n' },
    complaint: 'src/daemon/a.ts:2: doIt does not say what it does: find its verb',
  },
  {
    rule: 'headComments',
    why: 'a file that does not say what it is',
    files: { 'src/daemon/a.ts': 'export const a = 1\n' },
    complaint: 'src/daemon/a.ts:1: no head comment: what is this file?',
  },
  {
    rule: 'roomReadmes',
    why: 'a README of 31 lines in a room',
    files: { 'src/base/README.md': lines(31, 'word') },
    complaint: "src/base/README.md:1: 31 lines; a room's README has at most 30",
  },
  {
    rule: 'machineNames',
    why: 'a path of the machine it was written on',
    files: { 'docs/guide.md': `See ${['', 'work', 'notes.md'].join('/')}.\n` },
    complaint: 'docs/guide.md:1: names a path of some machine',
  },
  {
    rule: 'machineNames',
    why: 'the host that packages came from',
    files: { 'package-lock.json': `\n"resolved": "https:${'//'}registry.example.org/x.tgz"\n` },
    complaint: 'package-lock.json:2: names a package registry',
  },
  {
    rule: 'unfinished',
    why: 'something to do that has no issue',
    files: { 'src/daemon/a.ts': '/** A. */\n// FIXME: wrong\n' },
    complaint: 'src/daemon/a.ts:2: FIXME without an issue: write FIXME(#12), or do it',
  },
  {
    rule: 'testsBeside',
    why: 'a header without a test',
    files: { 'src/wire/gre.ts': '/** GRE. */\n' },
    complaint: 'src/wire/gre.ts:1: no test beside it',
  },
  {
    rule: 'testsBeside',
    why: 'a scheduler without a test',
    files: { 'src/dataplane/schedulers/rr.ts': '/** rr. */\n' },
    complaint: 'src/dataplane/schedulers/rr.ts:1: no test beside it',
  },
  {
    rule: 'rootTests',
    why: 'a test that needs root and does not say so in its name',
    files: { 'src/wire/gre.test.ts': `\nconst isRoot = process.getuid?.() === 0\n${TEST}` },
    complaint:
      'src/wire/gre.test.ts:2: a test that needs root is named x.root.test.ts (tools/run-tests.mjs)',
  },
  {
    rule: 'cursors',
    why: 'a cursor pointed at two places',
    files: packetPath(
      'const rowAt = t.cursor()\nfunction a() {\n  rowAt.at(1)\n  rowAt.at(2)\n}\n',
    ),
    complaint: 'src/dataplane/more.ts:2: rowAt is pointed at 2 places, not one',
  },
  {
    rule: 'cursors',
    why: 'a cursor that nobody uses',
    files: packetPath('const rowAt = t.cursor()\n'),
    complaint: 'src/dataplane/more.ts:2: rowAt is pointed at 0 places, not one',
  },
  {
    rule: 'cursors',
    why: 'a cursor made for each packet',
    files: packetPath('function a() {\n  const rowAt = t.cursor()\n  rowAt.at(1)\n}\n'),
    complaint: 'src/dataplane/more.ts:3: a cursor belongs to the top level',
  },
  {
    rule: 'cursors',
    why: 'a view that is returned',
    files: packetPath('const rowAt = t.cursor()\nfunction a() {\n  return rowAt.at(1)\n}\n'),
    complaint: 'src/dataplane/more.ts:4: returns a view; the next call moves it',
  },
  {
    rule: 'cursors',
    why: 'a cursor without a name',
    files: packetPath('const both = [t.cursor()]\n'),
    complaint: 'src/dataplane/more.ts:2: a cursor needs a name of its own',
  },
  {
    rule: 'rooms',
    why: 'an import that goes up',
    files: { 'src/dataplane/a.ts': "/** A. */\nimport { c } from '../kernel/ffi.ts'\n" },
    complaint: 'src/dataplane/a.ts:2: dataplane may not import from kernel',
  },
  {
    rule: 'rooms',
    why: 'an import of a type that goes up',
    files: { 'src/dataplane/a.ts': "/** A. */\nimport type { D } from '../daemon/daemon.ts'\n" },
    complaint: 'src/dataplane/a.ts:2: dataplane may not import from daemon',
  },
  {
    rule: 'rooms',
    why: 'an export of something from above',
    files: { 'src/dataplane/a.ts': "/** A. */\nexport * from '../kernel/ffi.ts'\n" },
    complaint: 'src/dataplane/a.ts:2: dataplane may not import from kernel',
  },
  {
    rule: 'rooms',
    why: 'a value where only types may pass',
    files: {
      'src/director/model.ts': '/** Model. */\nexport const m = 1\n',
      'src/control/a.ts': "/** A. */\nimport { type X, m } from '../director/model.ts'\n",
    },
    complaint: 'src/control/a.ts:2: control may import only types from director',
  },
  {
    rule: 'rooms',
    why: 'an import at start-up where a command needs the room only sometimes',
    files: { 'src/cli/a.ts': "/** A. */\nimport { d } from '../daemon/daemon.ts'\n" },
    complaint: 'src/cli/a.ts:2: cli may import daemon only lazily, with import()',
  },
  {
    rule: 'rooms',
    why: 'a room that nobody planned',
    files: { 'src/attic/a.ts': '/** A. */\n' },
    complaint: 'src/attic/a.ts:1: room attic is not in tests/tidy/rooms.ts',
  },
  {
    rule: 'rooms',
    why: 'a file that stands in the street',
    files: { 'src/a.ts': '/** A. */\n' },
    complaint: 'src/a.ts:1: stands in no room',
  },
  {
    rule: 'rooms',
    why: 'an import from outside the house',
    files: { 'src/daemon/a.ts': "/** A. */\nimport '../../tests/tidy/rooms.ts'\n" },
    complaint: 'src/daemon/a.ts:2: imports ../../tests/tidy/rooms.ts, which is outside src/',
  },
  {
    rule: 'rooms',
    why: 'an import of a test',
    files: { 'src/daemon/a.ts': "/** A. */\nimport '../base/ip.test.ts'\n" },
    complaint: 'src/daemon/a.ts:2: imports a test',
  },
  {
    rule: 'cycles',
    why: 'two files that import each other',
    files: {
      'src/daemon/a.ts': "/** A. */\nimport { b } from './b.ts'\n",
      'src/daemon/b.ts': "/** B. */\nimport { a } from './a.ts'\n",
    },
    complaint: 'src/daemon/a.ts:1: src/daemon/a.ts → src/daemon/b.ts → src/daemon/a.ts',
  },
  {
    rule: 'packages',
    why: 'koffi in a second file',
    files: {
      'src/kernel/bpf.ts': "/** BPF. */\nimport koffi from 'koffi'\n",
      'src/kernel/bpf.test.ts': TEST,
    },
    complaint: 'src/kernel/bpf.ts:2: koffi may be imported only in src/kernel/ffi.ts',
  },
  {
    rule: 'packages',
    why: 'a parser in a second file',
    files: {
      'src/compiler/language/check.ts': "/** Check. */\nimport type ts from 'typescript'\n",
    },
    complaint:
      'src/compiler/language/check.ts:2: typescript may be imported only in src/compiler/language/parse.ts',
  },
  {
    rule: 'packages',
    why: 'a package that nobody knows',
    files: { 'src/daemon/a.ts': "/** A. */\nimport { x } from '@some/thing/part'\n" },
    complaint: 'src/daemon/a.ts:2: package @some/thing is not in tests/tidy/rooms.ts',
  },
  {
    rule: 'purity',
    why: 'a clock below the fourth floor',
    files: { 'src/director/a.ts': '/** A. */\nexport const a = Date.now()\n' },
    complaint: 'src/director/a.ts:2: a pure room calls Date.now',
  },
  {
    rule: 'purity',
    why: 'a socket below the fourth floor',
    files: { 'src/director/a.ts': "/** A. */\nimport { connect, isIP } from 'node:net'\n" },
    complaint: 'src/director/a.ts:2: a pure room imports node:net',
  },
]
