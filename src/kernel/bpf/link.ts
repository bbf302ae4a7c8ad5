/**
 * Programs on interfaces, by bpf links: a link is a descriptor that holds a program to its place.
 *
 *      NIC ─► driver ─► XDP (native) ─► skb ─► XDP (generic) ─► tcx ingress ─► the host's stack
 *
 * The attachment ends with the last descriptor and pin (bpf/pin.ts) of its link, and cannot be taken away by
 * other tools by accident. `replaceProgram` is one atomic step: each frame meets the old program or the new.
 * Interfaces are indexes in the network namespace of this thread (`inNamespace`), the link itself is in none.
 *
 * XDP links came with kernel 5.9, tcx with 6.6; before that tc-filter.ts. Follows net/core/dev.c (bpf_xdp_link_attach),
 * kernel/bpf/tcx.c.
 */
import { BpfAttributes, callBpf, Command, hintOf, tryBpf } from './call.ts'
import { AttachType } from './program.ts'
import { Errno, KernelError } from '../errno.ts'

/** In the driver, or behind it on every interface there is. */
export type XdpMode = 'native' | 'generic'

/** XDP_FLAGS_SKB_MODE, XDP_FLAGS_DRV_MODE */
const XDP_FLAG = { generic: 1 << 1, native: 1 << 2 } as const
/** BPF_F_BEFORE, with no program named: before all. */
const TCX_FIRST = 1 << 3
/** BPF_F_REPLACE */
const REPLACE = 1 << 2

/**
 * A link. The program was loaded for XDP. Throws KernelError: EBUSY where another program is, EOPNOTSUPP where
 * the driver has no native XDP, EINVAL where there is no such interface.
 */
export function attachXdp(program: number, interfaceIndex: number, mode: XdpMode): number {
  const attributes = new BpfAttributes(64)
    .u32(0, program)
    .u32(4, interfaceIndex)
    .u32(8, AttachType.xdp)
    .u32(12, XDP_FLAG[mode])
  return attach(`attach XDP program to interface ${interfaceIndex} (${mode})`, attributes)
}

/**
 * A link, before or behind what is there already. The program was loaded for tc, and is not there yet. Throws
 * KernelError: EINVAL where the kernel does not know tcx, ENODEV, EEXIST.
 */
export function attachTcx(
  program: number,
  interfaceIndex: number,
  direction: 'ingress' | 'egress' = 'ingress',
  place: 'first' | 'last' = 'first',
): number {
  const attributes = new BpfAttributes(64)
    .u32(0, program)
    .u32(4, interfaceIndex)
    .u32(8, direction === 'ingress' ? AttachType.tcxIngress : AttachType.tcxEgress)
    .u32(12, place === 'first' ? TCX_FIRST : 0)
  return attach(`attach tc program to interface ${interfaceIndex} (tcx)`, attributes)
}

function attach(what: string, attributes: BpfAttributes): number {
  const result = tryBpf(Command.linkCreate, attributes)
  if (result >= 0) return result
  throw new KernelError(what, -result, ATTACH_HINTS.get(-result) ?? hintOf(-result))
}

const ATTACH_HINTS: ReadonlyMap<number, string> = new Map([
  [Errno.EINVAL, 'there is no such interface here, or it takes no such program'],
  [Errno.EBUSY, 'another program is attached there'],
  [Errno.EOPNOTSUPP, 'the driver has no XDP'],
])

/**
 * From the next frame on the link runs `program`. With `old` only if it ran that one: else EPERM.
 * Throws KernelError: EPERM, ENOLINK where the interface is gone, EINVAL where the programs differ in type, EEXIST
 * where tcx has it there already.
 */
export function replaceProgram(link: number, program: number, old?: number): void {
  const attributes = new BpfAttributes(16).u32(0, link).u32(4, program)
  if (old !== undefined) attributes.u32(8, REPLACE).u32(12, old)
  callBpf('replace the program of a BPF link', Command.linkUpdate, attributes)
}

/** Ends the attachment, whoever else has the link. Throws KernelError. */
export function detachLink(link: number): void {
  callBpf('detach BPF link', Command.linkDetach, new BpfAttributes(4).u32(0, link))
}

export interface Attached {
  /** Numbers; a program that was attached without a link has none. */
  readonly program: number
  readonly link: number | undefined
}

const QUERIED_MAX = 64

/** What runs on an interface by tcx, in order. Throws KernelError: EINVAL where the kernel does not know tcx. */
export function listTcx(interfaceIndex: number, direction: 'ingress' | 'egress'): Attached[] {
  const [programs, links] = [new Uint32Array(QUERIED_MAX), new Uint32Array(QUERIED_MAX)]
  const attributes = new BpfAttributes(64)
    .u32(0, interfaceIndex)
    .u32(4, direction === 'ingress' ? AttachType.tcxIngress : AttachType.tcxEgress)
    .pointer(16, new Uint8Array(programs.buffer))
    .u32(24, QUERIED_MAX)
    .pointer(40, new Uint8Array(links.buffer))
  callBpf(`list tc programs of interface ${interfaceIndex}`, Command.programQuery, attributes)
  return Array.from({ length: attributes.readU32(24) }, (_, i) => ({
    program: programs[i]!,
    link: links[i] === 0 ? undefined : links[i],
  }))
}
