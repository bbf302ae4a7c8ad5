/**
 * `sluice`: the command, and the list of its subcommands. Each is a file of its own, loaded only when it is called.
 *
 * Exit status: 0 done; 1 the answer is no; 2 wrong usage; 77 something this machine lacks.
 */
import { Command, CommanderError } from 'commander'
import { VERSION } from '../base/version.ts'
import { Exit, sayFailure } from './sluice/exit.ts'

type Describe = { describe(command: Command): void }

interface Subcommand {
  readonly summary: string
  load(): Promise<Describe>
}

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  run: {
    summary: 'be a director: the daemon, in the foreground',
    load: () => import('./sluice/run.ts'),
  },
  status: {
    summary: 'what the daemon does, in numbers',
    load: () => import('./sluice/status.ts'),
  },
  detach: {
    summary: 'end what the kernel forwards without a daemon',
    load: () => import('./sluice/detach.ts'),
  },
  explain: {
    summary: 'what would happen to a packet, and why',
    load: () => import('./sluice/explain.ts'),
  },
  replay: {
    summary: 'run recorded frames through the packet path',
    load: () => import('./sluice/replay.ts'),
  },
  compile: {
    summary: 'compile the packet path, or a file of your own, to eBPF',
    load: () => import('./sluice/compile.ts'),
  },
  mark: {
    summary: 'which packets have which firewall mark',
    load: () => import('./sluice/mark.ts'),
  },
  sysctl: {
    summary: 'the switches of IPVS',
    load: () => import('./sluice/sysctl.ts'),
  },
  realserver: {
    summary: 'be a real server for DR or TUN: the VIP, without answering ARP for it',
    load: () => import('./sluice/realserver.ts'),
  },
  completion: {
    summary: 'completion for a shell, and for ipvsadm',
    load: () => import('./sluice/completion.ts'),
  },
}

async function main(args: readonly string[]): Promise<void> {
  const program = new Command('sluice')
    .description('The Linux Virtual Server: a layer-4 load balancer.')
    .version(VERSION)
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'sluice: ')) })
    .exitOverride()
  const chosen = args.find((arg) => !arg.startsWith('-'))
  for (const [name, { summary, load }] of Object.entries(SUBCOMMANDS)) {
    const command = program.command(name).summary(summary).copyInheritedSettings(program)
    if (name === chosen) (await load()).describe(command)
  }
  if (chosen === 'complete') {
    const { describeComplete } = await import('./sluice/completion.ts')
    describeComplete(program.command('complete', { hidden: true }), completeSluice)
  }
  await program.parseAsync(args, { from: 'user' })
}

/** What the last of these words, which follow `sluice`, may become. */
async function completeSluice(words: readonly string[]): Promise<string[]> {
  const current = words.at(-1) ?? ''
  const [name, ...others] = words.slice(0, -1)
  if (name === undefined) {
    return [...Object.keys(SUBCOMMANDS), '--help', '--version'].filter((each) =>
      each.startsWith(current),
    )
  }
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined
  if (subcommand === undefined) return []
  const command = new Command(name)
  ;(await subcommand.load()).describe(command)
  const before = command.options.find(({ long }) => long === others.at(-1))
  const isValue = before !== undefined && (before.required || before.optional)
  const offered = isValue
    ? (before.argChoices ?? [])
    : [
        ...command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
        ...command.options.flatMap(({ long }) => long ?? []),
        '--help',
      ]
  return offered.filter((each) => each.startsWith(current))
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof CommanderError)) sayFailure(error)
  else process.exitCode = error.exitCode === 0 ? Exit.done : Exit.usage
}
