/**
 * JSON with its places: every value knows its line and column, so that a complaint about it can say where.
 *
 * RFC 8259, nothing more: no comments, no trailing commas. A key that comes twice is refused.
 */

/** Where in a text, both counted from 1; columns in UTF-16 units. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** What is wrong there, and what to write instead. */
export interface Problem extends Place {
  readonly message: string
}

export interface JsonMember extends Place {
  readonly value: JsonNode
}

export interface JsonNode extends Place {
  readonly value: null | boolean | number | string | readonly JsonNode[] | JsonObject
}
/** Members in their order; the place of a member is its key's. */
export type JsonObject = ReadonlyMap<string, JsonMember>

const NESTING_MAX = 64
const TOKEN = /[{}[\],:]|"(?:[^"\\\u0000-\u001f]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[a-z]+/y
const SPACE = /[ \t\r\n]*/y

/** The value a whole text stands for, or the first problem. */
export function readJson(text: string): JsonNode | Problem {
  const reader = new JsonReader(text)
  try {
    const node = reader.readValue(0)
    reader.expectEnd()
    return node
  } catch (error) {
    if (error instanceof Unreadable) return error.problem
    throw error
  }
}

export function isProblem(read: JsonNode | Problem): read is Problem {
  return 'message' in read
}

class Unreadable extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.message)
    this.problem = problem
  }
}

class JsonReader {
  readonly #text: string
  /** Of the next token. */
  #at = 0
  #line = 1
  #lineStart = 0

  constructor(text: string) {
    this.#text = text
    this.#skipSpace()
  }

  readValue(depth: number): JsonNode {
    if (depth > NESTING_MAX) this.#fail(`lists and objects are nested deeper than ${NESTING_MAX}`)
    const place = this.#place()
    const token = this.#take()
    if (token === '{') return { ...place, value: this.#readObject(depth) }
    if (token === '[') return { ...place, value: this.#readList(depth) }
    try {
      return { ...place, value: JSON.parse(token) as null | boolean | number | string }
    } catch {
      throw new Unreadable({ ...place, message: `${token} is no JSON value` })
    }
  }

  #readList(depth: number): JsonNode[] {
    const items: JsonNode[] = []
    if (this.#takeIf(']')) return items
    for (;;) {
      items.push(this.readValue(depth + 1))
      if (this.#takeIf(']')) return items
      this.#expect(',', 'a comma or ] belongs here')
    }
  }

  #readObject(depth: number): JsonObject {
    const members = new Map<string, JsonMember>()
    if (this.#takeIf('}')) return members
    for (;;) {
      const place = this.#place()
      const { value: key } = this.readValue(depth + 1)
      if (typeof key !== 'string') {
        throw new Unreadable({ ...place, message: 'a key in double quotes belongs here' })
      }
      if (members.has(key)) {
        throw new Unreadable({ ...place, message: `"${key}" stands here a second time` })
      }
      this.#expect(':', 'a colon belongs here')
      members.set(key, { ...place, value: this.readValue(depth + 1) })
      if (this.#takeIf('}')) return members
      this.#expect(',', 'a comma or } belongs here')
    }
  }

  expectEnd(): void {
    if (this.#at < this.#text.length) this.#fail('the text should end here')
  }

  #takeIf(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false
    this.#take()
    return true
  }

  #expect(token: string, message: string): void {
    if (!this.#takeIf(token)) this.#fail(message)
  }

  #take(): string {
    TOKEN.lastIndex = this.#at
    const token = TOKEN.exec(this.#text)?.[0]
    if (token === undefined) this.#fail(this.#describeRest())
    this.#at += token.length
    this.#skipSpace()
    return token
  }

  #describeRest(): string {
    const next = this.#text.codePointAt(this.#at)
    if (next === undefined) return 'the text ends too early'
    const character = String.fromCodePoint(next)
    return character === '"' ? 'this string does not end well' : `${character} means nothing here`
  }

  #skipSpace(): void {
    SPACE.lastIndex = this.#at
    const space = SPACE.exec(this.#text)?.[0] ?? ''
    // Only here can lines end: a string holds no line break.
    this.#line += space.split('\n').length - 1
    if (space.includes('\n')) this.#lineStart = this.#at + space.lastIndexOf('\n') + 1
    this.#at += space.length
  }

  #place(): Place {
    return { line: this.#line, column: this.#at - this.#lineStart + 1 }
  }

  #fail(message: string): never {
    throw new Unreadable({ ...this.#place(), message })
  }
}
