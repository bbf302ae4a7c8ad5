/**
 * Everything that the compiler can say against a program: each has a program that it is said of, on its line
 * (tests/subset/*.txt, refused/*.txt), and how it looks as a whole, with its column, its caret and what to write
 * instead, is in goldens/refusals.txt. Written anew by
 *
 *     UPDATE_GOLDENS=1 node tools/test.mjs compiler/refusals
 *
 * What can be said is read off the compiler's own source: whatever is handed to `report`, `diagnose` or `Unfit`.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import ts from 'typescript'
import { checkProgram } from '../../src/compiler/language/check.ts'
import { compile } from '../../src/compiler/compile.ts'
import { formatDiagnostic, type Diagnostic } from '../../src/compiler/language/diagnostics.ts'
import { REFUSALS } from '../../src/compiler/language/refusals.ts'
import { diagnoseUnfit, Unfit } from '../../src/compiler/target/unfit.ts'
import { filesOf } from '../subset/program-text.ts'
import { readRepository } from '../tidy/tree.ts'

const GOLDEN = 'tests/compiler/goldens/refusals.txt'
const MAIN = 'src/dataplane/a.ts'
/** Of each call that says something, which of its arguments. */
const SAYING: Readonly<Record<string, number>> = { report: 1, '#report': 1, diagnose: 3, Unfit: 1 }
const { texts } = readRepository()
const runtime = [...texts].filter(
  ([path]) => path.startsWith('src/subset/') && !path.endsWith('.test.ts'),
)
const programs = [...texts].filter(([path]) =>
  /^tests\/(subset|compiler\/refused)\/[^/]+\.txt$/.test(path),
)

/** What is said of a program, by the check or by a later pass. */
function saidOf(path: string, text: string): readonly [Diagnostic, string][] {
  // Without what is expected there: it is none of the program's lines.
  const files = filesOf(text.replace(/ \/\/ error: .*$/gm, ''), runtime)
  const isRoot = (file: string) => file.startsWith('src/dataplane/')
  const checked = checkProgram(files, isRoot)
  const said = [...checked.diagnostics]
  if (path.startsWith('tests/compiler/refused/')) {
    const attachment = path.includes('/xdp-') ? 'xdp' : 'tc'
    try {
      compile(checked, MAIN, 'main', { attachment, clock: 'set' })
    } catch (error) {
      if (!(error instanceof Unfit)) throw error
      said.push(diagnoseUnfit(error, (file) => files.get(file)!))
    }
  }
  return said.map((one) => [one, files.get(one.file)!])
}

const said = programs.flatMap(([path, text]) => saidOf(path, text))

describe('what the compiler can say against a program', () => {
  const found = [...texts]
    .filter(([path]) => /^src\/compiler\/.+\.ts$/.test(path) && !path.endsWith('.test.ts'))
    .flatMap(([path, text]) => messagesIn(path, text))

  it('is found in its source', () => {
    assert.ok(found.length > 40, `only ${found.length} messages are found`)
  })

  it('is each said of a program', () => {
    const messages = said.map(([{ message }]) => message)
    const written = Object.values(REFUSALS).map(({ message }) => ({ at: message, message }))
    const all = [...found, ...written.map((one) => ({ ...one, message: escape(one.message) }))]
    const unseen = all.filter(({ message }) => {
      const pattern = new RegExp(`^${message}$`)
      return !messages.some((one) => pattern.test(one))
    })
    assert.deepEqual(unseen, [], 'a program for each, please')
  })

  it('says what to write instead', () => {
    const silent = said.filter(([{ instead }]) => instead === '').map(([{ message }]) => message)
    assert.deepEqual(silent, [])
  })

  it(`looks as in ${GOLDEN}`, () => {
    const shown = `${said.map(([one, text]) => formatDiagnostic(one, text)).join('\n\n')}\n`
    if (process.env['UPDATE_GOLDENS'] === '1') writeFileSync(GOLDEN, shown)
    else assert.equal(shown, texts.get(GOLDEN), `${GOLDEN} is another`)
  })
})

interface Message {
  /** Where in the source. */
  readonly at: string
  /** As a regular expression. */
  readonly message: string
}

/** Every message that one file of the compiler can give. */
function messagesIn(path: string, text: string): Message[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const found: Message[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const { expression } = node
      const name = ts.isPropertyAccessExpression(expression) ? expression.name : expression
      const argument = node.arguments?.[SAYING[name.getText(file)] ?? Infinity]
      const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1
      const messages = argument === undefined ? [] : (patternsOf(argument) ?? [])
      found.push(...messages.map((message) => ({ at: `${path}:${line}`, message })))
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

/** What a text may be; undefined: it was handed in from elsewhere. */
function patternsOf(node: ts.Expression): string[] | undefined {
  if (ts.isStringLiteralLike(node)) return [escape(node.text)]
  if (ts.isConditionalExpression(node)) {
    const [one, other] = [patternsOf(node.whenTrue), patternsOf(node.whenFalse)]
    return one && other && [...one, ...other]
  }
  if (ts.isTemplateExpression(node)) {
    return node.templateSpans.reduce(
      (before, { expression, literal }) => {
        const middle = patternsOf(expression) ?? ['.+']
        return before.flatMap((a) => middle.map((b) => a + b + escape(literal.text)))
      },
      [escape(node.head.text)],
    )
  }
  const declared = ts.isIdentifier(node) ? declarationOf(node) : undefined
  return declared?.initializer && patternsOf(declared.initializer)
}

/** Of a constant, in the blocks around. */
function declarationOf(name: ts.Identifier): ts.VariableDeclaration | undefined {
  for (let around: ts.Node = name.parent; around !== undefined; around = around.parent) {
    if (!ts.isBlock(around) && !ts.isSourceFile(around) && !ts.isCaseClause(around)) continue
    for (const statement of around.statements) {
      if (!ts.isVariableStatement(statement)) continue
      const [one] = statement.declarationList.declarations.filter(
        (each) => ts.isIdentifier(each.name) && each.name.text === name.text,
      )
      if (one !== undefined) return one
    }
  }
  return undefined
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
