/**
 * What the daemon says of itself: a line on stderr, with the priority that systemd's journal understands
 * (sd-daemon(3)) if that is who listens.
 */
const PRIORITIES = { error: 3, warning: 4, info: 6 } as const
const WORDS = { error: 'error: ', warning: 'warning: ', info: '' } as const

export type Severity = keyof typeof PRIORITIES
export type Log = (severity: Severity, text: string) => void

export const logToStderr: Log = (severity, text) => {
  const isJournal = process.env['JOURNAL_STREAM'] !== undefined
  const prefix = isJournal ? `<${PRIORITIES[severity]}>` : `sluice: ${WORDS[severity]}`
  process.stderr.write(`${prefix}${text.replaceAll('\n', '\n  ')}\n`)
}
