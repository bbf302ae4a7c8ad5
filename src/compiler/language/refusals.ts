/**
 * What TypeScript has and the data-plane language has not: one sentence each, and what to write instead.
 *
 * `parse` meets these by their syntax alone; check.ts has the rules that need to know what a name means.
 */
export interface Advice {
  readonly message: string
  readonly instead: string
}

const UNROLL = 'for (let i: u32 = 0; i < LIMIT; i++) with a constant LIMIT, and break'

export const REFUSALS = {
  closure: {
    message: 'a function inside a function',
    instead: 'a function declaration at the top level, with what it needs as parameters',
  },
  class: { message: 'a class', instead: 'a row() or header() struct and functions' },
  new: {
    message: 'an object made for each packet',
    instead: 'a cursor or X.local() at the top level',
  },
  array: { message: 'an array', instead: 'a table, or constants at the top level' },
  object: { message: 'an object', instead: 'X.local() at the top level, handed on as a parameter' },
  spread: { message: 'a spread', instead: 'each value by itself' },
  destructuring: { message: 'destructuring', instead: 'const a: u32 = x.a' },
  string: { message: 'a string', instead: 'a number with a name; text is the control plane’s' },
  regex: { message: 'a regular expression', instead: 'comparisons of numbers' },
  bigint: { message: 'a BigInt', instead: 'u32, or a u64 field and its add…' },
  fraction: { message: 'a number that is not whole', instead: 'a whole number in a smaller unit' },
  undefined: { message: 'undefined', instead: 'a number that means "none", such as NONE' },
  this: { message: 'this', instead: 'a parameter' },
  exception: { message: 'an exception', instead: 'return a Reason' },
  switch: { message: 'switch', instead: 'if … else if …' },
  while: { message: 'a loop without a constant bound', instead: UNROLL },
  forIn: { message: 'for … in', instead: 'for … of over a constant at the top level' },
  forShape: { message: 'a loop whose bound cannot be seen', instead: UNROLL },
  label: { message: 'a label', instead: 'a function that returns' },
  var: { message: 'var', instead: 'let or const' },
  computedMember: {
    message: 'a member that is computed',
    instead: 'a table row by index: cursor.at(index)',
  },
  nonNull: {
    message: '`!` hides a check that the kernel asks for',
    instead: 'if (x === null) return …',
  },
  assertion: { message: 'a type assertion', instead: 'u8(x), u16(x) or u32(x)' },
  optionalChain: { message: 'optional chaining', instead: 'if (x === null) …' },
  nullish: { message: '??', instead: 'x === null ? … : …' },
  looseEquality: { message: 'loose equality', instead: '=== or !==' },
  comma: { message: 'a comma operator', instead: 'two statements' },
  nestedAssignment: {
    message: 'an assignment inside an expression',
    instead: 'a statement of its own',
  },
  power: { message: '**', instead: 'a constant, or a shift' },
  signedShift: { message: '>> keeps the sign', instead: '>>>' },
  plus: { message: 'a unary +', instead: 'the number as it is' },
  operator: { message: 'an operator the language does not have', instead: 'compare numbers' },
  several: { message: 'several declarations in one', instead: 'one declaration a statement' },
  asynchronous: { message: 'a function that waits', instead: 'a plain function' },
  generic: { message: 'a generic function', instead: 'one function for each type' },
  parameterShape: {
    message: 'a parameter that is optional, has a default or gathers the rest',
    instead: 'plain parameters, all of them given',
  },
  statement: { message: 'a statement the language does not have', instead: 'if, for, return' },
  expression: { message: 'an expression the language does not have', instead: 'numbers and views' },
} as const satisfies Readonly<Record<string, Advice>>

export type Refusal = keyof typeof REFUSALS
