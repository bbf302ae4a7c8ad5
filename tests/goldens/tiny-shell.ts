/**
 * As much of a shell as the recorded commands need: `a; b`, `a | b`, quotes, `> file`, `< file`, and the programs
 * `cat`, `printf` and `echo`, on files that live in memory.
 *
 * Whatever else a line says is refused loudly: a recording must not pass because it was not understood.
 */

export interface Result {
  readonly stdout: string
  readonly stderr: string
  readonly rc: number
}

/** A program: its words without its name, and what it reads. */
export type Program = (words: readonly string[], input: string) => Promise<Result> | Result

export class TinyShell {
  readonly #programs: Readonly<Record<string, Program>>
  readonly #files = new Map<string, string>([['/dev/null', '']])

  constructor(programs: Readonly<Record<string, Program>>) {
    this.#programs = { ...programs, cat: (words) => this.#cat(words), printf }
  }

  /** The whole line; output of its commands one behind the other, status of the last. */
  async run(line: string): Promise<Result> {
    let [stdout, stderr, rc] = ['', '', 0]
    for (const list of splitTokens(tokens(line), ';')) {
      let input = ''
      for (const command of splitTokens(list, '|')) {
        const result = await this.#runOne(command, input)
        input = result.stdout
        stderr += result.stderr
        rc = result.rc
      }
      stdout += input
    }
    return { stdout, stderr, rc }
  }

  async #runOne(command: readonly Token[], piped: string): Promise<Result> {
    const words: string[] = []
    let input = piped
    let target: string | undefined
    for (let i = 0; i < command.length; i++) {
      const { text, isOperator } = command[i]!
      if (!isOperator) words.push(text)
      else if (text === '<') input = this.#read(command[++i]!.text)
      else target = command[++i]!.text
    }
    const [name, ...rest] = words
    const program = this.#programs[name ?? '']
    if (program === undefined) throw new Error(`the tiny shell has no program ${name}`)
    const result = await program(rest, input)
    if (target === undefined) return result
    this.#files.set(target, target === '/dev/null' ? '' : result.stdout)
    return { ...result, stdout: '' }
  }

  #read(path: string): string {
    const text = this.#files.get(path)
    if (text === undefined) throw new Error(`the tiny shell has no file ${path}`)
    return text
  }

  #cat(paths: readonly string[]): Result {
    return { stdout: paths.map((path) => this.#read(path)).join(''), stderr: '', rc: 0 }
  }
}

interface Token {
  readonly text: string
  /** One of ; | < > */
  readonly isOperator: boolean
}

const TOKEN = /\s*(?:([;|<>])|((?:'[^']*'|"[^"$`\\]*"|[^\s;|<>'"$`\\&()]+)+))\s*/y

function tokens(line: string): Token[] {
  const found: Token[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < line.length) {
    const at = TOKEN.lastIndex
    const match = TOKEN.exec(line)
    if (match === null) throw new Error(`the tiny shell cannot read: ${line.slice(at)}`)
    const [, operator, word] = match
    const text = operator ?? word!.replace(/'([^']*)'|"([^"]*)"/g, '$1$2')
    found.push({ text, isOperator: operator !== undefined })
  }
  return found
}

function splitTokens(list: readonly Token[], operator: string): Token[][] {
  const parts: Token[][] = [[]]
  for (const token of list) {
    if (token.isOperator && token.text === operator) parts.push([])
    else parts.at(-1)!.push(token)
  }
  return parts
}

/** Of printf(1) only the format, and in it only \n and \t. */
function printf(words: readonly string[]): Result {
  const format = words[0] === '--' ? words[1]! : words[0]!
  return {
    stdout: format.replaceAll('\\n', '\n').replaceAll('\\t', '\t'),
    stderr: '',
    rc: 0,
  }
}
