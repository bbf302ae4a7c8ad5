/**
 * Rules, as control calls that came from a file, obeyed by a director that is not a daemon's.
 */
import type { Calls } from '../control/protocol.ts'
import type { Director } from '../director/director.ts'
import { refuse, serviceText } from '../director/check.ts'
import type { Outcome, Refusal } from '../director/model.ts'
import { setSysctl } from '../director/sysctls.ts'
import { writeTimeouts } from '../director/timeouts.ts'

/** The calls that `ipvsadm -S` writes. */
export type RuleName =
  | 'service.add'
  | 'server.add'
  | 'local.add'
  | 'timeouts.set'
  | 'mark.add'
  | 'mark.set'
  | 'sysctl.set'

/** One rule and the line of the file it stands in. */
export type Rule = {
  [N in RuleName]: { readonly call: N; readonly with: Calls[N]['with']; readonly line: number }
}[RuleName]

/** A rule that the director refused. */
export interface RefusedRule extends Refusal {
  readonly line: number
}

/** Obeys the rules in order, to the end; those that were refused. */
export function obeyRules(director: Director, rules: readonly Rule[]): RefusedRule[] {
  return rules.flatMap((rule) => {
    const refusal = obey(director, rule)
    return refusal === null ? [] : [{ ...refusal, line: rule.line }]
  })
}

function obey(director: Director, rule: Rule): Outcome {
  const { call, with: what } = rule
  switch (call) {
    case 'timeouts.set':
      writeTimeouts(what)
      return null
    case 'mark.add':
      return director.marks.add(what.rules, what.at)
    case 'mark.set':
      return director.marks.set(what.rules)
    case 'sysctl.set': {
      const refusal = setSysctl(what.name, what.value)
      // On paper, memory is never short.
      if (refusal === null) director.defence.adjust(Infinity)
      return refusal
    }
    case 'service.add':
      return director.addService(what.service, what.settings)
    case 'server.add':
      return director.addServer(what.service, what.server, what.settings)
    case 'local.add': {
      const entry = director.find(what.service)
      if (entry !== undefined) return director.locals.add(entry, what.address)
      return refuse('ESRCH', `there is no service ${serviceText(what.service)}`)
    }
  }
}
