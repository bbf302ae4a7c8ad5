/**
 * Lines of a file of rules for which ipvsadm has no words: `#sluice …`, a comment to everybody else.
 *
 *     #sluice sysctl NAME=VALUE      a switch
 *     #sluice mark …                 which packets have which firewall mark
 *
 * `ipvsadm -S --extended` writes them; `-R`, `ipvsadm-restore`, `sluice run`, `explain` and `replay` read them.
 */
import type { Change } from './ipvsadm-command.ts'
import { WrongUsage } from './ipvsadm-draft.ts'
import type { Caller } from './ipvsadm-surroundings.ts'

const FIRST_WORD = '#sluice'

/** What a word after #sluice means: the words behind it as a change. Throws WrongUsage. */
type Read = (words: readonly string[]) => Change

const KINDS: Readonly<Record<string, Read>> = {}

/** Is it such a line? */
export function isSluiceLine(words: readonly string[]): boolean {
  return words[0] === FIRST_WORD
}

/** `words` are those of a line, `#sluice` the first. Throws WrongUsage. */
export function parseSluiceLine([, kind, ...words]: readonly string[]): Change {
  const read = kind === undefined || !Object.hasOwn(KINDS, kind) ? undefined : KINDS[kind]
  if (read !== undefined) return read(words)
  const known = Object.keys(KINDS).join(', ')
  throw new WrongUsage(2, `no #sluice line begins with \`${kind ?? ''}'; there are: ${known}`, 1)
}

/** The lines that make what there is. */
export async function listSluiceLines(_caller: Caller): Promise<string[]> {
  return []
}
