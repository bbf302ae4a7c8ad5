/**
 * bin/ipvsadm: ipvsadm 1.31 for a running Sluice.
 *
 * It is started often and by scripts, so what a command does not need is not loaded, and all of it is in one file
 * (tools/bundle.mjs), which is why nothing here may be awaited outside a function.
 */
import { DEFAULT_SOCKET_PATH } from '../control/protocol.ts'
import { ControlError } from '../control/control-error.ts'
import type { ControlClient } from '../control/client.ts'
import { explainNoDaemon } from './ipvsadm/errors.ts'
import { MachineNames } from './ipvsadm/names.ts'
import { runIpvsadm } from './ipvsadm/run.ts'
import { NoDaemon } from './ipvsadm/surroundings.ts'

let client: ControlClient | undefined

async function connect(): Promise<ControlClient> {
  if (client !== undefined) return client
  const path = process.env['SLUICE_SOCKET'] ?? DEFAULT_SOCKET_PATH
  const { ControlClient } = await import('../control/client.ts')
  try {
    return (client = await ControlClient.connect(path))
  } catch (error) {
    if (!(error instanceof ControlError)) throw error
    throw new NoDaemon(explainNoDaemon(error.errno, path))
  }
}

/** Lines of the standard input; the last one may lack its end. */
async function* readLines(): AsyncGenerator<string> {
  let rest = ''
  process.stdin.setEncoding('utf8')
  for await (const chunk of process.stdin as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}

/** `ipvsadm -L | head` ends early, which is nobody's fault. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** False: a signal asks for an end. */
function pause(seconds: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (goesOn: boolean) => {
      clearTimeout(timer)
      for (const name of SIGNALS) process.off(name, end)
      resolve(goesOn)
    }
    const end = () => settle(false)
    const timer = setTimeout(() => settle(true), seconds * 1000)
    for (const name of SIGNALS) process.on(name, end)
  })
}

async function main(): Promise<void> {
  process.exitCode = await runIpvsadm(process.argv.slice(2), {
    connect,
    names: new MachineNames(),
    input: readLines(),
    terminalRows: () => (process.stdout.isTTY ? process.stdout.rows : null),
    pause,
    print: (text) => process.stdout.write(text),
    complain: (text) => process.stderr.write(text),
  })
  client?.close()
}

void main()
