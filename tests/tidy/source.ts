/**
 * What the rules want to know about one TypeScript file: its imports, functions, calls and head comment.
 *
 * The only place in tests/ that knows TypeScript's parser. Lines count from 1.
 */
import ts from 'typescript'

export interface Import {
  readonly from: string
  readonly line: number
  readonly how: 'value' | 'type' | 'lazy'
  /** Imported names; empty for `* as` and `import()`. */
  readonly names: readonly string[]
}
export interface FunctionFacts {
  readonly name: string
  readonly line: number
  /** From its first line to its last. */
  readonly lines: number
  /** The callback of describe, it, test…: as long as it likes. */
  readonly isTestBody: boolean
}
export interface Call {
  /** `a.b` of `a.b(…)`. */
  readonly callee: string
  readonly line: number
  readonly isInFunction: boolean
  readonly isReturned: boolean
  /** `x` where the call is all of `const x = …`. */
  readonly boundTo: string | undefined
}
export interface Source {
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
  readonly functions: readonly FunctionFacts[]
  readonly calls: readonly Call[]
  readonly hasHeadComment: boolean
}

const TEST_CALLS = new Set(['describe', 'it', 'test', 'suite', 'before', 'after', 'beforeEach'])

/** Reads one file. */
export function readSource(path: string, text: string): Source {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const facts = new Facts(file)
  facts.visit(file, 0)
  return { path, text, ...facts.found, hasHeadComment: /^(#!.*\n)?\s*(\/\*\*|\/\/)/.test(text) }
}

class Facts {
  readonly found = {
    imports: [] as Import[],
    functions: [] as FunctionFacts[],
    calls: [] as Call[],
  }
  readonly #file: ts.SourceFile

  constructor(file: ts.SourceFile) {
    this.#file = file
  }

  /** `depth` counts the functions around `node`. */
  visit(node: ts.Node, depth: number): void {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) this.#addImport(node)
    if (ts.isCallExpression(node)) this.#addCall(node, depth)
    const isFunction = ts.isFunctionLike(node) && 'body' in node && node.body !== undefined
    if (isFunction) this.#addFunction(node)
    ts.forEachChild(node, (child) => this.visit(child, isFunction ? depth + 1 : depth))
  }

  #addImport(node: ts.ImportDeclaration | ts.ExportDeclaration): void {
    if (node.moduleSpecifier === undefined || !ts.isStringLiteral(node.moduleSpecifier)) return
    const clause = ts.isImportDeclaration(node) ? node.importClause : node.exportClause
    const isWhole = ts.isImportDeclaration(node)
      ? node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
      : node.isTypeOnly
    const bindings = clause && ts.isImportClause(clause) ? clause.namedBindings : clause
    const elements =
      bindings && (ts.isNamedImports(bindings) || ts.isNamedExports(bindings))
        ? [...bindings.elements]
        : []
    const hasDefault =
      clause !== undefined && ts.isImportClause(clause) && clause.name !== undefined
    const isEachType = elements.length > 0 && elements.every((one) => one.isTypeOnly) && !hasDefault
    this.found.imports.push({
      from: node.moduleSpecifier.text,
      line: this.#lineOf(node),
      how: isWhole || isEachType ? 'type' : 'value',
      names: elements.map((one) => (one.propertyName ?? one.name).text),
    })
  }

  #addCall(node: ts.CallExpression, depth: number): void {
    const argument = node.arguments[0]
    if (node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const from = argument !== undefined && ts.isStringLiteralLike(argument) ? argument.text : '?'
      this.found.imports.push({ from, line: this.#lineOf(node), how: 'lazy', names: [] })
    }
    const parent = node.parent
    this.found.calls.push({
      callee: node.expression.getText(this.#file),
      line: this.#lineOf(node),
      isInFunction: depth > 0,
      isReturned: ts.isReturnStatement(parent),
      boundTo:
        ts.isVariableDeclaration(parent) && ts.isIdentifier(parent.name)
          ? parent.name.text
          : undefined,
    })
  }

  #addFunction(node: ts.SignatureDeclaration): void {
    const parent = node.parent
    const first = this.#lineOf(node)
    const last = this.#file.getLineAndCharacterOfPosition(node.getEnd()).line + 1
    const callee = ts.isCallExpression(parent) ? parent.expression.getText(this.#file) : ''
    const named = node.name ?? (ts.isVariableDeclaration(parent) ? parent.name : undefined)
    this.found.functions.push({
      name: named?.getText(this.#file) ?? '',
      line: first,
      lines: last - first + 1,
      isTestBody: TEST_CALLS.has(callee.split('.')[0] ?? ''),
    })
  }

  #lineOf(node: ts.Node): number {
    return this.#file.getLineAndCharacterOfPosition(node.getStart(this.#file)).line + 1
  }
}
