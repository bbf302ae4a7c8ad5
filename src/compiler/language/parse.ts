/**
 * From TypeScript text to our own tree. The only file of src/ that knows TypeScript's parser: another parser, or
 * the next version of this one, changes nothing else.
 *
 * Nothing is judged here beyond syntax: what the language has no node for becomes `Refused`, and whoever walks
 * the tree reports it. Types are not checked; that is `tsc`'s work, on the same files.
 */
import ts from 'typescript'
import type { Refusal } from './refusals.ts'
import type * as tree from './tree.ts'

/** The tree of one file. Text that is not TypeScript gives a tree with `Refused` in it, or a smaller one. */
export function parse(path: string, text: string): tree.FileTree {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  return new Parser(file).file()
}

/** Where the text is no TypeScript, and what the parser has to say about it. */
export function findSyntaxErrors(
  path: string,
  text: string,
): readonly (tree.Place & { readonly message: string })[] {
  const { diagnostics = [] } = ts.transpileModule(text, { fileName: path, reportDiagnostics: true })
  return diagnostics.map(({ start = 0, length = 1, messageText }) => ({
    start,
    end: start + length,
    message: ts.flattenDiagnosticMessageText(messageText, ' '),
  }))
}

const CONTROL = /@control\b/
const APART = /@apart\b/

/** Operators by token. */
const BINARY = new Map<ts.SyntaxKind, tree.BinaryOperator>([
  [ts.SyntaxKind.PlusToken, '+'],
  [ts.SyntaxKind.MinusToken, '-'],
  [ts.SyntaxKind.AsteriskToken, '*'],
  [ts.SyntaxKind.SlashToken, '/'],
  [ts.SyntaxKind.PercentToken, '%'],
  [ts.SyntaxKind.AmpersandToken, '&'],
  [ts.SyntaxKind.BarToken, '|'],
  [ts.SyntaxKind.CaretToken, '^'],
  [ts.SyntaxKind.LessThanLessThanToken, '<<'],
  [ts.SyntaxKind.GreaterThanGreaterThanToken, '>>'],
  [ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken, '>>>'],
  [ts.SyntaxKind.EqualsEqualsEqualsToken, '==='],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken, '!=='],
  [ts.SyntaxKind.LessThanToken, '<'],
  [ts.SyntaxKind.LessThanEqualsToken, '<='],
  [ts.SyntaxKind.GreaterThanToken, '>'],
  [ts.SyntaxKind.GreaterThanEqualsToken, '>='],
  [ts.SyntaxKind.AmpersandAmpersandToken, '&&'],
  [ts.SyntaxKind.BarBarToken, '||'],
])
/** `a += b` and its kin, by the operator in them. */
const COMPOUND = new Map<ts.SyntaxKind, tree.BinaryOperator>([
  [ts.SyntaxKind.PlusEqualsToken, '+'],
  [ts.SyntaxKind.MinusEqualsToken, '-'],
  [ts.SyntaxKind.AsteriskEqualsToken, '*'],
  [ts.SyntaxKind.SlashEqualsToken, '/'],
  [ts.SyntaxKind.PercentEqualsToken, '%'],
  [ts.SyntaxKind.AmpersandEqualsToken, '&'],
  [ts.SyntaxKind.BarEqualsToken, '|'],
  [ts.SyntaxKind.CaretEqualsToken, '^'],
  [ts.SyntaxKind.LessThanLessThanEqualsToken, '<<'],
  [ts.SyntaxKind.GreaterThanGreaterThanEqualsToken, '>>'],
  [ts.SyntaxKind.GreaterThanGreaterThanGreaterThanEqualsToken, '>>>'],
])
const REFUSED_OPERATORS = new Map<ts.SyntaxKind, Refusal>([
  [ts.SyntaxKind.EqualsEqualsToken, 'looseEquality'],
  [ts.SyntaxKind.ExclamationEqualsToken, 'looseEquality'],
  [ts.SyntaxKind.QuestionQuestionToken, 'nullish'],
  [ts.SyntaxKind.CommaToken, 'comma'],
  [ts.SyntaxKind.AsteriskAsteriskToken, 'power'],
])
const REFUSED_EXPRESSIONS = new Map<ts.SyntaxKind, Refusal>([
  [ts.SyntaxKind.ArrowFunction, 'closure'],
  [ts.SyntaxKind.FunctionExpression, 'closure'],
  [ts.SyntaxKind.ClassExpression, 'class'],
  [ts.SyntaxKind.NewExpression, 'new'],
  [ts.SyntaxKind.ArrayLiteralExpression, 'array'],
  [ts.SyntaxKind.ObjectLiteralExpression, 'object'],
  [ts.SyntaxKind.SpreadElement, 'spread'],
  [ts.SyntaxKind.StringLiteral, 'string'],
  [ts.SyntaxKind.NoSubstitutionTemplateLiteral, 'string'],
  [ts.SyntaxKind.TemplateExpression, 'string'],
  [ts.SyntaxKind.TaggedTemplateExpression, 'string'],
  [ts.SyntaxKind.RegularExpressionLiteral, 'regex'],
  [ts.SyntaxKind.BigIntLiteral, 'bigint'],
  [ts.SyntaxKind.ElementAccessExpression, 'computedMember'],
  [ts.SyntaxKind.NonNullExpression, 'nonNull'],
  [ts.SyntaxKind.AsExpression, 'assertion'],
  [ts.SyntaxKind.SatisfiesExpression, 'assertion'],
  [ts.SyntaxKind.TypeAssertionExpression, 'assertion'],
  [ts.SyntaxKind.ThisKeyword, 'this'],
  [ts.SyntaxKind.AwaitExpression, 'asynchronous'],
  [ts.SyntaxKind.YieldExpression, 'asynchronous'],
  [ts.SyntaxKind.TypeOfExpression, 'operator'],
  [ts.SyntaxKind.VoidExpression, 'operator'],
  [ts.SyntaxKind.DeleteExpression, 'operator'],
])
const REFUSED_STATEMENTS = new Map<ts.SyntaxKind, Refusal>([
  [ts.SyntaxKind.FunctionDeclaration, 'closure'],
  [ts.SyntaxKind.ClassDeclaration, 'class'],
  [ts.SyntaxKind.ThrowStatement, 'exception'],
  [ts.SyntaxKind.TryStatement, 'exception'],
  [ts.SyntaxKind.SwitchStatement, 'switch'],
  [ts.SyntaxKind.WhileStatement, 'while'],
  [ts.SyntaxKind.DoStatement, 'while'],
  [ts.SyntaxKind.ForInStatement, 'forIn'],
  [ts.SyntaxKind.LabeledStatement, 'label'],
])

class Parser {
  readonly #file: ts.SourceFile
  /** Between top-level statements JavaScript is as it is: objects and strings are data there. */
  #isTopLevel = false

  constructor(file: ts.SourceFile) {
    this.#file = file
  }

  file(): tree.FileTree {
    const functions: tree.FunctionDeclaration[] = []
    const imports: tree.Import[] = []
    const constants: tree.Constant[] = []
    const variables: tree.Constant[] = []
    const views = new Map<string, string>()
    for (const statement of this.#file.statements) {
      if (ts.isFunctionDeclaration(statement)) functions.push(...this.#function(statement))
      if (ts.isImportDeclaration(statement)) imports.push(...this.#imports(statement))
      if (ts.isTypeAliasDeclaration(statement)) this.#view(statement, views)
      if (ts.isVariableStatement(statement)) {
        const isConst = (statement.declarationList.flags & ts.NodeFlags.Const) !== 0
        const list = isConst ? constants : variables
        list.push(...this.#constants(statement.declarationList))
      }
    }
    const head = ts.getLeadingCommentRanges(this.#file.text, 0)?.[0]
    const isControl = head !== undefined && CONTROL.test(this.#file.text.slice(head.pos, head.end))
    return { isControl, imports, functions, constants, views, variables }
  }

  #place(node: ts.Node): tree.Place {
    return { start: node.getStart(this.#file), end: node.getEnd() }
  }

  #refuse(node: ts.Node, what: Refusal): tree.Refused {
    return { kind: 'refused', what, ...this.#place(node) }
  }

  #imports(node: ts.ImportDeclaration): tree.Import[] {
    if (!ts.isStringLiteral(node.moduleSpecifier)) return []
    const from = node.moduleSpecifier.text
    const bindings = node.importClause?.namedBindings
    if (bindings === undefined) return []
    if (ts.isNamespaceImport(bindings)) return [{ local: bindings.name.text, imported: '*', from }]
    return bindings.elements.map((element) => ({
      local: element.name.text,
      imported: (element.propertyName ?? element.name).text,
      from,
    }))
  }

  /** `type View = ViewOf<typeof Struct>` */
  #view(node: ts.TypeAliasDeclaration, views: Map<string, string>): void {
    const match = /^ViewOf<typeof (\w+)>$/.exec(node.type.getText(this.#file))
    if (match !== null) views.set(node.name.text, match[1]!)
  }

  #constants(list: ts.VariableDeclarationList): tree.Constant[] {
    this.#isTopLevel = true
    const constants = list.declarations.flatMap((one) => {
      if (!ts.isIdentifier(one.name)) return []
      const value: tree.Expression =
        one.initializer === undefined
          ? { kind: 'opaque', ...this.#place(one) }
          : this.#expression(one.initializer)
      return [{ name: one.name.text, value, ...this.#place(one) }]
    })
    this.#isTopLevel = false
    return constants
  }

  #function(node: ts.FunctionDeclaration): tree.FunctionDeclaration[] {
    if (node.name === undefined || node.body === undefined) return []
    const refused: tree.Refused[] = []
    if (node.asteriskToken !== undefined || node.modifiers?.some(isAsync)) {
      refused.push(this.#refuse(node.name, 'asynchronous'))
    }
    const generic = node.typeParameters?.[0]
    if (generic !== undefined) refused.push(this.#refuse(generic, 'generic'))
    const parameters = node.parameters.map((parameter) => {
      const { name, initializer, questionToken, dotDotDotToken } = parameter
      if (!ts.isIdentifier(name)) refused.push(this.#refuse(name, 'destructuring'))
      if (
        initializer !== undefined ||
        questionToken !== undefined ||
        dotDotDotToken !== undefined
      ) {
        refused.push(this.#refuse(parameter, 'parameterShape'))
      }
      const type = this.#type(parameter.type)
      return { name: name.getText(this.#file), type, ...this.#place(parameter) }
    })
    const range = ts.getLeadingCommentRanges(this.#file.text, node.getFullStart())?.at(-1)
    const comment = range === undefined ? '' : this.#file.text.slice(range.pos, range.end)
    return [
      {
        name: node.name.text,
        parameters,
        returns: this.#type(node.type),
        body: this.#block(node.body),
        isControl: CONTROL.test(comment),
        isApart: APART.test(comment),
        refused,
        ...this.#place(node.name),
      },
    ]
  }

  #type(node: ts.TypeNode | undefined): tree.TypeName | undefined {
    if (node === undefined) return undefined
    const parts = ts.isUnionTypeNode(node) ? [...node.types] : [node]
    const texts = parts.map((part) => part.getText(this.#file))
    const name = texts.filter((text) => text !== 'null').join(' | ')
    return { name, isNullable: texts.includes('null'), ...this.#place(node) }
  }

  #block(node: ts.Block): tree.Block {
    const statements = node.statements.flatMap((statement) => this.#statements(statement))
    return { kind: 'block', statements, ...this.#place(node) }
  }

  /** Most statements are one; an empty one is none. */
  #statements(node: ts.Statement): tree.Statement[] {
    if (ts.isEmptyStatement(node) || ts.isTypeAliasDeclaration(node)) return []
    return [this.#statement(node)]
  }

  #statement(node: ts.Statement): tree.Statement {
    const place = this.#place(node)
    if (ts.isBlock(node)) return this.#block(node)
    if (ts.isVariableStatement(node)) return this.#declare(node)
    if (ts.isExpressionStatement(node)) return this.#evaluate(node.expression)
    if (ts.isIfStatement(node)) {
      const condition = this.#expression(node.expression)
      const whenTrue = this.#statement(node.thenStatement)
      const whenFalse = node.elseStatement && this.#statement(node.elseStatement)
      return { kind: 'if', condition, whenTrue, whenFalse, ...place }
    }
    if (ts.isReturnStatement(node)) {
      const value = node.expression && this.#expression(node.expression)
      return { kind: 'return', value, ...place }
    }
    if (ts.isBreakStatement(node) && node.label === undefined) return { kind: 'break', ...place }
    if (ts.isContinueStatement(node) && node.label === undefined) {
      return { kind: 'continue', ...place }
    }
    if (ts.isForStatement(node)) return this.#count(node)
    if (ts.isForOfStatement(node)) return this.#each(node)
    return this.#refuse(node, REFUSED_STATEMENTS.get(node.kind) ?? 'statement')
  }

  #declare(node: ts.VariableStatement): tree.Statement {
    const { declarations, flags } = node.declarationList
    const [one, another] = declarations
    if (one === undefined || another !== undefined) return this.#refuse(node, 'several')
    if ((flags & ts.NodeFlags.BlockScoped) === 0) return this.#refuse(node, 'var')
    if (!ts.isIdentifier(one.name)) return this.#refuse(one.name, 'destructuring')
    return {
      kind: 'declare',
      name: one.name.text,
      isConst: (flags & ts.NodeFlags.Const) !== 0,
      type: this.#type(one.type),
      value: one.initializer && this.#expression(one.initializer),
      ...this.#place(one),
    }
  }

  /** An expression as a statement: a call, an assignment, `i++`. */
  #evaluate(node: ts.Expression): tree.Statement {
    const place = this.#place(node)
    const step = this.#step(node)
    if (step !== undefined) return step
    if (ts.isBinaryExpression(node)) {
      const token = node.operatorToken.kind
      const operator = COMPOUND.get(token)
      if (token === ts.SyntaxKind.EqualsToken || operator !== undefined) {
        const target = this.#expression(node.left)
        const right = this.#expression(node.right)
        const value: tree.Expression =
          operator === undefined
            ? right
            : { kind: 'binary', operator, left: target, right, ...place }
        return { kind: 'assign', target, value, ...place }
      }
    }
    return { kind: 'evaluate', expression: this.#expression(node), ...place }
  }

  /** `x++`, `++x`, `x--`, `--x`. */
  #step(node: ts.Expression): tree.Assign | undefined {
    if (!ts.isPostfixUnaryExpression(node) && !ts.isPrefixUnaryExpression(node)) return undefined
    const isUp = node.operator === ts.SyntaxKind.PlusPlusToken
    if (!isUp && node.operator !== ts.SyntaxKind.MinusMinusToken) return undefined
    const place = this.#place(node)
    const target = this.#expression(node.operand)
    const right: tree.Expression = { kind: 'number', value: 1, ...place }
    const operator = isUp ? '+' : '-'
    const value: tree.Expression = { kind: 'binary', operator, left: target, right, ...place }
    return { kind: 'assign', target, value, ...place }
  }

  /** Only `for (let i: u32 = FROM; i < BELOW; i++)`, or `i += STEP`. */
  #count(node: ts.ForStatement): tree.Statement {
    const { initializer, condition, incrementor } = node
    const refused = this.#refuse(node.initializer ?? node, 'forShape')
    if (initializer === undefined || !ts.isVariableDeclarationList(initializer)) return refused
    const [one, another] = initializer.declarations
    if (one?.initializer === undefined || another !== undefined) return refused
    if ((initializer.flags & ts.NodeFlags.Let) === 0 || !ts.isIdentifier(one.name)) return refused
    if (condition === undefined || !ts.isBinaryExpression(condition)) return refused
    if (condition.operatorToken.kind !== ts.SyntaxKind.LessThanToken) return refused
    const name = one.name.text
    if (condition.left.getText(this.#file) !== name || incrementor === undefined) return refused
    const step = this.#evaluate(incrementor)
    if (step.kind !== 'assign' || step.target.kind !== 'name' || step.target.name !== name) {
      return refused
    }
    const { value } = step
    const isAddition =
      value.kind === 'binary' &&
      value.operator === '+' &&
      value.left.kind === 'name' &&
      value.left.name === name
    if (!isAddition) return refused
    return {
      kind: 'count',
      name,
      type: this.#type(one.type),
      from: this.#expression(one.initializer),
      below: this.#expression(condition.right),
      step: value.right,
      body: this.#statement(node.statement),
      ...this.#place(node),
    }
  }

  #each(node: ts.ForOfStatement): tree.Statement {
    const list = node.initializer
    const one = ts.isVariableDeclarationList(list) ? list.declarations[0] : undefined
    if (one === undefined || node.awaitModifier !== undefined) return this.#refuse(list, 'forShape')
    if ((list.flags & ts.NodeFlags.BlockScoped) === 0) return this.#refuse(list, 'var')
    if (!ts.isIdentifier(one.name)) return this.#refuse(one.name, 'destructuring')
    return {
      kind: 'each',
      name: one.name.text,
      list: this.#expression(node.expression),
      body: this.#statement(node.statement),
      ...this.#place(node),
    }
  }

  #expression(node: ts.Expression): tree.Expression {
    const place = this.#place(node)
    if (ts.isParenthesizedExpression(node)) return this.#expression(node.expression)
    if (ts.isNumericLiteral(node)) return this.#number(node)
    if (node.kind === ts.SyntaxKind.TrueKeyword) return { kind: 'boolean', value: true, ...place }
    if (node.kind === ts.SyntaxKind.FalseKeyword) return { kind: 'boolean', value: false, ...place }
    if (node.kind === ts.SyntaxKind.NullKeyword) return { kind: 'null', ...place }
    if (ts.isIdentifier(node)) {
      return node.text === 'undefined'
        ? this.#refuse(node, 'undefined')
        : { kind: 'name', name: node.text, ...place }
    }
    if (ts.isPropertyAccessExpression(node)) {
      if (node.questionDotToken !== undefined) return this.#refuse(node, 'optionalChain')
      const object = this.#expression(node.expression)
      return { kind: 'member', object, name: node.name.text, ...place }
    }
    if (ts.isCallExpression(node)) {
      if (node.questionDotToken !== undefined) return this.#refuse(node, 'optionalChain')
      const callee = this.#expression(node.expression)
      const values = node.arguments.map((argument) => this.#expression(argument))
      return { kind: 'call', callee, arguments: values, ...place }
    }
    if (ts.isConditionalExpression(node)) {
      const condition = this.#expression(node.condition)
      const whenTrue = this.#expression(node.whenTrue)
      const whenFalse = this.#expression(node.whenFalse)
      return { kind: 'conditional', condition, whenTrue, whenFalse, ...place }
    }
    if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
      return this.#unary(node)
    }
    if (ts.isBinaryExpression(node)) return this.#binary(node)
    if (this.#isTopLevel) return this.#data(node)
    return this.#refuse(node, REFUSED_EXPRESSIONS.get(node.kind) ?? 'expression')
  }

  #number(node: ts.NumericLiteral): tree.Expression {
    const value = Number(node.text)
    if (!Number.isSafeInteger(value)) return this.#refuse(node, 'fraction')
    return { kind: 'number', value, ...this.#place(node) }
  }

  #unary(node: ts.PrefixUnaryExpression | ts.PostfixUnaryExpression): tree.Expression {
    const place = this.#place(node)
    const operand = this.#expression(node.operand)
    if (node.operator === ts.SyntaxKind.PlusToken) return this.#refuse(node, 'plus')
    if (node.operator === ts.SyntaxKind.MinusToken) {
      return { kind: 'unary', operator: '-', operand, ...place }
    }
    if (node.operator === ts.SyntaxKind.TildeToken) {
      return { kind: 'unary', operator: '~', operand, ...place }
    }
    if (node.operator === ts.SyntaxKind.ExclamationToken) {
      return { kind: 'unary', operator: '!', operand, ...place }
    }
    return this.#refuse(node, 'nestedAssignment')
  }

  #binary(node: ts.BinaryExpression): tree.Expression {
    const token = node.operatorToken.kind
    const operator = BINARY.get(token)
    if (operator === undefined) {
      const isAssignment = token === ts.SyntaxKind.EqualsToken || COMPOUND.has(token)
      const what = isAssignment ? 'nestedAssignment' : REFUSED_OPERATORS.get(token)
      return this.#refuse(node, what ?? 'operator')
    }
    if (operator === '>>') return this.#refuse(node, 'signedShift')
    const left = this.#expression(node.left)
    const right = this.#expression(node.right)
    return { kind: 'binary', operator, left, right, ...this.#place(node) }
  }

  /** What only the top level has. */
  #data(node: ts.Expression): tree.Expression {
    const place = this.#place(node)
    if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node)) {
      return this.#expression(node.expression)
    }
    if (ts.isStringLiteralLike(node)) return { kind: 'string', value: node.text, ...place }
    if (ts.isArrayLiteralExpression(node)) {
      return { kind: 'list', items: node.elements.map((one) => this.#expression(one)), ...place }
    }
    if (!ts.isObjectLiteralExpression(node)) return { kind: 'opaque', ...place }
    const entries = node.properties.flatMap((property) =>
      ts.isPropertyAssignment(property) && !ts.isComputedPropertyName(property.name)
        ? [[property.name.text, this.#expression(property.initializer)] as const]
        : [],
    )
    return { kind: 'object', entries, ...place }
  }
}

function isAsync(modifier: ts.ModifierLike): boolean {
  return modifier.kind === ts.SyntaxKind.AsyncKeyword
}
