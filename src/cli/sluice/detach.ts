/**
 * `sluice detach`: ends what the kernel engine forwards, and removes every trace of it.
 */
import type { Command } from 'commander'
import { Exit, Failure } from './exit.ts'

interface DetachOptions {
  readonly name: string
  readonly all: boolean
  readonly json: boolean
}

export function describe(command: Command): void {
  command
    .description(
      'End what the kernel forwards without a daemon: programs, tables and connections are gone,\n' +
        'and the host answers for itself. A daemon that runs must end first.',
    )
    .option(
      '--name <name>',
      'which instance (default: SLUICE_NAME, else default)',
      process.env['SLUICE_NAME'] ?? 'default',
    )
    .option('--all', 'every instance there is', false)
    .option('--json', 'one JSON object an instance', false)
    .action(run)
}

async function run({ name, all, json }: DetachOptions): Promise<void> {
  if (process.getuid?.() !== 0) throw new Failure(Exit.lacking, 'detach needs root.')
  const { detachInstance } = await import('../../engine/detach.ts')
  const { listInstances } = await import('../../engine/instance.ts')
  const names = all ? listInstances() : [name]
  for (const each of names) {
    try {
      const detached = detachInstance(each)
      const places = detached.interfaces.map(({ index, how }) => `interface ${index} (${how})`)
      const from = places.length === 0 ? 'no interface' : places.join(', ')
      const text = `detached "${each}" from ${from}`
      process.stdout.write(json ? `${JSON.stringify(detached)}\n` : `${text}\n`)
    } catch (error) {
      const isSaid = error instanceof Error && /^(EngineProblem|KernelError)$/.test(error.name)
      if (!isSaid) throw error
      throw new Failure(Exit.no, error.message)
    }
  }
}
