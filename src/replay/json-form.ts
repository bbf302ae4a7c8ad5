/**
 * One JSON object, filled in by a person: its fields read one by one, and every complaint collected with its place.
 *
 * A field that is missing or wrong reads as some value of its type: who finds complaints afterwards does not use it.
 */
import type { JsonNode, JsonObject, Place, Problem } from './json-source.ts'

export class JsonForm {
  readonly #members: JsonObject
  /** Undefined: there is no object, which has been said. */
  readonly #place: Place | undefined
  readonly #problems: Problem[]

  /** The object `node`, which may have `fields` and no others. Complaints go to `problems`. */
  constructor(node: JsonNode, problems: Problem[], fields: readonly string[]) {
    this.#problems = problems
    const isObject = node.value instanceof Map
    this.#place = isObject ? node : undefined
    this.#members = isObject ? (node.value as JsonObject) : new Map()
    const known = fields.map((field) => `"${field}"`).join(', ')
    if (!isObject) this.#complainAt(node, `write an object here, with ${known}`)
    for (const [key, member] of this.#members) {
      if (!fields.includes(key)) {
        this.#complainAt(member, `there is no "${key}" here, only ${known}`)
      }
    }
  }

  has(field: string): boolean {
    return this.#members.has(field)
  }

  /** Complains about a field or, if it is missing, about the object. */
  complain(field: string, message: string): void {
    const place = this.#members.get(field)?.value ?? this.#place
    if (place !== undefined) this.#complainAt(place, message)
  }

  /** What `parse` makes of a field that must be there; `wanted` says in words what to write. */
  text<T>(field: string, parse: (text: string) => T | undefined, wanted: string): T {
    const value = this.#members.get(field)?.value.value
    const parsed = typeof value === 'string' ? parse(value) : undefined
    if (parsed !== undefined) return parsed
    let found = typeof value === 'string' ? `"${value}" will not do` : 'this is no text'
    if (value === undefined) found = 'is missing'
    this.complain(field, `"${field}": ${found}; write ${wanted}`)
    return undefined as T
  }

  /** A field that may be left out: an integer from `least` to `most`. */
  integer(field: string, least: number, most: number): number | undefined {
    const value = this.#members.get(field)?.value.value
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) {
      return value
    }
    this.complain(field, `"${field}": write an integer from ${least} to ${most}`)
    return undefined
  }

  /** A field that may be left out: a list of whatever `read` reads. */
  list<T>(field: string, read: (node: JsonNode) => T): T[] | undefined {
    const value = this.#members.get(field)?.value.value
    if (value === undefined) return undefined
    if (Array.isArray(value)) return (value as readonly JsonNode[]).map(read)
    this.complain(field, `"${field}": write a list, [ … ]`)
    return []
  }

  #complainAt({ line, column }: Place, message: string): void {
    this.#problems.push({ line, column, message })
  }
}
