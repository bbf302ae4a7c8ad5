/**
 * The firewall mark in an explanation: which rule gives it, and whether a service has it.
 *
 * The packet path has found the mark; here only the rule is sought that gave it, the first that fits.
 */
import { parsePrefix, prefixContains } from '../base/ip.ts'
import type { ExplainedStep } from '../control/protocol.ts'
import { NONE, services, settings } from '../dataplane/tables.ts'
import { readMarkRules } from '../director/mark-words.ts'
import type { MarkRule, ServerKey } from '../director/model.ts'
import type { Trial } from './probe.ts'

export function tellMark({ mark, question, service }: Trial): ExplainedStep[] {
  const { marks } = settings.row(0)
  if (mark === 0 || marks === 0) return []
  const number = readMarkRules(marks).findIndex((rule) => fits(rule, question)) + 1
  const isServed = service !== NONE && services.row(service).firewallMark === mark
  const text = `rule ${number} gives it firewall mark ${mark}`
  return [{ step: 'mark', text: isServed ? text : `${text}, of which there is no service` }]
}

function fits(rule: MarkRule, { client, virtual, protocol }: Trial['question']): boolean {
  return (
    (rule.protocol === null || rule.protocol === protocol) &&
    isFrom(rule.source, rule.sourcePorts, client) &&
    isFrom(rule.destination, rule.destinationPorts, virtual)
  )
}

function isFrom(
  prefix: string | null,
  ports: MarkRule['sourcePorts'],
  { address, port }: ServerKey,
): boolean {
  if (ports !== null && (port < ports[0] || port > ports[1])) return false
  return prefix === null || prefixContains(parsePrefix(prefix)!, address)
}
