/**
 * What this kernel's BPF can do, tried and not guessed from a version: distributions take features back and forth.
 *
 * Each fact is tried in the smallest way that proves it: a program of a few instructions that the kernel takes or
 * refuses, a map that is made and closed, an attachment to the loopback device of a network namespace made for it.
 * Nothing of it remains. All of it takes some 200 ms, half of them for reading the kernel's own types (skBuff). Who may
 * not make a network namespace (CAP_SYS_ADMIN) is believed to have what would be tried in one: attaching will show.
 *
 * What is older than the floor, 6.0, is still tried where systems are built without it. Sentences are for operators.
 */
import { readFileSync } from 'node:fs'
import { describeProgram, type FunctionAt } from '../../bpf/debug-lines.ts'
import { encode } from '../../bpf/encode.ts'
import * as i from '../../bpf/instruction.ts'
import { locateIpSummed, type SkBuffAccess } from '../../bpf/sk-buff.ts'
import { programInfo } from './info.ts'
import { attachTcx, attachXdp } from './link.ts'
import { createMap, mapMemory, type MapShape } from './map.ts'
import { loadBtf, loadProgram, type ProgramImage, type ProgramType } from './program.ts'
import { ProgramBench } from './run.ts'
import { isKernelError, KernelError } from '../errno.ts'
import { close, setrlimit } from '../ffi.ts'
import { inScratchNamespace } from '../netns.ts'
import { openRtnetlink } from '../netlink/rtnetlink.ts'
import { addClsact, addFilter } from '../netlink/tc-filter.ts'

export interface BpfFeatures {
  readonly has: Readonly<Record<Fact, boolean>>
  /** A sentence for each fact that is not so. Where nothing can be loaded that is the only one. */
  readonly lacks: ReadonlyMap<Fact, string>
  /** If `has.skBuff`. */
  readonly skBuff: SkBuffAccess | undefined
}

const FACTS = [
  'canLoad',
  'machineCode',
  'debugLines',
  'mappableMaps',
  'largeValues',
  'fetchingAtomics',
  'jiffies',
  'xdpLinks',
  'tcx',
  'tcFilters',
  'pins',
  'callbackLoops',
  'mayGoto',
  'longJumps',
  'skBuff',
] as const
export type Fact = (typeof FACTS)[number]

/** What an operator reads where it is not so. */
const SENTENCES: Readonly<Record<Fact, string>> = {
  canLoad: 'this kernel refuses BPF',
  machineCode: 'this kernel interprets BPF, slowly (switch on the sysctl net.core.bpf_jit_enable)',
  debugLines: 'this kernel takes no debug information for BPF programs',
  mappableMaps: 'this kernel does not share the memory of BPF maps with processes (Linux 5.5 does)',
  largeValues:
    'this kernel has BPF arrays of a few MiB only, and our tables are larger (Linux 6.0 has such)',
  fetchingAtomics:
    "this kernel's BPF does not read and change memory in one step (Linux 5.12 does)",
  jiffies: "this kernel's BPF has no clock of jiffies (Linux 5.6 has)",
  xdpLinks: 'this kernel does not attach XDP programs by links (Linux 5.9 does)',
  tcx: 'this kernel has no tcx (Linux 6.6 has): tc programs become filters of clsact',
  tcFilters:
    'this kernel has no filters of clsact that run BPF (CONFIG_NET_CLS_BPF, CONFIG_NET_SCH_INGRESS)',
  pins: 'this kernel has no file system for BPF (CONFIG_BPF_SYSCALL): what runs ends with the process',
  callbackLoops: "this kernel's BPF has no loops by callback (Linux 5.17 has)",
  mayGoto: "this kernel's BPF has no may_goto (Linux 6.9 has)",
  longJumps: "this kernel's BPF has no long jumps (Linux 6.6 has)",
  skBuff: 'this kernel does not let tc programs see whether a checksum is partial (Linux 6.2 does)',
}

const { r0, r1, r2, r10 } = i
const PASS = 2
const RETURN_0 = [i.move32(r0, 0), i.exit()]
const Helper = { jiffies64: 118, loop: 181 } as const
/** Larger than any kernel's KMALLOC_MAX_SIZE, which once was the limit. */
const LARGE_VALUE = (32 << 20) + 8
/** Kernel functions are only for programs that say so. */
const KERNEL_FUNCTION_LICENCE = 'GPL'
const LOOPBACK = 1
const NO_INTERFACE = 0x7fffffff
/** RLIMIT_MEMLOCK: what BPF was charged to before Linux 5.11. */
const MEMLOCK = 8
const UNLIMITED = 2n ** 64n - 1n

/** Tries everything, in the network namespace and with the rights of this thread. */
export function probeBpf(): BpfFeatures {
  allowLockedMemory()
  const lacks = new Map<Fact, string>()
  const failure = refusalOf(() => load('xdp', RETURN_0))
  if (failure !== undefined) {
    lacks.set('canLoad', explainRefusal(failure))
    return { has: factsBut(FACTS), lacks, skBuff: undefined }
  }
  const cannotIsolate = isKernelError(
    refusalOf(() => inScratchNamespace(() => undefined)),
    'EPERM',
  )
  for (const [fact, trial] of Object.entries(TRIALS) as [Fact, () => void][]) {
    if (cannotIsolate && NEEDS_NAMESPACE.has(fact)) continue
    if (refusalOf(trial) !== undefined) lacks.set(fact, SENTENCES[fact])
  }
  const skBuff = findSkBuffAccess()
  if (skBuff === undefined) lacks.set('skBuff', SENTENCES.skBuff)
  return { has: factsBut([...lacks.keys()]), lacks, skBuff }
}

/** Why not even the smallest program can be loaded: not permitted, or no BPF at all. */
export function explainRefusal(failure: KernelError): string {
  if (['EPERM', 'EACCES'].includes(failure.code)) return NOT_PERMITTED
  if (failure.code === 'ENOSYS') return NO_BPF
  return `${SENTENCES.canLoad}: ${failure.message}`
}
const NOT_PERMITTED =
  'this process is not permitted to use BPF: it takes root (or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN), a kernel ' +
  'that is not locked down, and no filter of system calls (seccomp) against bpf(2)'
const NO_BPF =
  'this kernel was built without BPF (CONFIG_BPF_SYSCALL), or a filter of system calls (seccomp) hides it'

const NEEDS_NAMESPACE: ReadonlySet<Fact> = new Set(['xdpLinks', 'tcFilters'])

/** Each throws KernelError, or does what its fact says. */
const TRIALS: Readonly<Partial<Record<Fact, () => void>>> = {
  machineCode: () => {
    const { fd } = loadProgram(imageOf('xdp', RETURN_0))
    const { machineBytes } = programInfo(fd)
    close(fd)
    if (machineBytes === 0) throw new KernelError('compile BPF', ENOSYS)
  },
  debugLines: () => load('xdp', RETURN_0, [{ slot: 0, name: 'try' }]),
  mappableMaps: () => {
    const shape = arrayOf(8, true)
    withMap(shape, (fd) => mapMemory(fd, shape).unmap())
  },
  largeValues: () => withMap(arrayOf(LARGE_VALUE, true), () => undefined),
  fetchingAtomics: () => {
    const one = [i.move(r1, 1), i.store(i.u64(r10, -8), r1)]
    load('xdp', [...one, i.fetchAdd(i.u64(r10, -8), r1), ...RETURN_0])
  },
  jiffies: () => load('xdp', [i.call(Helper.jiffies64), ...RETURN_0]),
  xdpLinks: () =>
    withProgram('xdp', (fd) => inScratchNamespace(() => close(attachXdp(fd, LOOPBACK, 'generic')))),
  tcx: () =>
    withProgram('tc', (fd) => {
      // Kernels without it do not come to look for the interface.
      const refusal = refusalOf(() => close(attachTcx(fd, NO_INTERFACE)))
      if (!isKernelError(refusal, 'ENODEV')) throw refusal ?? new KernelError('attach', ENOSYS)
    }),
  tcFilters: () => withProgram('tc', tryFilter),
  pins: () => {
    if (!knowsFilesystem('bpf')) throw new KernelError('mount bpf', ENODEV)
  },
  callbackLoops: () => {
    const start = [
      i.move32(r1, 4),
      i.functionPointer(r2, 'round'),
      i.move32(i.r3, 0),
      i.move32(i.r4, 0),
    ]
    const program = [...start, i.call(Helper.loop), ...RETURN_0, i.label('round'), ...RETURN_0]
    const slot = program.slice(0, -3).reduce((slots, one) => slots + i.slotsOf(one), 0)
    load('xdp', program, [
      { slot: 0, name: 'try' },
      { slot, name: 'round' },
    ])
  },
  mayGoto: () =>
    load('xdp', [i.label('a'), i.mayGoto('out'), i.jump('a'), i.label('out'), ...RETURN_0]),
  longJumps: () => {
    // Over what would be returned without it: some kernels take it, and look only at its other field.
    const jump: i.Raw = { kind: 'raw', opcode: 0x06, dst: 0, src: 0, offset: 0, immediate: 1 }
    const far = [i.branch(r1, 'equal', 0, 1), jump, i.move32(r0, 1), i.exit()]
    withImage(imageOf('xdp', [i.move32(r0, PASS), ...far]), (fd) => {
      const { verdict } = new ProgramBench(fd, 'xdp').run(new Uint8Array(64))
      if (verdict !== PASS) throw new KernelError('jump far', ENOSYS)
    })
  },
}
const ENOSYS = 38
const ENODEV = 19

function findSkBuffAccess(): SkBuffAccess | undefined {
  let access: SkBuffAccess | undefined
  try {
    access = locateIpSummed(readFileSync('/sys/kernel/btf/vmlinux'))
  } catch {
    return undefined // no such file: built without CONFIG_DEBUG_INFO_BTF
  }
  if (access === undefined) return undefined
  const { castFunction, ipSummed } = access
  const program = [i.callKernel(castFunction), i.load(r0, i.u8(r0, ipSummed.offset)), i.exit()]
  return refusalOf(() => load('tc', program)) === undefined ? access : undefined
}

function tryFilter(program: number): void {
  const place = { interfaceIndex: LOOPBACK, direction: 'ingress', priority: 1, handle: 1 } as const
  inScratchNamespace(() => {
    const socket = openRtnetlink()
    try {
      addClsact(socket, LOOPBACK)
      addFilter(socket, place, 'try', program)
    } finally {
      socket.close()
    }
  })
}

function allowLockedMemory(): void {
  try {
    setrlimit(MEMLOCK, UNLIMITED)
  } catch (error) {
    if (!(error instanceof KernelError)) throw error // without rights to it loading fails, and says so
  }
}

function factsBut(lacking: readonly Fact[]): Record<Fact, boolean> {
  const entries = FACTS.map((fact) => [fact, !lacking.includes(fact)])
  return Object.fromEntries(entries) as Record<Fact, boolean>
}

function refusalOf(trial: () => void): KernelError | undefined {
  try {
    trial()
    return undefined
  } catch (error) {
    if (error instanceof KernelError) return error
    throw error
  }
}

function imageOf(type: ProgramType, program: readonly i.Instruction[]) {
  const licence = KERNEL_FUNCTION_LICENCE
  return { type, name: 'sluice_try', instructions: encode(program).bytes, licence }
}

/** And lets go of it. */
function load(
  type: ProgramType,
  program: readonly i.Instruction[],
  functions?: FunctionAt[],
): void {
  const image = imageOf(type, program)
  if (functions === undefined) return close(loadProgram(image).fd)
  const debug = describeProgram(functions, [])
  const btf = loadBtf(debug.btf)
  try {
    close(loadProgram({ ...image, debug: { ...debug, btf } }).fd)
  } finally {
    close(btf)
  }
}

function withProgram(type: ProgramType, run: (fd: number) => void): void {
  withImage(imageOf(type, RETURN_0), run)
}

function withImage(image: ProgramImage, run: (fd: number) => void): void {
  const { fd } = loadProgram(image)
  try {
    run(fd)
  } finally {
    close(fd)
  }
}

function withMap(shape: MapShape, run: (fd: number) => void): void {
  const fd = createMap(shape)
  try {
    run(fd)
  } finally {
    close(fd)
  }
}

function arrayOf(valueSize: number, isMappable: boolean): MapShape {
  return { type: 'array', name: 'sluice_try', valueSize, entries: 1, isMappable }
}

function knowsFilesystem(name: string): boolean {
  return readFileSync('/proc/filesystems', 'latin1').split(/\s+/).includes(name)
}
