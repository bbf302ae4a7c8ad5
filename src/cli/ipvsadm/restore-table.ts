/**
 * `ipvsadm -R --atomic`: the lines of the standard input make a new table in place of the old one, or nothing changes.
 *
 * They are run in order on a table that is empty at first. Services and servers that the new table has as the old one
 * had them are not touched: their connections and counters go on. What is wrong is told with the number of its line,
 * all of it at once; empty lines and comments are passed over.
 */
import { ControlError } from '../../control/control-error.ts'
import type { ListedChange, ListedRefusal } from '../../control/protocol.ts'
import type { MarkRule, TableChange } from '../../director/model.ts'
import { TRY_HELP, type Change } from './command.ts'
import { WrongUsage } from './draft.ts'
import { isSluiceLine, parseSluiceLine } from '../sluice/lines.ts'
import { understand, type Caller, type Surroundings } from './surroundings.ts'

/** Changes that go to the daemon in one call, and calls that wait for their answer. */
const CHANGES_A_CALL = 500
const UNANSWERED_MAX = 4
/** Problems that are told before it is enough. */
const PROBLEMS_MAX = 20

const TABLE_CALLS: Readonly<Record<TableChange['call'], true>> = {
  'service.flush': true,
  'service.add': true,
  'service.edit': true,
  'service.delete': true,
  'server.add': true,
  'server.edit': true,
  'server.delete': true,
  'local.add': true,
  'local.delete': true,
}

/** Changes of the table, and those that are made behind them. */
interface Read {
  readonly changes: ListedChange[]
  readonly others: (Change & { readonly line: number })[]
  readonly problems: string[]
}

/** Ends with 0; 2: lines are wrong; 255: the director refuses. */
export async function restoreTable(surroundings: Surroundings): Promise<number> {
  const read = await readLines(surroundings)
  if (read.problems.length > 0) {
    for (const problem of read.problems) surroundings.complain(`${problem}\n`)
    return 2
  }
  const caller = await surroundings.connect()
  try {
    const refusals = await replace(caller, read)
    for (const { line, message } of refusals) surroundings.complain(`stdin:${line}: ${message}\n`)
    return refusals.length === 0 ? 0 : 255
  } catch (error) {
    if (!(error instanceof ControlError)) throw error
    surroundings.complain(`${error.message}\n`)
    return 255
  }
}

async function readLines({ input, names }: Surroundings): Promise<Read> {
  const read: Read = { changes: [], others: [], problems: [] }
  let line = 0
  for await (const content of input) {
    line++
    const words = content.split(/\s+/).filter((word) => word !== '')
    if (words[0] === 'ipvsadm') words.shift()
    if (words.length === 0 || (words[0]!.startsWith('#') && !isSluiceLine(words))) continue
    if (read.problems.length >= PROBLEMS_MAX) break
    try {
      const change = await understandChange(words, names)
      if (change.call in TABLE_CALLS) read.changes.push({ ...change, line } as ListedChange)
      else read.others.push({ ...change, line })
    } catch (error) {
      if (!(error instanceof WrongUsage)) throw error
      const text = error.message === TRY_HELP ? 'no command of ipvsadm' : error.message.trim()
      read.problems.push(`stdin:${line}: ${text}`)
    }
  }
  return read
}

async function understandChange(
  words: readonly string[],
  names: Surroundings['names'],
): Promise<Change> {
  if (isSluiceLine(words)) return parseSluiceLine(words)
  const command = await understand(words, names)
  if (command.kind === 'change' && !NOT_IN_A_TABLE.has(command.call)) return command
  throw new WrongUsage(
    2,
    `\`${words[0]}' has no place in a table: it is made of -A, -a, -P and --set`,
  )
}

const NOT_IN_A_TABLE: ReadonlySet<Change['call']> = new Set([
  'service.zero',
  'sync.start',
  'sync.stop',
])

type Refused = Pick<ListedRefusal, 'line' | 'message'>

/** What was refused; nothing: the table is the one in use. */
async function replace(caller: Caller, { changes, others }: Read): Promise<readonly Refused[]> {
  const wrong = await refuseSwitches(caller, others)
  if (wrong.length > 0) return wrong
  const marking = others.filter(({ call }) => call === 'mark.set' || call === 'mark.add')
  const before = marking.length === 0 ? null : await caller.call('mark.list', {})
  // Before the table, and back if that is refused: to be refused themselves afterwards would be too late.
  if (before !== null) {
    const refusal = await setMarks(caller, before, marking)
    if (refusal !== null) return [refusal]
  }
  const putBack = () => (before === null ? null : caller.call('mark.set', { rules: before }))
  try {
    const refusals = await replaceTable(caller, changes)
    if (refusals.length > 0) {
      await putBack()
      return refusals
    }
  } catch (error) {
    await putBack()
    throw error
  }
  for (const each of others) {
    if (!marking.includes(each)) await caller.call(each.call, each.with)
  }
  return []
}

/** Switches that there are not, or that mean nothing here. */
async function refuseSwitches(caller: Caller, others: Read['others']): Promise<Refused[]> {
  if (!others.some(({ call }) => call === 'sysctl.set')) return []
  const switches = await caller.call('sysctl.list', {})
  return others.flatMap((each): Refused[] => {
    if (each.call !== 'sysctl.set') return []
    const { name } = each.with
    const found = switches.find((one) => one.name === name.replace(/^net[./]ipv4[./]vs[./]/, ''))
    if (found === undefined) return [{ line: each.line, message: `there is no switch ${name}` }]
    return found.value === null ? [{ line: each.line, message: `${name}: ${found.why}` }] : []
  })
}

/** All rules that mark at once. */
async function setMarks(
  caller: Caller,
  before: readonly MarkRule[],
  marking: Read['others'],
): Promise<Refused | null> {
  let rules = before.map((rule) => ({ rule, line: 0 }))
  for (const each of marking) {
    if (each.call === 'mark.set') rules = []
    if (each.call !== 'mark.set' && each.call !== 'mark.add') continue
    rules.push(...each.with.rules.map((rule) => ({ rule, line: each.line })))
  }
  try {
    await caller.call('mark.set', { rules: rules.map(({ rule }) => rule) })
    return null
  } catch (error) {
    if (!(error instanceof ControlError)) throw error
    // The director counts its rules, the operator the lines of the file.
    const number = Number(/^rule ([0-9]+)/.exec(error.message)?.[1] ?? 0)
    const line = rules[number - 1]?.line ?? marking[0]!.line
    return { line, message: error.message }
  }
}

async function replaceTable(
  caller: Caller,
  changes: readonly ListedChange[],
): Promise<readonly ListedRefusal[]> {
  const { table } = await caller.call('table.begin', {})
  const waiting: Promise<unknown>[] = []
  for (let i = 0; i < changes.length; i += CHANGES_A_CALL) {
    const part = changes.slice(i, i + CHANGES_A_CALL)
    const put = caller.call('table.put', { table, changes: part.map(withoutKind) })
    // Whoever awaits it learns of a failure.
    put.catch(() => {})
    waiting.push(put)
    if (waiting.length >= UNANSWERED_MAX) await waiting.shift()
  }
  await Promise.all(waiting)
  return caller.call('table.commit', { table })
}

function withoutKind({ line, call, with: parameters }: ListedChange): ListedChange {
  return { line, call, with: parameters } as ListedChange
}
