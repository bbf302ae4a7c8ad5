/**
 * The demonstration, `./demo`: each mode in a LAN of its own, one after the other, and what came of it.
 *
 * Whatever happens, nothing stays on the machine: the LAN is taken down at the end and on errors, on Ctrl-C and its
 * like by `removeOnSignals`, and where this process is killed by its guardian.
 *
 * Exit status: 0 every promise was kept; 1 one was not; 2 wrong usage; 77 this machine lacks something.
 */
import { constants } from 'node:os'
import { isKernelError } from '../kernel/errno.ts'
import { listNamespaces } from '../kernel/netns.ts'
import { readOptions, type DemoOptions } from './demo-options.ts'
import { Lacking } from './commands.ts'
import { Lan } from './lan.ts'
import { clearLab, clearLeftovers, keepLab, labFolder, labPrefix } from './leftovers.ts'
import { bracketed, modeOf, type ModeName } from './modes.ts'
import { judge, type Finding } from './promises.ts'
import { describeFinding, describeMode, summarise, type ModeSummary } from './report.ts'
import { runMode } from './run-mode.ts'
import { startGuardian } from './script.ts'

const Exit = { done: 0, no: 1, usage: 2, lacking: 77 } as const

/** Of a mode that could not be shown. */
const NOTHING: ModeSummary = {
  ok: false,
  requests: 0,
  failed: 0,
  servers: {},
  clientAddressKept: false,
}

/** The command; resolves to its exit status. */
export async function runDemo(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  if (typeof options === 'string') {
    console.log(options)
    return Exit.done
  }
  if (options instanceof Error) {
    console.error(`demo: ${options.message}`)
    return Exit.usage
  }
  if (process.getuid?.() !== 0) {
    console.error('demo: network namespaces need root: run it with sudo.')
    return Exit.lacking
  }
  if (options.isCleaning) {
    const cleared = clearLeftovers('also kept')
    console.log(`demo: ${cleared.length === 0 ? 'nothing was left' : 'removed what was left'}`)
    return Exit.done
  }
  clearLeftovers('spare kept')
  return new Demo(options).run()
}

class Demo {
  readonly #options: DemoOptions
  readonly #startedMs = performance.now()
  readonly #summaries: Partial<Record<ModeName, ModeSummary>> = {}
  #engine = ''
  #isEnding = false
  #attached: readonly string[] = []

  constructor(options: DemoOptions) {
    this.#options = options
  }

  async run(): Promise<number> {
    const dismissGuardian = startGuardian()
    const forget = removeOnSignals(dismissGuardian, () => (this.#isEnding = true))
    try {
      for (const name of this.#options.modes) await this.#show(name)
      if (this.#options.isKept) keepLab()
      else clearLab()
    } catch (error) {
      clearLab()
      console.error(`demo: ${textOf(error)}`)
      return isLacking(error) ? Exit.lacking : Exit.no
    } finally {
      await dismissGuardian()
      forget()
    }
    return this.#close()
  }

  async #show(name: ModeName): Promise<void> {
    const lan = new Lan(`${labPrefix()}-${name}`, this.#options.family)
    try {
      await this.#showIn(lan, name)
    } catch (error) {
      // By a signal: what was taken down under the demonstration's feet is no failure, and nothing new may begin.
      if (this.#isEnding) await new Promise<never>(() => {})
      lan.takeDown()
      if (isLacking(error)) throw error
      this.#summaries[name] = NOTHING
      this.#say(
        this.#describe({ isKept: false, text: `${name} could not be shown: ${textOf(error)}` }),
      )
    }
    this.#say('')
  }

  async #showIn(lan: Lan, name: ModeName): Promise<void> {
    const { engine, attach, isKept, family } = this.#options
    const {
      evidence,
      engine: ran,
      attached,
    } = await runMode(lan, modeOf(name, family), {
      engine,
      attach,
      isKept,
      folder: `${labFolder()}/${name}`,
      onProgress: (what) => this.#progress(`${name}: ${what}`),
    })
    const findings = judge(evidence)
    if (isKept) lan.hosts.forEach((host) => host.close())
    else findings.push(takeDown(lan))
    this.#engine = ran
    this.#attached = attached
    this.#summaries[name] = summarise(evidence, findings)
    for (const line of describeMode(evidence, findings, this.#hasColour())) this.#say(line)
  }

  #close(): number {
    const all = Object.values(this.#summaries)
    const ok = all.every((summary) => summary.ok)
    const requests = all.reduce((sum, summary) => sum + summary.requests, 0)
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(0)
    const places = [...new Set(this.#attached)].join(', ')
    const verdict = `engine ${this.#engine} (${places}): ${requests} requests in ${seconds} s, all promises kept`
    const text = ok ? verdict : 'not all promises were kept'
    this.#say(this.#describe({ isKept: ok, text }))
    if (this.#options.isKept) this.#explainKept()
    if (this.#options.isJson) {
      const [engine, attached, modes] = [this.#engine, this.#attached, this.#summaries]
      const result = { ok, engine, attached, modes }
      console.log(JSON.stringify(result))
    }
    return ok ? Exit.done : Exit.no
  }

  #explainKept(): void {
    const [name] = this.#options.modes
    const prefix = `${labPrefix()}-${name}`
    this.#say('')
    this.#say('The LAN is still there. For example:')
    const { vip } = modeOf(name!, this.#options.family)
    this.#say(`  ip netns exec ${prefix}-client curl -ig http://${bracketed(vip)}/`)
    const socket = `SLUICE_SOCKET=${labFolder()}/${name}/sluice.sock`
    this.#say(`  ${socket} bin/ipvsadm -Ln --stats`)
    this.#say('  ./demo --clean     removes all of it')
  }

  /** What happens, when it happens. */
  #progress(what: string): void {
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(1)
    this.#say(`${seconds.padStart(5)} s  ${what}`)
  }

  #describe(finding: Finding): string {
    return describeFinding(finding, this.#hasColour())
  }

  #hasColour(): boolean {
    const isTerminal = this.#options.isJson ? process.stderr.isTTY : process.stdout.isTTY
    return isTerminal === true && process.env['NO_COLOR'] === undefined
  }

  /** To stdout, which with --json is for the JSON alone. */
  #say(line: string): void {
    if (this.#options.isJson) console.error(line)
    else console.log(line)
  }
}

function takeDown(lan: Lan): Finding {
  lan.takeDown()
  const left = listNamespaces().filter((name) => name.startsWith(`${lan.prefix}-`))
  return { isKept: left.length === 0, text: `nothing is left behind: ${left.length} namespaces` }
}

/** Until the result is called: what ends this process ends the lab first. */
function removeOnSignals(dismissGuardian: () => Promise<void>, onEnding: () => void): () => void {
  const end = (signal: NodeJS.Signals) => {
    onEnding()
    clearLab()
    console.error(`demo: ended by ${signal}; nothing is left behind`)
    void dismissGuardian().finally(() => process.exit(128 + constants.signals[signal]))
  }
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, end)
  return () => {
    for (const signal of signals) process.removeListener(signal, end)
  }
}

/** One sentence of those who know; everything about what nobody expected. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return isLacking(error) ? error.message : (error.stack ?? error.message)
}

function isLacking(error: unknown): boolean {
  return error instanceof Lacking || isKernelError(error, 'EPERM', 'EOPNOTSUPP')
}
