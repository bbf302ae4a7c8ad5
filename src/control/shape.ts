/**
 * Shapes of JSON values from outside: each says whether a value has it, and if not, where and why.
 *
 *     const serverKey = object({ address, port: integer(0, 65535) })
 *     serverKey(value, 'with.server')      throws: with.server.port: 70000 is not between 0 and 65535
 *
 * A shape returns the value as it must be used: addresses become canonical, fields nobody asked for are refused.
 */
import { parseIp, familyOf, ipToWords } from '../base/ip.ts'
import { ControlError } from './control-error.ts'

/** Throws ControlError EINVAL that names `path`. */
export type Shape<T> = (value: unknown, path: string) => T

type Fields = Readonly<Record<string, Shape<unknown>>>
type Of<F extends Fields> = { readonly [K in keyof F]: ReturnType<F[K]> }

export function refuseShape(path: string, what: string): never {
  throw new ControlError('EINVAL', `${path}: ${what}`)
}

/** A value in a message: short, whatever it is. */
export function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 40 ? `${text.slice(0, 37)}…` : text
}

export function integer(min: number, max: number): Shape<number> {
  return (value, path) => {
    if (!Number.isInteger(value)) refuseShape(path, `${shorten(value)} is no integer`)
    const number = value as number
    if (number < min || number > max) {
      refuseShape(path, `${number} is not between ${min} and ${max}`)
    }
    return number
  }
}

export const boolean: Shape<boolean> = (value, path) =>
  typeof value === 'boolean'
    ? value
    : refuseShape(path, `${shorten(value)} is neither true nor false`)

export const text: Shape<string> = (value, path) =>
  typeof value === 'string' ? value : refuseShape(path, `${shorten(value)} is no text`)

export function oneOf<T extends string | number>(...allowed: readonly T[]): Shape<T> {
  return (value, path) =>
    allowed.includes(value as T)
      ? (value as T)
      : refuseShape(path, `${shorten(value)} is none of ${allowed.join(', ')}`)
}

/** An IP address, made canonical. v4-mapped ones are refused: the tables hold IPv4 in that form. */
export const address: Shape<string> = (value, path) => {
  const ip = typeof value === 'string' ? parseIp(value) : undefined
  if (ip === undefined) return refuseShape(path, `${shorten(value)} is no IP address`)
  const [w0, w1, w2, w3] = ipToWords(ip)
  if (familyOf(ip) === 6 && w0 === 0 && w1 === 0 && w2 === 0xffff) {
    const dotted = [w3 >>> 24, (w3 >>> 16) & 255, (w3 >>> 8) & 255, w3 & 255].join('.')
    return refuseShape(path, `${ip} is an IPv4 address in disguise; write ${dotted}`)
  }
  return ip
}

/** Each element is told its place: `with.changes[3]`. */
export function array<T>(shape: Shape<T>): Shape<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) return refuseShape(path, `${shorten(value)} is no list`)
    return value.map((each, i) => shape(each, `${path}[${i}]`))
  }
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value, path) => (value === null ? null : shape(value, path))
}

/** Any number of them. */
export function list<T>(shape: Shape<T>): Shape<T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) return refuseShape(path, `${shorten(value)} is no list`)
    return value.map((one, i) => shape(one, `${path}[${i}]`))
  }
}

/** All of these fields and, if they are there, the optional ones; no others. */
export function object<F extends Fields, O extends Fields = Record<never, never>>(
  fields: F,
  optional?: O,
): Shape<Of<F> & Partial<Of<O>>> {
  const needed = Object.entries(fields)
  const possible = Object.entries(optional ?? {})
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      refuseShape(path, `${shorten(value)} is no object`)
    }
    const given = value as Record<string, unknown>
    const result: Record<string, unknown> = {}
    for (const [name, shape] of needed) {
      if (given[name] === undefined) refuseShape(`${path}.${name}`, 'is missing')
      result[name] = shape(given[name], `${path}.${name}`)
    }
    for (const [name, shape] of possible) {
      if (given[name] !== undefined) result[name] = shape(given[name], `${path}.${name}`)
    }
    for (const name in given) {
      if (!Object.hasOwn(result, name)) refuseShape(`${path}.${name}`, 'is unknown here')
    }
    return result as Of<F> & Partial<Of<O>>
  }
}
