/**
 * The kernel engine: the packet path as programs of the kernel, at XDP or tc, on tables that this process shares.
 *
 *      NIC ─► packet path ─┬─ send ─► another interface
 *              │  ▲        ├─ pass ─► the host's stack
 *      tables ◄┘  │        ├─ hold ─► the kernel resolves the neighbour, and keeps the frame meanwhile
 *        ▲        │        └─ too long for its way ─► TAP device ─► cut here
 *        └── mapped into this process
 *
 * Nothing here touches a frame but those that must be cut. What was attached forwards on when this process ends or is
 * killed; the next one finds it by the instance's names (instance.ts), adopts tables and attachments, and puts its own
 * programs in the place of the old ones, each in one step. Why so: docs/decisions/0006-the-kernel-engine.md.
 */
import { ZERO_MAC } from '../base/mac.ts'
import { setNow } from '../subset/clock.ts'
import { shareMemory } from '../subset/shared-memory.ts'
import type { TableSet } from '../subset/table.ts'
import { NONE, settings } from '../dataplane/tables.ts'
import { ProgramBarrier } from '../kernel/bpf/barrier.ts'
import { JiffiesClock } from '../kernel/bpf/clock.ts'
import { probeBpf, type Fact } from '../kernel/bpf/features.ts'
import { isKernelError } from '../kernel/errno.ts'
import { close } from '../kernel/ffi.ts'
import { openRtnetlink } from '../kernel/netlink/rtnetlink.ts'
import { ticksPerSecond } from '../kernel/tick.ts'
import { readXdpFeatures } from '../kernel/netlink/xdp-features.ts'
import { readArtefact } from './artefact-file.ts'
import { SpecialPrograms, type LoadedPrograms } from './special-programs.ts'
import { choosePlaces, type AttachWish, type Place } from './attach-choice.ts'
import { Cutter } from './cutter.ts'
import { EngineProblem, type AttachedInterface, type Engine, type EngineLink } from './engine.ts'
import { Instance, isInstanceName } from './instance.ts'
import { ownNetwork } from './instances.ts'
import { Attachment, type AttachmentSurroundings } from './kernel-attachment.ts'
import { KernelClock } from './kernel-clock.ts'
import { KernelPrograms, type ReadProgram } from './kernel-programs.ts'
import type { KernelTables } from './kernel-tables.ts'
import { findTables, type FoundTables, type TakeOver } from './take-over.ts'

export interface KernelEngineOptions {
  /** Name of the instance. */
  readonly instance: string
  readonly attach: AttachWish
  /** Rows by table name, where not the default. An instance that is there keeps its own. */
  readonly capacities: Readonly<Record<string, number>>
  /** For tests: other programs than the build's, and as on kernels before 6.6. */
  readonly readProgram?: ReadProgram
  readonly readSpecial?: ReadProgram
  readonly hasTcx?: false
}

export interface KernelEngineEvents {
  /** Frames that are to be cut wait for this neighbour. */
  onUnresolved(interfaceIndex: number, address: string): void
  onProblem(text: string): void
  /** Has what is in the tables to do with IPv4 alone? Without it nothing special is made of that. */
  isIpv4Only?(): boolean
}

/** Without one of these there is no kernel engine. */
const NEEDED: readonly Fact[] = [
  'canLoad',
  'pins',
  'mappableMaps',
  'largeValues',
  'fetchingAtomics',
  'jiffies',
]

interface Port {
  readonly attachment: Attachment
  /** Of the virtual device; undefined for hardware. */
  readonly kind: string | undefined
  readonly name: string
  readonly mac: string
}

interface Parts extends AttachmentSurroundings {
  readonly programs: KernelPrograms
  readonly tables: KernelTables
  readonly jiffies: JiffiesClock
  readonly clock: KernelClock
  readonly isAdopted: boolean
  readonly isTakenOver: boolean
}

export class KernelEngine implements Engine {
  readonly name = 'kernel'
  readonly isAdopted: boolean
  readonly isTakenOver: boolean
  readonly isLasting = true
  readonly #with: Parts
  readonly #wish: AttachWish
  readonly #ports = new Map<number, Port>()
  readonly #cutter: Cutter | undefined
  readonly #barrier = ProgramBarrier.open()
  #special: SpecialPrograms | undefined

  private constructor(parts: Parts, wish: AttachWish, cutter: Cutter | undefined) {
    this.#with = parts
    this.#wish = wish
    this.isAdopted = parts.isAdopted
    this.isTakenOver = parts.isTakenOver
    this.#cutter = cutter
  }

  /**
   * In this thread's network namespace. Throws EngineProblem, KernelError; what forwarded before forwards on then.
   */
  static open(options: KernelEngineOptions, events: KernelEngineEvents): KernelEngine {
    const { readProgram = readArtefact } = options
    readProgram('tc')
    const hasTcx = refuseLacks() && options.hasTcx !== false
    const instance = takeInstance(options.instance, events)
    const closers: (() => void)[] = [() => instance.release()]
    try {
      const found = findTables(instance, options.capacities)
      const { tables, isAdopted, takeOver } = found
      closers.push(() => tables.close())
      if (!isAdopted) closers.push(() => instance.remove())
      if (takeOver !== undefined) closers.push(() => takeOver.abandon())
      claimNetwork(instance, found)
      const jiffies = new JiffiesClock()
      closers.push(() => jiffies.close())
      const hertz = ticksPerSecond()
      const clock = new KernelClock(() => jiffies.read(), hertz)
      const programs = new KernelPrograms(tables, hertz, readProgram)
      const socket = openRtnetlink()
      closers.push(() => {
        programs.close()
        socket.close()
      })
      const whose = { isAdopted, isTakenOver: takeOver !== undefined }
      const parts = { instance, tables, programs, socket, jiffies, clock, ...whose, hasTcx }
      programs.get('tc')
      shareMemory()
      takeOver?.begin(programs)
      const cutter = openCutter(parts, events)
      closers.push(() => closeCutter(cutter))
      const engine = new KernelEngine(parts, options.attach, cutter)
      engine.#adopt(events, takeOver)
      const usual = options.readProgram === undefined ? readIpv4Artefact : undefined
      engine.#makeSpecial(events, options.readSpecial ?? usual)
      engine.tick()
      return engine
    } catch (error) {
      for (const close of closers.reverse()) close()
      throw error
    }
  }

  /** Goes on with what is attached; from here on it runs this release's programs. */
  #adopt({ onProblem }: KernelEngineEvents, takeOver: TakeOver | undefined): void {
    takeOver?.takeCharge()
    for (const attachment of Attachment.findAll(this.#with)) {
      const { index } = attachment
      if (!attachment.isWhole) {
        attachment.detach()
        continue
      }
      try {
        attachment.renew()
      } catch (error) {
        if (!isKernelError(error)) throw error
        onProblem(`interface ${index} runs the programs of an earlier daemon: ${error.message}`)
        if (takeOver !== undefined) {
          // On tables that nobody keeps: it is attached anew.
          attachment.detach()
          continue
        }
      }
      this.#ports.set(index, { attachment, kind: '', name: `interface ${index}`, mac: ZERO_MAC })
    }
    takeOver?.finish()
  }

  #makeSpecial(events: KernelEngineEvents, read: ReadProgram | undefined): void {
    const { programs } = this.#with
    if (read === undefined) return
    this.#special = new SpecialPrograms({
      isEnough: () => events.isIpv4Only?.() === true,
      load: () => programs.loadSpecial(read),
      use: (special) => this.#use(special),
      release: (special) => {
        for (const fd of special.values()) close(fd)
      },
      onProblem: (text) => events.onProblem(text),
      later: (run, delayMs) => {
        const timer = setTimeout(run, delayMs).unref()
        return () => clearTimeout(timer)
      },
    })
  }

  /** On all interfaces, each in one step; one that has gone needs none. Throws KernelError. */
  #use(special: LoadedPrograms | undefined): void {
    this.#with.programs.prefer(special)
    for (const { attachment } of this.#ports.values()) {
      try {
        attachment.renew('companion')
      } catch (error) {
        if (!isKernelError(error, 'ENOLINK', 'ENODEV', 'EEXIST')) throw error
      }
    }
  }

  beginChange(): void {
    this.#special?.beginChange()
  }

  endChange(): void {
    this.#special?.endChange()
  }

  get tables(): TableSet {
    return this.#with.tables.set
  }

  get attached(): readonly AttachedInterface[] {
    return [...this.#ports].map(([index, { name, mac, attachment }]) => {
      return { index, name, mac, how: attachment.how }
    })
  }

  get hostDevice(): number | undefined {
    return this.#cutter?.interfaceIndex
  }

  attach(link: EngineLink): string {
    const { index, name, mac, kind } = link
    const old = this.#ports.get(index)?.attachment
    const { places, why } = choosePlaces(this.#wish, kind)
    if (old?.isWhole === true && places.includes(old.place)) {
      this.#ports.set(index, { attachment: old, kind, name, mac })
      return ''
    }
    const { attachment, refusals } = this.#attachSomewhere(index, places)
    this.#ports.set(index, { attachment, kind, name, mac })
    // Only now: a frame that both see goes where the first sends it.
    old?.detach()
    return [why, ...refusals].join('; ')
  }

  #attachSomewhere(
    index: number,
    places: readonly Place[],
  ): { attachment: Attachment; refusals: string[] } {
    const refusals: string[] = []
    for (const place of places.slice(0, -1)) {
      try {
        return { attachment: Attachment.make(index, place, this.#with), refusals }
      } catch (error) {
        if (!isKernelError(error)) throw error
        refusals.push(`${place} was refused: ${error.message}`)
      }
    }
    const attachment = Attachment.make(index, places.at(-1)!, this.#with)
    return { attachment, refusals }
  }

  detach(index: number): void {
    this.#ports.get(index)?.attachment.detach()
    this.#ports.delete(index)
  }

  takesXdp(index: number): boolean {
    if (![...this.#ports.values()].some(({ attachment }) => attachment.place !== 'tc')) return false
    const features = readXdpFeatures(index)
    if (features !== undefined) return features.takesFrames
    // Kernels before 6.3 do not tell. Drivers that receive by XDP send so, too; with virtual ones it depends.
    const port = this.#ports.get(index)
    return port?.attachment.how === 'xdp' && port.kind === undefined
  }

  sendsBack(index: number): boolean {
    const port = this.#ports.get(index)
    return port?.attachment.how === 'xdp' && port.kind === undefined
  }

  /** The packet path sees every frame, and leaves to the host what is not its own. */
  updateClaims(): void {}

  /** The kernel itself keeps frames that wait, but those that must be cut. */
  releaseWaiting(interfaceIndex: number, address: string): void {
    this.#cutter?.release(interfaceIndex, address)
  }

  waitForReaders(): void {
    this.#barrier.wait()
  }

  tick(): void {
    this.tables.use()
    setNow(this.#with.clock.ticks())
    this.#cutter?.tick()
  }

  counters(): Record<string, number> {
    const programsForIpv4 = this.#special?.isInUse === true ? 1 : 0
    return { tableBytes: this.#with.tables.bytes, programsForIpv4, ...this.#cutter?.counters() }
  }

  close(ending: 'leave' | 'detach'): void {
    const { instance, tables, programs, socket, jiffies } = this.#with
    closeCutter(this.#cutter)
    this.#barrier.close()
    for (const { attachment } of this.#ports.values()) {
      if (ending === 'detach') attachment.detach()
      else attachment.close()
    }
    this.#ports.clear()
    this.#special?.close()
    programs.close()
    socket.close()
    jiffies.close()
    tables.close()
    if (ending === 'detach') instance.remove()
    else instance.release()
  }
}

const readIpv4Artefact: ReadProgram = (name) => readArtefact(`${name}_v4`)

/** Throws EngineProblem. Is there tcx? */
function refuseLacks(): boolean {
  const { lacks } = probeBpf()
  for (const fact of NEEDED) {
    const sentence = lacks.get(fact)
    if (sentence !== undefined) throw new EngineProblem(sentence, true)
  }
  const [tcx, filters] = [lacks.get('tcx'), lacks.get('tcFilters')]
  if (tcx !== undefined && filters !== undefined) throw new EngineProblem(filters, true)
  return tcx === undefined
}

function takeInstance(name: string, { onProblem }: KernelEngineEvents): Instance {
  if (!isInstanceName(name)) {
    const sentence = `"${name}" cannot name an instance: letters, digits, - and _ can`
    throw new EngineProblem(sentence, false)
  }
  const instance = Instance.take(name)
  if (!instance.isLasting) {
    onProblem(
      `${instance.folder} belongs to this mount namespace alone, as \`ip netns exec\` makes one, and ends with it: ` +
        'so would forwarding. `nsenter --net` keeps the mounts',
    )
  }
  return instance
}

/** Tables name interfaces by number, so they belong to one network namespace. Throws EngineProblem. */
function claimNetwork(instance: Instance, { tables, isAdopted, takeOver }: FoundTables): void {
  tables.set.use()
  const row = settings.row(0)
  const network = ownNetwork()
  const found = takeOver === undefined ? row.network : takeOver.network
  if (isAdopted && found !== network) {
    throw new EngineProblem(
      `the instance "${instance.name}" belongs to another network namespace: choose another --name, ` +
        `or end it with \`sluice detach --name ${instance.name}\``,
      false,
    )
  }
  row.network = network
}

/** Without one, frames that are too long are dropped, and counted. */
function openCutter(
  parts: Parts,
  { onProblem, onUnresolved }: KernelEngineEvents,
): Cutter | undefined {
  try {
    const cutter = Cutter.open('sluice%d', parts.socket, parts.tables.set, onUnresolved)
    settings.row(0).cutter = cutter.interfaceIndex
    return cutter
  } catch (error) {
    if (!isKernelError(error)) throw error
    settings.row(0).cutter = NONE
    onProblem(`datagrams that are too long for their way are dropped and not cut: ${error.message}`)
    return undefined
  }
}

/** Nothing is given to it any more, before it goes. Of the tables in use. */
function closeCutter(cutter: Cutter | undefined): void {
  settings.row(0).cutter = NONE
  cutter?.close()
}
