/**
 * As much of iptables(8) and ip(8) as the recordings use beside ipvsadm: rules that set a firewall mark, and local
 * routes.
 *
 * Our packet path stands before netfilter, so `-j MARK` becomes a rule of our own. Whether an address is the host's
 * own does not matter to us.
 */
import type { MarkRule, ServiceProtocol } from '../../src/director/model.ts'
import type { Laboratory } from './laboratory.ts'
import type { Program } from './tiny-shell.ts'

const DONE = { stdout: '', stderr: '', rc: 0 }

/** Throws if the words are not understood: a recording must not pass because of that. */
export function iptablesOn(laboratory: Laboratory): Program {
  return (words) => {
    laboratory.use()
    const rules = readMarkRules(words)
    const outcome = laboratory.director.marks.set([...laboratory.director.marks.rules, ...rules])
    if (outcome !== null) throw new Error(outcome.message)
    return DONE
  }
}

export const ip: Program = (words) => {
  if (!/^route add local \S+ dev lo$/.test(words.join(' '))) {
    throw new Error(`what to do for: ip ${words.join(' ')}`)
  }
  return DONE
}

function readMarkRules(words: readonly string[]): MarkRule[] {
  const text = words.join(' ')
  const form = new RegExp(
    '^-t mangle -A PREROUTING(?: -s (\\S+))? -d (\\S+)(?: -p (\\S+))?' +
      '(?: -m multiport --dports (\\S+))?(?: --dport (\\S+))? -j MARK --set-mark (\\d+)$',
  )
  const match = form.exec(text)
  if (match === null) throw new Error(`what to do for: iptables ${text}`)
  const [, source = null, destination, protocol = null, ports, port, mark] = match
  const rule = {
    mark: Number(mark),
    protocol: protocol as ServiceProtocol | null,
    source,
    destination: destination!,
    sourcePorts: null,
  }
  const listed = (ports ?? port)?.split(',') ?? [null]
  return listed.map((each) => ({
    ...rule,
    destinationPorts: each === null ? null : portsOf(each),
  }))
}

function portsOf(text: string): [number, number] {
  const [first, last = first] = text.split(':').map(Number)
  return [first!, last!]
}
