/**
 * Rules, as control calls that came from a file, obeyed by a director that is not a daemon's.
 */
import type { Calls } from '../control/protocol.ts'
import type { Director, Outcome } from '../director/director.ts'
import { refuse, serviceText } from '../director/check.ts'
import type { Refusal, ServiceKey } from '../director/model.ts'

/** The calls that rules may be. */
export type RuleName =
  | 'service.add'
  | 'service.edit'
  | 'service.delete'
  | 'service.flush'
  | 'server.add'
  | 'server.edit'
  | 'server.delete'
  | 'local.add'
  | 'local.delete'

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
    case 'service.add':
      return director.addService(what.service, what.settings)
    case 'service.edit':
      return director.editService(what.service, what.settings)
    case 'service.delete':
      return director.deleteService(what.service)
    case 'service.flush':
      director.flush()
      return null
    case 'server.add':
      return director.addServer(what.service, what.server, what.settings)
    case 'server.edit':
      return director.editServer(what.service, what.server, what.settings)
    case 'server.delete':
      return director.deleteServer(what.service, what.server)
    case 'local.add':
    case 'local.delete':
      return obeyLocal(director, call, what.service, what.address)
  }
}

function obeyLocal(
  director: Director,
  call: 'local.add' | 'local.delete',
  key: ServiceKey,
  address: string,
): Outcome {
  const entry = director.find(key)
  if (entry === undefined) return refuse('ESRCH', `there is no service ${serviceText(key)}`)
  if (call === 'local.add') return director.locals.add(entry, address)
  return director.locals.remove(entry, address)
}
