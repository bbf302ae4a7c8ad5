/**
 * ipvsadm's options, and how they are read from the command line: as popt does it.
 *
 * `-A -t x`, `-At x`, `-tx`, `-t=x`, `--tcp-service x`, `--tcp-service=x`; nothing may be abbreviated; `--` ends the
 * options. An option that needs an argument takes the next word whatever it looks like; one that may have an argument
 * does not take a word that begins with `-`. Errors name the word they are in, as popt's do.
 */

export interface OptionSpec {
  readonly long: string
  readonly short?: string
  readonly argument: 'none' | 'needed' | 'optional'
}

/** The first word must be, or begin with, one of these. `--add-laddr` and its like are Taobao's, for FULLNAT. */
export const COMMANDS = [
  { long: 'add-service', short: 'A', argument: 'none' },
  { long: 'edit-service', short: 'E', argument: 'none' },
  { long: 'delete-service', short: 'D', argument: 'none' },
  { long: 'clear', short: 'C', argument: 'none' },
  { long: 'restore', short: 'R', argument: 'none' },
  { long: 'save', short: 'S', argument: 'none' },
  { long: 'add-server', short: 'a', argument: 'none' },
  { long: 'edit-server', short: 'e', argument: 'none' },
  { long: 'delete-server', short: 'd', argument: 'none' },
  { long: 'list', short: 'L', argument: 'none' },
  { long: 'zero', short: 'Z', argument: 'none' },
  { long: 'set', argument: 'none' },
  { long: 'start-daemon', argument: 'needed' },
  { long: 'stop-daemon', argument: 'needed' },
  { long: 'help', short: 'h', argument: 'none' },
  { long: 'version', short: 'v', argument: 'none' },
  { long: 'add-laddr', short: 'P', argument: 'none' },
  { long: 'del-laddr', short: 'Q', argument: 'none' },
  { long: 'get-laddr', short: 'G', argument: 'none' },
] as const satisfies readonly OptionSpec[]

/** The last five are not ipvsadm's: FULLNAT's, and those that make ours better where they are given. */
export const OPTIONS = [
  { long: 'tcp-service', short: 't', argument: 'needed' },
  { long: 'udp-service', short: 'u', argument: 'needed' },
  { long: 'sctp-service', argument: 'needed' },
  { long: 'fwmark-service', short: 'f', argument: 'needed' },
  { long: 'scheduler', short: 's', argument: 'needed' },
  { long: 'persistent', short: 'p', argument: 'optional' },
  { long: 'netmask', short: 'M', argument: 'needed' },
  { long: 'real-server', short: 'r', argument: 'needed' },
  { long: 'masquerading', short: 'm', argument: 'none' },
  { long: 'ipip', short: 'i', argument: 'none' },
  { long: 'gatewaying', short: 'g', argument: 'none' },
  { long: 'weight', short: 'w', argument: 'needed' },
  { long: 'u-threshold', short: 'x', argument: 'needed' },
  { long: 'l-threshold', short: 'y', argument: 'needed' },
  { long: 'numeric', short: 'n', argument: 'none' },
  { long: 'connection', short: 'c', argument: 'none' },
  { long: 'mcast-interface', argument: 'needed' },
  { long: 'mcast-group', argument: 'needed' },
  { long: 'mcast-port', argument: 'needed' },
  { long: 'mcast-ttl', argument: 'needed' },
  { long: 'syncid', argument: 'needed' },
  { long: 'sync-maxlen', argument: 'needed' },
  { long: 'timeout', argument: 'none' },
  { long: 'daemon', argument: 'none' },
  { long: 'stats', argument: 'none' },
  { long: 'rate', argument: 'none' },
  { long: 'thresholds', argument: 'none' },
  { long: 'persistent-conn', argument: 'none' },
  { long: 'nosort', argument: 'none' },
  { long: 'sort', argument: 'none' },
  { long: 'exact', short: 'X', argument: 'none' },
  { long: 'ipv6', short: '6', argument: 'none' },
  { long: 'ops', short: 'o', argument: 'none' },
  { long: 'pe', argument: 'needed' },
  { long: 'sched-flags', short: 'b', argument: 'needed' },
  { long: 'tun-info', argument: 'none' },
  { long: 'tun-type', argument: 'needed' },
  { long: 'tun-port', argument: 'needed' },
  { long: 'tun-nocsum', argument: 'none' },
  { long: 'tun-csum', argument: 'none' },
  { long: 'tun-remcsum', argument: 'none' },
  { long: 'local-address', short: 'z', argument: 'needed' },
  { long: 'json', argument: 'none' },
  { long: 'watch', argument: 'optional' },
  { long: 'atomic', argument: 'none' },
  { long: 'extended', argument: 'none' },
] as const satisfies readonly OptionSpec[]

/** `-l` is `-L`. */
const LIST_ALIAS: OptionSpec = { long: 'list', short: 'l', argument: 'none' }
/** With a real server `-b` alone means FULLNAT; with a word behind it, scheduler flags (which are refused there). */
const FULLNAT: OptionSpec = { long: 'sched-flags', short: 'b', argument: 'optional' }

const BASE: readonly OptionSpec[] = [...COMMANDS, LIST_ALIAS, ...OPTIONS]
const WITH_FULLNAT: readonly OptionSpec[] = [...BASE.filter(({ short }) => short !== 'b'), FULLNAT]

export type CommandWord = (typeof COMMANDS)[number]['long']
export type OptionWord = (typeof OPTIONS)[number]['long']

const COMMAND_WORDS: ReadonlySet<string> = new Set(COMMANDS.map(({ long }) => long))

export function isCommandWord(long: string): long is CommandWord {
  return COMMAND_WORDS.has(long)
}

/** An option as found; `word` is the word of the command line it stood in (the argument's, if that was apart). */
export interface FoundOption {
  readonly long: CommandWord | OptionWord
  /** null: an optional argument was not given, or there is none to give. */
  readonly argument: string | null
  readonly word: string
}

/** What is wrong with a word, as popt says it. */
export interface WrongOption {
  readonly wrong: 'unknown option' | 'missing argument' | 'option does not take an argument'
  readonly word: string
}

/** Reads options one after the other; words that are none collect in `rest`. */
export class OptionReader {
  readonly rest: string[] = []
  readonly #words: readonly string[]
  #next = 0
  /** What is left of a bundle of short options. */
  #bundle = ''
  #isRestOnly = false
  #table = BASE

  constructor(words: readonly string[]) {
    this.#words = words
  }

  /** The index of the word last read. */
  get wordIndex(): number {
    return this.#next - 1
  }

  /** From here on `-b` may stand alone. */
  allowFullnat(): void {
    this.#table = WITH_FULLNAT
  }

  /** undefined: there are no more. */
  next(): FoundOption | WrongOption | undefined {
    if (this.#bundle !== '') return this.#nextOfBundle()
    for (;;) {
      const word = this.#words[this.#next]
      if (word === undefined) return undefined
      this.#next += 1
      if (this.#isRestOnly || !word.startsWith('-') || word === '-') this.rest.push(word)
      else if (word === '--') this.#isRestOnly = true
      else if (word.startsWith('--')) return this.#long(word)
      else {
        this.#bundle = word.slice(1)
        return this.#nextOfBundle()
      }
    }
  }

  #long(word: string): FoundOption | WrongOption {
    const equals = word.indexOf('=')
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals)
    const spec = this.#table.find(({ long }) => long === name)
    if (spec === undefined) return { wrong: 'unknown option', word }
    if (equals < 0) return this.#withArgument(spec, undefined)
    if (spec.argument === 'none') return { wrong: 'option does not take an argument', word }
    return this.#withArgument(spec, word.slice(equals + 1))
  }

  #nextOfBundle(): FoundOption | WrongOption {
    const letter = this.#bundle[0]!
    const spec = this.#table.find(({ short }) => short === letter)
    if (spec === undefined) return { wrong: 'unknown option', word: this.#lastWord() }
    const behind = this.#bundle.slice(1)
    this.#bundle = spec.argument === 'none' && !behind.startsWith('=') ? behind : ''
    if (spec.argument === 'none') {
      if (!behind.startsWith('=')) return this.#found(spec, null)
      return { wrong: 'option does not take an argument', word: this.#lastWord() }
    }
    return this.#withArgument(spec, behind === '' ? undefined : behind.replace(/^=/, ''))
  }

  /** `inline`: the argument, if it stood in the option's own word. */
  #withArgument(spec: OptionSpec, inline: string | undefined): FoundOption | WrongOption {
    if (spec.argument === 'none') return this.#found(spec, null)
    if (inline !== undefined) return this.#found(spec, inline)
    const word = this.#words[this.#next]
    if (spec.argument === 'optional' && (word === undefined || word.startsWith('-'))) {
      return this.#found(spec, null)
    }
    if (word === undefined) return { wrong: 'missing argument', word: this.#lastWord() }
    this.#next += 1
    return this.#found(spec, word)
  }

  #found(spec: OptionSpec, argument: string | null): FoundOption {
    return { long: spec.long as FoundOption['long'], argument, word: this.#lastWord() }
  }

  #lastWord(): string {
    return this.#words[this.#next - 1]!
  }
}
