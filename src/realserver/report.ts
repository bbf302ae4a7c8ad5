/**
 * What the operator reads: which changes are in place, and in the end which are not any more; as lines, or as JSON, one
 * object a line.
 */
import { formatChange, formatUndone, targetOf } from './change.ts'
import type { EndReport, Report } from './real-server.ts'
import { REFUSALS, type Refusal } from './unwrap.ts'

export function formatReport(report: Report): string[] {
  const { done, kept, deviceName } = report
  return [
    ...done.map(
      ({ change, isTakenOver }) =>
        formatChange(change) + (isTakenOver ? ' (taken over from a run that was killed)' : ''),
    ),
    ...kept,
    ...(deviceName === undefined ? [] : [`${deviceName}: packets come out of the tunnels there`]),
  ]
}

export function formatEnd({ undone, tunnels }: EndReport): string[] {
  const lines = undone.map(({ change, isUndone }) =>
    isUndone ? formatUndone(change) : `${targetOf(change)}: changed by somebody since, left so`,
  )
  if (tunnels === undefined) return lines
  lines.push(`${tunnels.delivered} packets out of the tunnels`)
  for (const [refusal, count] of Object.entries(tunnels.refused)) {
    if (count > 0) lines.push(`${count} refused: ${REFUSALS[refusal as Refusal]}`)
  }
  if (tunnels.overrun > 0) lines.push(`${tunnels.overrun} lost: they came faster than we took them`)
  for (const [name, count] of Object.entries(tunnels.failed)) {
    lines.push(`${count} not taken by the stack: ${name}`)
  }
  return lines
}

export function reportToJson(report: Report): string {
  const { mode, vips, interfaceName, done, kept, deviceName } = report
  const changes = done.map(({ change, isTakenOver }) => ({ ...change, takenOver: isTakenOver }))
  const [anInterface, device] = [interfaceName ?? null, deviceName ?? null]
  return JSON.stringify({
    event: 'ready',
    mode,
    vips,
    interface: anInterface,
    changes,
    kept,
    device,
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
