/**
 * The second half of an explanation: the connection that was opened, what was rewritten, where it leaves, the verdict.
 *
 * Nothing here decides anything. The tables in use must be those that the trial changed: the copy.
 */
import { wordsToIp } from '../base/ip.ts'
import { partsToMac } from '../base/mac.ts'
import type { ExplainedStep } from '../control/protocol.ts'
import { forwardingOf } from '../dataplane/connection.ts'
import { REASON_TEXT, reasonName, verdictName } from '../dataplane/reason-text.ts'
import {
  connections,
  Forwarding,
  hops,
  NONE,
  servers,
  ServiceFlag,
  services,
} from '../dataplane/tables.ts'
import { Reason, Verdict, verdictOf } from '../dataplane/verdict.ts'
import { serverText } from '../director/check.ts'
import { listConnection } from '../director/listing.ts'
import { printFrame } from '../wire/print.ts'
import { describeDifference } from './frame-difference.ts'
import { addressOf } from './name.ts'
import type { Trial } from './probe.ts'

const FORWARDING_TEXT: Readonly<Record<number, string>> = {
  [Forwarding.masquerade]:
    "NAT (-m): goes to the real server's address and port, and its answers come back through here",
  [Forwarding.local]: 'local: the real server is this host',
  [Forwarding.tunnel]:
    'tunnel (-i): travels inside another packet, and the real server answers the client itself',
  [Forwarding.direct]:
    'direct routing (-g): only the MAC address changes, and the real server answers the client itself',
  [Forwarding.fullnat]:
    'FULLNAT (-b): both addresses change, and answers come back to the local address',
}

/** Opened connection, forwarding method, changes, next hop and verdict. */
export function tellOutcome(
  trial: Trial,
  nameInterface: (index: number) => string,
): ExplainedStep[] {
  const verdict = verdictOf(trial.reason)
  const isOnItsWay = trial.reason === Reason.toServer || trial.reason === Reason.toClient
  const isRewritten = isOnItsWay || verdict === Verdict.hold
  return [
    ...tellOpened(trial),
    ...tellForwarding(trial),
    ...(isRewritten ? tellChanges(trial) : []),
    ...(verdict === Verdict.send && !isOnItsWay ? tellAnswer(trial) : []),
    ...tellNextHop(trial, nameInterface),
    tellVerdict(trial.reason),
  ]
}

function tellOpened({ isOpened, connection, service }: Trial): ExplainedStep[] {
  if (!isOpened) return []
  if ((services.row(service).flags & ServiceFlag.onePacket) !== 0) {
    return [{ step: 'opened', text: 'none: the next packet is scheduled anew' }]
  }
  const { state, expiresS, local } = listConnection(connections.row(connection))
  const from = local === null ? '' : `, from local address and port ${serverText(local)}`
  const text = `a new one: ${state}, for ${expiresS} s unless more packets come${from}`
  return [{ step: 'opened', text }]
}

function tellForwarding({ server, connection }: Trial): ExplainedStep[] {
  if (server === NONE || connection === NONE) return []
  const text = FORWARDING_TEXT[forwardingOf(connections.row(connection))]
  return text === undefined ? [] : [{ step: 'forwarding', text }]
}

function tellChanges({ before, after }: Trial): ExplainedStep[] {
  return [{ step: 'changes', text: describeDifference(before, after).join('; ') || 'none' }]
}

function tellAnswer({ after }: Trial): ExplainedStep[] {
  return [{ step: 'answer', text: printFrame(after) }]
}

function tellNextHop(trial: Trial, nameInterface: (index: number) => string): ExplainedStep[] {
  const { reason, egress, hop, server } = trial
  const step = 'next hop'
  const next = wordsToIp(...trial.next)
  if (reason === Reason.noRoute || reason === Reason.answeredNoRoute) {
    const target = addressOf(servers.row(server))
    const isKnown = reason === Reason.answeredNoRoute || egress === 0
    return [
      { step, text: isKnown ? `no route leads to ${target}` : `no neighbour ${target} is known` },
    ]
  }
  if (verdictOf(reason) === Verdict.hold) {
    const text = `${next} on ${nameInterface(egress)}, whose MAC address is not known`
    return [{ step, text }]
  }
  if (verdictOf(reason) !== Verdict.send) return []
  if (hop === NONE) return [{ step, text: `back out of ${nameInterface(egress)}` }]
  const { macHigh, macLow, mtu } = hops.row(hop)
  const mac = partsToMac(macHigh, macLow)
  const steps = [{ step, text: `${next} on ${nameInterface(egress)}, MAC ${mac}, MTU ${mtu}` }]
  if (isLeftToGateway(trial, next)) {
    steps.push({
      step,
      text: 'a gateway: the packet, still addressed to the VIP, is for it to send on',
    })
  }
  return steps
}

/** Direct routing wants a neighbour. */
function isLeftToGateway({ server, connection, reason }: Trial, next: string): boolean {
  if (reason !== Reason.toServer || connection === NONE) return false
  const method = forwardingOf(connections.row(connection))
  return method === Forwarding.direct && next !== addressOf(servers.row(server))
}

function tellVerdict(reason: number): ExplainedStep {
  const name = reasonName(reason)
  const verdict = verdictName(verdictOf(reason))
  return { step: 'verdict', text: `${verdict} (${name}): ${REASON_TEXT[name]}` }
}
