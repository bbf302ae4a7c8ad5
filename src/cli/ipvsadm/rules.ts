/**
 * A file of rules, as `ipvsadm -S` writes it, understood without a daemon.
 *
 * Each line adds a service (`-A`), a real server (`-a`) or a FULLNAT local address (`-P`), or sets the timeouts
 * (`--set`); a leading word `ipvsadm` is passed over, and so are empty lines and what follows a `#`, but for lines that
 * begin with `#sluice` (sluice/lines.ts).
 */
import type { Rule, RuleName } from '../../replay/rule.ts'
import { NO_NAMES, type Names } from './address.ts'
import { parseCommand, TRY_HELP, type Command } from './command.ts'
import { WrongUsage } from './draft.ts'
import { isSluiceLine, parseSluiceLine } from '../sluice/lines.ts'

export type { Rule }

export interface RuleProblem {
  /** Both counted from 1. */
  readonly line: number
  readonly column: number
  readonly message: string
}

/** Every line that is wrong; the message is one problem a line. */
export class RulesError extends Error {
  readonly problems: readonly RuleProblem[]

  constructor(problems: readonly RuleProblem[]) {
    super(
      problems
        .map(({ line, column, message }) => `line ${line}, column ${column}: ${message}`)
        .join('\n'),
    )
    this.name = 'RulesError'
    this.problems = problems
  }
}

/** Throws RulesError. Without `names`, addresses and ports must be numbers (`ipvsadm -S -n`). */
export function parseRules(text: string, names: Names = NO_NAMES): Rule[] {
  const rules: Rule[] = []
  const problems: RuleProblem[] = []
  for (const [index, content] of text.split('\n').entries()) {
    const line = index + 1
    const words = splitWords(content)
    if (words.length === 0) continue
    try {
      const texts = words.map(({ word }) => word)
      const command = isSluiceLine(texts) ? parseSluiceLine(texts) : parseCommand(texts, names)
      if (isRule(command)) rules.push({ call: command.call, with: command.with, line } as Rule)
      else problems.push({ line, column: words[0]!.column, message: 'a rule is -A, -a or -P' })
    } catch (error) {
      if (!(error instanceof WrongUsage)) throw error
      const column = (words[error.wordIndex ?? 0] ?? words.at(-1)!).column
      problems.push({ line, column, message: messageOf(error) })
    }
  }
  if (problems.length > 0) throw new RulesError(problems)
  return rules
}

function messageOf({ message }: WrongUsage): string {
  return message === TRY_HELP ? 'a rule begins with -A, -a or -P' : message.trim()
}

const RULE_CALLS: Readonly<Record<RuleName, true>> = {
  'service.add': true,
  'server.add': true,
  'local.add': true,
  'timeouts.set': true,
  'mark.add': true,
  'mark.set': true,
  'sysctl.set': true,
}

function isRule(command: Command): command is Extract<Command, { call: RuleName }> {
  return command.kind === 'change' && command.call in RULE_CALLS
}

/** The words of a line, without a leading `ipvsadm` and a comment. */
function splitWords(line: string): { word: string; column: number }[] {
  const words: { word: string; column: number }[] = []
  for (const { 0: word, index } of line.matchAll(/\S+/g)) {
    if (word.startsWith('#') && !(words.length === 0 && isSluiceLine([word]))) break
    words.push({ word, column: index + 1 })
  }
  return words[0]?.word === 'ipvsadm' ? words.slice(1) : words
}
