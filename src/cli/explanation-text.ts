/**
 * An explanation for people: what each step is, and what it says.
 */
import type { Explanation } from '../control/protocol.ts'

/** One line a step; the name of a step that comes again and again stands once. */
export function formatExplanation({ steps }: Explanation): string {
  const width = Math.max(...steps.map(({ step }) => step.length))
  const lines = steps.map(({ step, text }, i) => {
    const label = steps[i - 1]?.step === step ? '' : step
    return `${label.padEnd(width)}  ${text}\n`
  })
  return lines.join('')
}
