/**
 * `sluice completion bash|zsh`: what a shell must read to complete our commands, and `sluice complete`, which it then
 * asks at each key stroke.
 *
 *     eval "$(sluice completion bash)"        in ~/.bashrc
 *     eval "$(sluice completion zsh)"         in ~/.zshrc, after compinit
 *
 * All knowledge is on this side: the scripts only hand over the words typed so far, and take what they may become.
 */
import { realpathSync } from 'node:fs'
import { basename } from 'node:path'
import { Argument, type Command } from 'commander'
import { ControlClient } from '../../control/client.ts'
import { DEFAULT_SOCKET_PATH } from '../../control/protocol.ts'
import { completeIpvsadm } from '../ipvsadm/complete.ts'

const COMMANDS = 'ipvsadm ipvsadm-save ipvsadm-restore sluice'

/** `program`: sluice, as the shell calls it. */
export function completionScript(shell: 'bash' | 'zsh', program: string): string {
  return (shell === 'bash' ? BASH : ZSH).replace('PROGRAM', quote(program))
}

const BASH = `# Completion for ${COMMANDS}: eval "$(sluice completion bash)"
_sluice_complete() {
  local line=\${COMP_LINE:0:COMP_POINT} words head
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  mapfile -t COMPREPLY < <(PROGRAM complete -- "\${words[@]}" 2> /dev/null)
  # Readline takes what stands behind the last colon for the word.
  head=\${words[-1]}
  if [[ $head == *:* && $COMP_WORDBREAKS == *:* ]]; then
    head=\${head%"\${head##*:}"}
    COMPREPLY=("\${COMPREPLY[@]#"$head"}")
  fi
}
complete -o bashdefault -o default -F _sluice_complete ${COMMANDS}
`

const ZSH = `#compdef ${COMMANDS}
# Completion for ${COMMANDS}: eval "$(sluice completion zsh)"
_sluice_complete() {
  local -a found
  found=(\${(f)"$(PROGRAM complete -- "\${(@)words[1,CURRENT]}" 2> /dev/null)"})
  if (( \${#found} )); then compadd -- \${found}; else _files; fi
}
compdef _sluice_complete ${COMMANDS}
`

function quote(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`
}

export function describe(command: Command): void {
  command
    .description('Completion for a shell: print what it must read. See the first line of that.')
    .addArgument(new Argument('<shell>', 'which one').choices(['bash', 'zsh']))
    .action((shell: 'bash' | 'zsh') => {
      process.stdout.write(completionScript(shell, realpathSync(process.argv[1]!)))
    })
}

/** Completes `sluice` itself: `words` are behind its name. */
export type CompleteSluice = (words: readonly string[]) => Promise<string[]>

/** `sluice complete -- PROGRAM WORD…`, the last of which is being typed: what it may become, one a line. */
export function describeComplete(command: Command, completeSluice: CompleteSluice): void {
  command
    .description('What the last word of a command line may become, one a line: for shells.')
    .argument('<words...>', 'the command line so far')
    .action(async ([program = '', ...words]: string[]) => {
      const offered = await complete(basename(program), words, completeSluice)
      process.stdout.write(offered.map((each) => `${each}\n`).join(''))
    })
}

async function complete(
  program: string,
  words: readonly string[],
  completeSluice: CompleteSluice,
): Promise<string[]> {
  const current = words.at(-1) ?? ''
  if (program === 'sluice') return completeSluice(words)
  if (program === 'ipvsadm-save') return startingWith(current, ['-n', '--extended'])
  if (program === 'ipvsadm-restore') return startingWith(current, ['--atomic'])
  if (program !== 'ipvsadm') return []
  let client: ControlClient | undefined
  const connect = async () => {
    const path = process.env['SLUICE_SOCKET'] ?? DEFAULT_SOCKET_PATH
    client = await ControlClient.connect(path).catch(() => undefined)
    return client
  }
  try {
    return await completeIpvsadm(words, connect)
  } finally {
    client?.close()
  }
}

function startingWith(current: string, offered: readonly string[]): string[] {
  return offered.filter((each) => each.startsWith(current))
}
