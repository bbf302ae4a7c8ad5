// Source with all its mutants in it at once: each small change stands beside what was there, and a switch chooses.
//
//     a < b   becomes   (m(17) ? a <= b : a < b)
//
// `m` says whether that mutant is the one there is now, and notes that it was asked for.
import ts from 'typescript'

const SWAPPED = new Map([
  ['===', ts.SyntaxKind.ExclamationEqualsEqualsToken],
  ['!==', ts.SyntaxKind.EqualsEqualsEqualsToken],
  ['<', ts.SyntaxKind.LessThanEqualsToken],
  ['<=', ts.SyntaxKind.LessThanToken],
  ['>', ts.SyntaxKind.GreaterThanEqualsToken],
  ['>=', ts.SyntaxKind.GreaterThanToken],
  ['&&', ts.SyntaxKind.BarBarToken],
  ['||', ts.SyntaxKind.AmpersandAmpersandToken],
  ['+', ts.SyntaxKind.MinusToken],
  ['-', ts.SyntaxKind.PlusToken],
  ['*', ts.SyntaxKind.PlusToken],
])

/** The switch as a module; `m` is its function. */
export const SWITCH = `export const seen = new Uint8Array(1 << 16)
let current = Number(process.env.MUTANT ?? -1)
export function choose(mutant) { current = mutant }
export function m(mutant) { seen[mutant] = 1; return mutant === current }
`

/** JavaScript with the mutants of `text`, and what they are, numbered from `first` on. */
export function mutate(name, text, first) {
  const mutants = []
  const { outputText } = ts.transpileModule(text, {
    fileName: name,
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      rewriteRelativeImportExtensions: true,
    },
    transformers: { before: [(context) => (file) => changeFile(context, file, mutants, first)] },
  })
  const up = '../'.repeat(name.split('/').length - 1) || './'
  return { mutants, code: `import { m as isMutant } from '${up}mutant-switch.js'\n${outputText}` }
}

function changeFile(context, file, mutants, first) {
  const { factory } = context
  /** The call that asks for a mutant at this node. */
  const ask = (node, what) => {
    const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1
    mutants.push({ line, what })
    const number = factory.createNumericLiteral(first + mutants.length - 1)
    return factory.createCallExpression(factory.createIdentifier('isMutant'), undefined, [number])
  }
  const either = (node, what, instead, usual) => {
    const choice = factory.createConditionalExpression(
      ask(node, what),
      undefined,
      factory.createParenthesizedExpression(instead),
      undefined,
      factory.createParenthesizedExpression(usual),
    )
    return factory.createParenthesizedExpression(choice)
  }
  const negated = (raw, visited) =>
    either(
      raw,
      'condition negated',
      factory.createLogicalNot(factory.createParenthesizedExpression(raw)),
      visited,
    )
  const dropped = (node, usual) => {
    const what = `dropped: ${node.getText(file).split('\n')[0].slice(0, 60)}`
    // In a block: an `else` that follows is another's.
    const left = factory.createIfStatement(factory.createLogicalNot(ask(node, what)), usual)
    return factory.createBlock([left])
  }
  const number = (value) =>
    value < 0
      ? factory.createPrefixMinus(factory.createNumericLiteral(-value))
      : factory.createNumericLiteral(value)

  const visit = (node) => {
    if (ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isTypeNode(node)) {
      return node
    }
    if (ts.isTypeAliasDeclaration(node)) return node
    if (ts.isNumericLiteral(node)) return visitNumber(node)
    if (node.kind === ts.SyntaxKind.TrueKeyword) {
      return either(node, 'true → false', factory.createFalse(), node)
    }
    if (node.kind === ts.SyntaxKind.FalseKeyword) {
      return either(node, 'false → true', factory.createTrue(), node)
    }
    const visited = ts.visitEachChild(node, visit, context)
    if (ts.isBinaryExpression(node)) {
      const token = node.operatorToken.getText(file)
      const swapped = SWAPPED.get(token)
      if (swapped === undefined) return visited
      const text = ts.tokenToString(swapped)
      const instead = factory.createBinaryExpression(node.left, swapped, node.right)
      return either(node.operatorToken, `${token} → ${text}`, instead, visited)
    }
    if (ts.isIfStatement(node)) {
      const condition = negated(node.expression, visited.expression)
      const { thenStatement, elseStatement } = visited
      return factory.updateIfStatement(visited, condition, thenStatement, elseStatement)
    }
    if (ts.isConditionalExpression(node)) {
      const condition = negated(node.condition, visited.condition)
      const { questionToken, whenTrue, colonToken, whenFalse } = visited
      return factory.updateConditionalExpression(
        visited,
        condition,
        questionToken,
        whenTrue,
        colonToken,
        whenFalse,
      )
    }
    if (ts.isContinueStatement(node)) return dropped(node, visited)
    if (ts.isExpressionStatement(node)) {
      return node.getText(file).startsWith('super(') ? visited : dropped(node, visited)
    }
    return visited
  }

  const visitNumber = (node) => {
    const { parent } = node
    if (ts.isPropertyAssignment(parent) && parent.name === node) return node
    const value = Number(node.text)
    const more = ask(node, `${node.text} → ${value + 1}`)
    const less = ask(node, `${node.text} → ${value - 1}`)
    const otherwise = factory.createConditionalExpression(
      less,
      undefined,
      number(value - 1),
      undefined,
      node,
    )
    const choice = factory.createConditionalExpression(
      more,
      undefined,
      number(value + 1),
      undefined,
      otherwise,
    )
    return factory.createParenthesizedExpression(choice)
  }
  return ts.visitNode(file, visit)
}
