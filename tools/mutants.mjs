// Changes the compiler in one small place after the other, and looks whether its own tests notice:
// `node tools/mutants.mjs`.
//
//   --sample N    so many, chosen by --seed S; without it all there are
//   --file WORD   only of files of src/compiler/ whose name contains WORD
//   --jobs N      so many at the same time
//   --list        only say what would be changed
//
// A mutant is killed by a test that fails or takes too long. Survivors are printed, and the exit status says whether
// there are any. Works on a copy in a temporary folder, of dist/ as it is built; as root the kernel takes part.
import { spawn } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import ts from 'typescript'
import { ROOT } from './prepare.mjs'

const FOLDER = 'src/compiler'
/** What is said to people, and what only hands on; mutants there are no bugs of programs. */
const LEFT_OUT = [
  'dump.ts',
  'ir-print.ts',
  'programs.ts',
  'artefact.ts',
  'source-text.ts',
  'tree.ts',
  'ir.ts',
]
/** Cheap ones first. */
const TESTS = [
  'tests/subset.test',
  'tests/compiler/refused.test',
  'tests/compiler/features.test',
  'tests/compiler/goldens.test',
  'tests/compiler/random-programs.fuzz.test',
]
const ROOT_TESTS = [
  'tests/compiler/features.root.test',
  'tests/compiler/random-programs.root.test',
  'tests/compiler/packet-path.root.test',
]
/** Enough for a mutant to show itself. */
const ENVIRONMENT = { FUZZ_PROGRAMS: '16', FUZZ_KERNEL: '400' }
const TIMEOUT_MS = 180_000

const { values: options } = parseArgs({
  options: {
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    file: { type: 'string', default: '' },
    jobs: { type: 'string', default: '1' },
    list: { type: 'boolean', default: false },
  },
})

const SWAPPED = {
  '===': '!==',
  '!==': '===',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '&&': '||',
  '||': '&&',
  '+': '-',
  '-': '+',
  '*': '+',
}

/** Every change of one file: from, to and what stands there instead. */
function mutantsOf(name, text) {
  const file = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true)
  const found = []
  const change = (node, instead, what) => {
    const [start, end] = [node.getStart(file), node.getEnd()]
    const line = file.getLineAndCharacterOfPosition(start).line + 1
    found.push({ name, line, start, end, instead, what })
  }
  const visit = (node) => {
    if (ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isTypeNode(node))
      return
    if (ts.isBinaryExpression(node)) {
      const token = node.operatorToken.getText(file)
      const instead = SWAPPED[token]
      if (instead !== undefined) change(node.operatorToken, instead, `${token} → ${instead}`)
    }
    if (ts.isIfStatement(node) || ts.isConditionalExpression(node)) {
      const condition = node.expression ?? node.condition
      change(condition, `!(${condition.getText(file)})`, 'condition negated')
    }
    if (ts.isNumericLiteral(node)) {
      const value = Number(node.text)
      for (const other of [value + 1, value - 1])
        change(node, `(${other})`, `${node.text} → ${other}`)
    }
    if (node.kind === ts.SyntaxKind.TrueKeyword) change(node, 'false', 'true → false')
    if (node.kind === ts.SyntaxKind.FalseKeyword) change(node, 'true', 'false → true')
    if (ts.isExpressionStatement(node) || ts.isContinueStatement(node)) {
      change(node, ';', `dropped: ${node.getText(file).split('\n')[0].slice(0, 60)}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

function allMutants() {
  const names = readdirSync(join(ROOT, FOLDER)).filter(
    (name) =>
      name.endsWith('.ts') &&
      !name.endsWith('.test.ts') &&
      !LEFT_OUT.includes(name) &&
      name.includes(options.file),
  )
  return names.flatMap((name) => mutantsOf(name, readFileSync(join(ROOT, FOLDER, name), 'utf8')))
}

/** A steady choice. */
function choose(mutants) {
  if (options.sample === undefined) return mutants
  let state = Number(options.seed)
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  const left = [...mutants]
  const chosen = []
  while (chosen.length < Number(options.sample) && left.length > 0) {
    chosen.push(...left.splice(Math.floor(next() * left.length), 1))
  }
  return chosen
}

/** A repository of its own, as built. */
function makeCopy() {
  const root = mkdtempSync(join(tmpdir(), 'sluice-mutants-'))
  for (const folder of ['src', 'tests', 'dist'])
    cpSync(join(ROOT, folder), join(root, folder), { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(root, 'package.json'))
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  mkdirSync(join(root, 'tmp'))
  return root
}

/** Puts text in the place of a module, compiled. */
function write(root, name, text) {
  const { outputText } = ts.transpileModule(text, {
    fileName: name,
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      rewriteRelativeImportExtensions: true,
    },
  })
  writeFileSync(join(root, 'dist', FOLDER, name.replace(/\.ts$/, '.js')), outputText)
}

function passes(root, test) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, 'dist', `${test}.js`)], {
      cwd: root,
      env: { ...process.env, ...ENVIRONMENT, TMPDIR: join(root, 'tmp') },
      stdio: 'ignore',
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    child.on('close', (status) => resolve(status === 0))
  })
}

/** The test that notices; undefined: none. */
async function killerOf(root, { name, start, end, instead }) {
  const text = readFileSync(join(ROOT, FOLDER, name), 'utf8')
  write(root, name, text.slice(0, start) + instead + text.slice(end))
  try {
    const tests = process.getuid?.() === 0 ? [...TESTS, ...ROOT_TESTS] : TESTS
    for (const test of tests) if (!(await passes(root, test))) return test
    return undefined
  } finally {
    write(root, name, text)
  }
}

async function work(waiting, survivors, counts) {
  const root = makeCopy()
  try {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const killer = await killerOf(root, next)
      const place = `${FOLDER}/${next.name}:${next.line}: ${next.what}`
      console.log(
        `${killer === undefined ? 'SURVIVES' : 'killed  '} ${place}${killer ? ` (${killer})` : ''}`,
      )
      counts.set(killer ?? 'survivors', (counts.get(killer ?? 'survivors') ?? 0) + 1)
      if (killer === undefined) survivors.push(place)
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

const all = allMutants()
const chosen = choose(all)
console.log(`${chosen.length} of ${all.length} mutants`)
if (options.list)
  for (const { name, line, what } of chosen) console.log(`${FOLDER}/${name}:${line}: ${what}`)
else {
  const [survivors, counts] = [[], new Map()]
  const waiting = [...chosen]
  await Promise.all(
    Array.from({ length: Number(options.jobs) }, () => work(waiting, survivors, counts)),
  )
  for (const [killer, count] of counts) console.log(`${String(count).padStart(5)}  ${killer}`)
  for (const place of survivors.sort()) console.log(`survivor: ${place}`)
  process.exitCode = survivors.length === 0 ? 0 : 1
}
