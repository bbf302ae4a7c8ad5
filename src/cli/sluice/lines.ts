/**
 * Lines of a file of rules for which ipvsadm has no words: `#sluice …`, a comment to everybody else.
 *
 *     #sluice sysctl NAME=VALUE      a switch
 *     #sluice mark flush             no rule gives a firewall mark any more
 *     #sluice mark add MARK …        which packets have which firewall mark (mark-text.ts)
 *
 * `ipvsadm -S --extended` writes them; `-R`, `ipvsadm-restore`, `sluice run`, `explain` and `replay` read them.
 */
import type { Change } from '../ipvsadm/command.ts'
import { WrongUsage } from '../ipvsadm/draft.ts'
import type { Caller } from '../ipvsadm/surroundings.ts'
import { formatMark, readMarkWords } from '../mark-text.ts'
import { readSetting } from '../sysctl-text.ts'

const FIRST_WORD = '#sluice'

/** What a word after #sluice means: the words behind it as a change. Throws WrongUsage. */
type Read = (words: readonly string[]) => Change

const KINDS: Readonly<Record<string, Read>> = { mark: readMarkLine, sysctl: readSysctlLine }

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
export async function listSluiceLines(caller: Caller): Promise<string[]> {
  const switches = await caller.call('sysctl.list', {})
  const marks = await caller.call('mark.list', {})
  return [
    ...switches
      .filter(({ value, default: byDefault }) => value !== byDefault)
      .map(({ name, value }) => `${FIRST_WORD} sysctl ${name}=${value}`),
    ...(marks.length === 0 ? [] : [`${FIRST_WORD} mark flush`]),
    ...marks.map((rule) => `${FIRST_WORD} mark add ${formatMark(rule)}`),
  ]
}

function readMarkLine([verb, ...words]: readonly string[]): Change {
  if (verb === 'add') {
    const rules = placed(3, () => readMarkWords(words))
    return { kind: 'change', call: 'mark.add', with: { rules } }
  }
  if (verb === 'flush' && words.length === 0) {
    return { kind: 'change', call: 'mark.set', with: { rules: [] } }
  }
  throw new WrongUsage(2, "a #sluice mark line is `add MARK …' or `flush'", 2)
}

/** What is wrong with word n of the words behind the first `before` of a line is so with word n + `before` of it. */
function placed<T>(before: number, read: () => T, byDefault?: number): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof WrongUsage) {
      const index = error.wordIndex ?? byDefault
      error.wordIndex = index === undefined ? undefined : index + before
    }
    throw error
  }
}

function readSysctlLine(words: readonly string[]): Change {
  const setting = placed(2, () => readSetting(words.join(' ')), 0)
  if (setting.value === undefined) throw new WrongUsage(2, 'a #sluice sysctl line is NAME=VALUE', 2)
  const { name, value } = setting
  return { kind: 'change', call: 'sysctl.set', with: { name, value } }
}
