/**
 * What the operator reads: which changes are in place, and in the end which are not any more; as lines, or as JSON, one
 * object a line.
 */
import { formatChange, formatUndone, targetOf } from './change.ts'
import type { EndReport, Report } from './real-server.ts'
import type { TunnelCounts, TunnelReport } from './tunnel-end.ts'
import { REFUSALS, type Refusal } from './unwrap.ts'

export function formatReport(report: Report): string[] {
  const { done, kept, tunnels } = report
  return [
    ...done.map(
      ({ change, isTakenOver }) =>
        formatChange(change) + (isTakenOver ? ' (taken over from a run that was killed)' : ''),
    ),
    ...kept,
    ...(tunnels === undefined ? [] : formatTunnels(tunnels)),
  ]
}

function formatTunnels({ engine, why, attached, deviceName, notes }: TunnelReport): string[] {
  const places = attached.map(
    (one) => `${one.interface}: tunnels end in the kernel (${one.how})${inWords(one.why)}`,
  )
  const device = engine === 'v8' ? 'packets come' : 'what the kernel leaves to this process comes'
  return [
    ...(why === undefined ? [] : [`tunnels end in this process, not in the kernel: ${why}`]),
    ...places,
    ...(deviceName === undefined ? [] : [`${deviceName}: ${device} out of the tunnels there`]),
    ...notes,
  ]
}

function inWords(why: string): string {
  return why === '' ? '' : `: ${why}`
}

export function formatEnd({ undone, tunnels }: EndReport): string[] {
  const lines = undone.map(({ change, isUndone }) =>
    isUndone ? formatUndone(change) : `${targetOf(change)}: changed by somebody since, left so`,
  )
  if (tunnels === undefined) return lines
  return [...lines, ...formatCounts(tunnels)]
}

function formatCounts({ kernel, delivered, refused, overrun, failed }: TunnelCounts): string[] {
  const lines: string[] = []
  if (kernel !== undefined) {
    const { ipip, gre, gue, congested, ...left } = kernel
    const sum = Object.values(left).reduce((all, one) => all + one, 0)
    lines.push(`${ipip + gre + gue} packets out of the tunnels in the kernel`)
    if (congested > 0) lines.push(`${congested} dropped there: ${REFUSALS.congested}`)
    if (sum > 0) lines.push(`${sum} left there to the host's stack`)
  }
  lines.push(
    `${delivered} packets out of the tunnels${kernel === undefined ? '' : ' in this process'}`,
  )
  for (const [refusal, count] of Object.entries(refused)) {
    if (count > 0) lines.push(`${count} refused: ${REFUSALS[refusal as Refusal]}`)
  }
  if (overrun > 0) lines.push(`${overrun} lost: they came faster than we took them`)
  for (const [name, count] of Object.entries(failed)) {
    lines.push(`${count} not taken by the stack: ${name}`)
  }
  return lines
}

export function reportToJson(report: Report): string {
  const { mode, vips, interfaceName, done, kept, tunnels } = report
  const changes = done.map(({ change, isTakenOver }) => ({ ...change, takenOver: isTakenOver }))
  const { engine, why, attached, deviceName, notes } = tunnels ?? {}
  return JSON.stringify({
    event: 'ready',
    mode,
    vips,
    interface: interfaceName ?? null,
    changes,
    kept,
    engine: engine ?? null,
    why: why ?? null,
    attached: attached ?? [],
    device: deviceName ?? null,
    notes: notes ?? [],
  })
}

export function endToJson({ undone, tunnels }: EndReport): string {
  const changes = undone.map(({ change, isUndone }) => ({ ...change, undone: isUndone }))
  return JSON.stringify({ event: 'end', changes, tunnels: tunnels ?? null })
}

/** A warning of the first packet that is refused for this reason. */
export function formatRefusal(refusal: Refusal): string {
  return `a packet does not come out of its tunnel: ${REFUSALS[refusal]}; further ones are only counted`
}
