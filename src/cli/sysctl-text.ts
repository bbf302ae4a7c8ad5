/**
 * `NAME` and `NAME=VALUE`, as sysctl(8) has them.
 */
import { WrongUsage } from './ipvsadm/draft.ts'
import { parseNumber } from './ipvsadm/number.ts'

export interface Setting {
  readonly name: string
  /** undefined: asked for alone. */
  readonly value: number | undefined
}

/** Throws WrongUsage. */
export function readSetting(text: string): Setting {
  const [name = '', value, ...rest] = text.split('=').map((part) => part.trim())
  if (name === '' || rest.length > 0)
    throw new WrongUsage(2, `a switch is NAME=VALUE, not \`${text}'`)
  if (value === undefined) return { name, value }
  const number = parseNumber(value, -0x80000000, 0x7fffffff)
  if (number === undefined)
    throw new WrongUsage(2, `the value of ${name} is a number, not \`${value}'`)
  return { name, value: number }
}
