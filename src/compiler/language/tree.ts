/**
 * The tree of a data-plane file: what `parse` makes of TypeScript, and all that the passes after it see.
 *
 * It has a node for each thing the language has, and `Refused` for everything else TypeScript would allow
 * there. Positions are offsets into the file's text, in UTF-16 units; diagnostics.ts turns them into lines.
 */
import type { Refusal } from './refusals.ts'

export interface Place {
  readonly start: number
  readonly end: number
}

/** Something the language does not have; refusals.ts says what to write instead. */
export interface Refused extends Place {
  readonly kind: 'refused'
  readonly what: Refusal
}

export interface NumberLiteral extends Place {
  readonly kind: 'number'
  readonly value: number
}
export interface BooleanLiteral extends Place {
  readonly kind: 'boolean'
  readonly value: boolean
}
export interface NullLiteral extends Place {
  readonly kind: 'null'
}
export interface Name extends Place {
  readonly kind: 'name'
  readonly name: string
}
export interface Member extends Place {
  readonly kind: 'member'
  readonly object: Expression
  readonly name: string
}
export interface Call extends Place {
  readonly kind: 'call'
  readonly callee: Expression
  readonly arguments: readonly Expression[]
}
export interface Unary extends Place {
  readonly kind: 'unary'
  readonly operator: '-' | '~' | '!'
  readonly operand: Expression
}
export interface Binary extends Place {
  readonly kind: 'binary'
  readonly operator: BinaryOperator
  readonly left: Expression
  readonly right: Expression
}
export interface Conditional extends Place {
  readonly kind: 'conditional'
  readonly condition: Expression
  readonly whenTrue: Expression
  readonly whenFalse: Expression
}
/** Only at the top level, where JavaScript runs as it is: structs' fields, groups of constants. */
export interface ObjectLiteral extends Place {
  readonly kind: 'object'
  readonly entries: readonly (readonly [string, Expression])[]
}
/** Only at the top level: what `for … of` goes through. */
export interface ListLiteral extends Place {
  readonly kind: 'list'
  readonly items: readonly Expression[]
}
export interface StringLiteral extends Place {
  readonly kind: 'string'
  readonly value: string
}
/** Only at the top level: an expression whose value is known when the file is run, not before. */
export interface Opaque extends Place {
  readonly kind: 'opaque'
}

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%'
export type BitOperator = '&' | '|' | '^' | '<<' | '>>' | '>>>'
export type CompareOperator = '===' | '!==' | '<' | '<=' | '>' | '>='
export type BinaryOperator = ArithmeticOperator | BitOperator | CompareOperator | '&&' | '||'

export type Expression =
  | NumberLiteral
  | BooleanLiteral
  | NullLiteral
  | Name
  | Member
  | Call
  | Unary
  | Binary
  | Conditional
  | ObjectLiteral
  | ListLiteral
  | StringLiteral
  | Opaque
  | Refused

/** A type as written: `u32`, `Server | null`. */
export interface TypeName extends Place {
  readonly name: string
  readonly isNullable: boolean
}

export interface Declare extends Place {
  readonly kind: 'declare'
  readonly name: string
  readonly isConst: boolean
  readonly type: TypeName | undefined
  readonly value: Expression | undefined
}
/** `target = value`; `target += value` comes here as `target = target + value`. */
export interface Assign extends Place {
  readonly kind: 'assign'
  readonly target: Expression
  readonly value: Expression
}
export interface Evaluate extends Place {
  readonly kind: 'evaluate'
  readonly expression: Expression
}
export interface If extends Place {
  readonly kind: 'if'
  readonly condition: Expression
  readonly whenTrue: Statement
  readonly whenFalse: Statement | undefined
}
/** `for (let name: type = from; name < below; name += step)` */
export interface Count extends Place {
  readonly kind: 'count'
  readonly name: string
  readonly type: TypeName | undefined
  readonly from: Expression
  readonly below: Expression
  readonly step: Expression
  readonly body: Statement
}
/** `for (const name of list)` */
export interface Each extends Place {
  readonly kind: 'each'
  readonly name: string
  readonly list: Expression
  readonly body: Statement
}
export interface Return extends Place {
  readonly kind: 'return'
  readonly value: Expression | undefined
}
export interface Jump extends Place {
  readonly kind: 'break' | 'continue'
}
export interface Block extends Place {
  readonly kind: 'block'
  readonly statements: readonly Statement[]
}

export type Statement =
  Declare | Assign | Evaluate | If | Count | Each | Return | Jump | Block | Refused

export interface Parameter extends Place {
  readonly name: string
  readonly type: TypeName | undefined
}
export interface FunctionDeclaration extends Place {
  readonly name: string
  readonly parameters: readonly Parameter[]
  readonly returns: TypeName | undefined
  readonly body: Block
  /** Marked `@control`: ordinary TypeScript for the control plane, no part of the packet path. */
  readonly isControl: boolean
  /** Marked `@apart`: seldom run, and compiled as a function of its own. */
  readonly isApart: boolean
  /** About its head: generics, async, patterns… */
  readonly refused: readonly Refused[]
}

export interface Import {
  /** The name here, and there; '*' for a namespace. */
  readonly local: string
  readonly imported: string
  /** As written: './tables.ts'. */
  readonly from: string
}
export interface Constant extends Place {
  readonly name: string
  readonly value: Expression
}

/** One file. The top level is ordinary JavaScript; only what the packet path can refer to is kept of it. */
export interface FileTree {
  /** Its head comment says `@control`. */
  readonly isControl: boolean
  readonly imports: readonly Import[]
  readonly functions: readonly FunctionDeclaration[]
  readonly constants: readonly Constant[]
  /** `type View = ViewOf<typeof Struct>`: Struct by View. */
  readonly views: ReadonlyMap<string, string>
  /** `let` and `var` at the top level. */
  readonly variables: readonly Constant[]
}
