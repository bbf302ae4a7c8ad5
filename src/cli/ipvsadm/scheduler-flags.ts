/**
 * Scheduler flags (`-b`): names for three bits, which mean what the scheduler makes of them.
 */

const GENERAL = ['flag-1', 'flag-2', 'flag-3'] as const
/** Schedulers with names of their own for bits, lowest first; a name replaces flag-N. */
const OWN: Readonly<Record<string, readonly string[]>> = {
  sh: ['sh-fallback', 'sh-port'],
  mh: ['mh-fallback', 'mh-port'],
}
const DEFAULT_SCHEDULER = 'wlc'

/** Bits 1, 2, 4 of names with commas between; a string says what is wrong. */
export function parseSchedulerFlags(scheduler: string, text: string): number | string {
  if (text === '') return 0
  const own = OWN[scheduler === '' ? DEFAULT_SCHEDULER : scheduler] ?? []
  let flags = 0
  // As strtok(3) has it, commas at the ends and several in a row say nothing.
  const names = text.split(',').filter((each) => each !== '')
  // Where ipvsadm finds no name at all it falls over.
  if (names.length === 0) return `invalid scheduler flag \`${text}'`
  for (const name of names) {
    const bit = Math.max(own.indexOf(name), (GENERAL as readonly string[]).indexOf(name))
    if (bit < 0) {
      const isKnown = Object.values(OWN).some((names) => names.includes(name))
      return `${isKnown ? 'incompatible' : 'invalid'} scheduler flag \`${name}'`
    }
    flags |= 1 << bit
  }
  return flags
}

/** Names of the bits that are set, in order, with commas between. */
export function formatSchedulerFlags(scheduler: string, flags: number): string {
  return namesOf(scheduler)
    .filter((_, bit) => (flags & (1 << bit)) !== 0)
    .join(',')
}

/** A scheduler with names of its own has no name for the third bit. */
function namesOf(scheduler: string): readonly string[] {
  return OWN[scheduler] ?? GENERAL
}
