/**
 * The demonstration's command line.
 */
import { parseArgs } from 'node:util'
import type { AttachChoice, EngineChoice } from './director.ts'
import type { Family } from './host.ts'
import { MODE_NAMES, type ModeName } from './modes.ts'

export interface DemoOptions {
  readonly modes: readonly ModeName[]
  readonly family: Family
  readonly engine: EngineChoice
  readonly attach: AttachChoice
  readonly isKept: boolean
  readonly isJson: boolean
  readonly isCleaning: boolean
}

export const USAGE = `usage: ./demo [--mode nat|dr|tun|fullnat|all] [--ipv6] [--engine auto|kernel|v8]
              [--attach auto|xdp|tc] [--keep] [--json]
       ./demo --clean

Builds a LAN of network namespaces on this machine (client, director, real servers with nginx), has Sluice forward
real traffic in each mode while servers are drained and added, and says what happened. Needs root.

  --mode    which way of forwarding to show (default: all)
  --ipv6    all of it in IPv6
  --engine  what runs the packet path (default: auto)
  --attach  where the kernel runs it (default: auto)
  --keep    leave the LAN and everything in it running
  --json    one JSON object as the last line on stdout; all else goes to stderr
  --clean   remove what --keep left`

const ENGINES: readonly string[] = ['auto', 'kernel', 'v8']
const PLACES: readonly string[] = ['auto', 'xdp', 'tc']

/** The options; a text where somebody asks for help, or an Error that says what is wrong with them. */
export function readOptions(args: readonly string[]): DemoOptions | string | Error {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        mode: { type: 'string', default: 'all' },
        engine: { type: 'string', default: 'auto' },
        attach: { type: 'string', default: 'auto' },
        ipv6: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        clean: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) return USAGE
    const isChosen = (name: ModeName) => values.mode === 'all' || values.mode === name
    const modes = MODE_NAMES.filter(isChosen)
    if (modes.length === 0) return new Error(`--mode is one of ${MODE_NAMES.join(', ')}, all`)
    if (!ENGINES.includes(values.engine)) {
      return new Error(`--engine is one of ${ENGINES.join(', ')}`)
    }
    if (!PLACES.includes(values.attach)) {
      return new Error(`--attach is one of ${PLACES.join(', ')}`)
    }
    return {
      modes,
      family: values.ipv6 ? 6 : 4,
      engine: values.engine as EngineChoice,
      attach: values.attach as AttachChoice,
      isKept: values.keep,
      isJson: values.json,
      isCleaning: values.clean,
    }
  } catch (error) {
    return error as Error
  }
}
