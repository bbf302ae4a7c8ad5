/**
 * Programs on interfaces by tc: a classifier that runs a BPF program and does as it says. For kernels before 6.6,
 * which have no tcx (bpf/link.ts).
 *
 *      interface ─ qdisc clsact ─┬─ ingress: filters by priority ─► bpf, direct action ─► verdict
 *                                └─ egress:  ...
 *
 * A filter stays until it is removed, whoever made it; it needs no pin. Its place is interface, direction, priority
 * and handle: `replaceFilter` puts another program there in one step. A program that says TC_ACT_UNSPEC (-1) leaves the
 * frame to the next filter.
 *
 * Follows rtnetlink(7), tc-bpf(8), net/sched/sch_ingress.c, net/sched/cls_bpf.c.
 *
 *      struct tcmsg:  0 family u8 | 4 interface i32 | 8 handle u32 | 12 parent u32 | 16 priority << 16, protocol
 */
import { viewOf } from '../../base/bytes.ts'
import { isKernelError } from '../errno.ts'
import { Attributes, BodyWriter, RequestFlag } from './netlink-message.ts'
import type { NetlinkSocket } from './netlink.ts'

export type Direction = 'ingress' | 'egress'

/** A filter's place. */
export interface FilterPlace {
  readonly interfaceIndex: number
  readonly direction: Direction
  /** 1 comes first; several filters may share one. */
  readonly priority: number
  /** Above 0. */
  readonly handle: number
}

export interface Filter extends FilterPlace {
  /** What tools show. */
  readonly name: string
  /** The program's number (bpf/info.ts); undefined for filters of other kinds. */
  readonly program: number | undefined
}

const TCMSG_SIZE = 20
/** RTM_… */
const QdiscType = { new: 36, delete: 37 } as const
const FilterType = { new: 44, delete: 45, get: 46 } as const
/** TCA_… and TCA_BPF_… */
const TcAttribute = { kind: 1, options: 2 } as const
const BpfAttribute = { fd: 6, name: 7, flags: 8, id: 11 } as const
const DIRECT_ACTION = 1
/** TC_H_CLSACT, as parent and as handle; and its two sides. */
const CLSACT_PARENT = 0xfffffff1
const CLSACT_HANDLE = 0xffff0000
const PARENT = { ingress: 0xfffffff2, egress: 0xfffffff3 } as const
/** ETH_P_ALL in network order. */
const EVERY_PROTOCOL = 0x0300

/** Where filters can be; false if it was there already. Throws KernelError: ENODEV, EPERM, ENOENT without clsact. */
export function addClsact(socket: NetlinkSocket, interfaceIndex: number): boolean {
  const body = clsact(interfaceIndex).text(TcAttribute.kind, 'clsact')
  try {
    socket.request({
      what: `add clsact to interface ${interfaceIndex}`,
      type: QdiscType.new,
      flags: RequestFlag.create | RequestFlag.exclusive,
      body: body.finish(),
    })
    return true
  } catch (error) {
    if (isKernelError(error, 'EEXIST')) return false
    throw error
  }
}

/** With every filter on it, whosesoever; false if there was none. Throws KernelError. */
export function removeClsact(socket: NetlinkSocket, interfaceIndex: number): boolean {
  const what = `remove clsact from interface ${interfaceIndex}`
  return isThere(() => {
    socket.request({ what, type: QdiscType.delete, body: clsact(interfaceIndex).finish() })
  })
}

/** `program` is a descriptor. Throws KernelError: EEXIST, ENOENT or EINVAL without clsact. */
export function addFilter(
  socket: NetlinkSocket,
  place: FilterPlace,
  name: string,
  program: number,
): void {
  setFilter(socket, place, name, program, RequestFlag.exclusive)
}

/** Puts the program there, whether or not there is one: each frame meets the old one or the new. */
export function replaceFilter(
  socket: NetlinkSocket,
  place: FilterPlace,
  name: string,
  program: number,
): void {
  setFilter(socket, place, name, program, RequestFlag.replace)
}

/** False if there was none. Throws KernelError. */
export function removeFilter(socket: NetlinkSocket, place: FilterPlace): boolean {
  const what = `remove tc filter ${place.priority} from interface ${place.interfaceIndex}`
  const body = filter(place).text(TcAttribute.kind, 'bpf').finish()
  return isThere(() => {
    socket.request({ what, type: FilterType.delete, body })
  })
}

/** All on one side, in the order they are asked. Throws KernelError. */
export function listFilters(
  socket: NetlinkSocket,
  interfaceIndex: number,
  direction: Direction,
): Filter[] {
  const body = tcmsg(interfaceIndex, 0, PARENT[direction], 0).finish()
  const what = `list tc filters of interface ${interfaceIndex}`
  const answer = socket.request({ what, type: FilterType.get, flags: RequestFlag.dump, body })
  return answer.flatMap((message) => {
    const entry = message.type === FilterType.new ? parseFilter(message.body) : undefined
    return entry?.interfaceIndex === interfaceIndex && entry.direction === direction ? [entry] : []
  })
}

/** Body of RTM_NEWTFILTER; undefined if it is malformed, on no side of clsact, or names a priority only. */
export function parseFilter(body: Uint8Array): Filter | undefined {
  if (body.length < TCMSG_SIZE) return undefined
  const view = viewOf(body)
  const attributes = Attributes.parse(body.subarray(TCMSG_SIZE))
  const handle = view.getUint32(8, true)
  const parent = view.getUint32(12, true)
  if (attributes === undefined || handle === 0) return undefined
  if (parent !== PARENT.ingress && parent !== PARENT.egress) return undefined
  const isBpf = attributes.text(TcAttribute.kind) === 'bpf'
  const options = isBpf ? attributes.nested(TcAttribute.options) : undefined
  return {
    interfaceIndex: view.getInt32(4, true),
    direction: parent === PARENT.ingress ? 'ingress' : 'egress',
    priority: view.getUint32(16, true) >>> 16,
    handle,
    name: options?.text(BpfAttribute.name) ?? '',
    program: options?.u32(BpfAttribute.id),
  }
}

function setFilter(
  socket: NetlinkSocket,
  place: FilterPlace,
  name: string,
  program: number,
  flag: number,
): void {
  const body = filter(place).text(TcAttribute.kind, 'bpf')
  body.nested(TcAttribute.options, (options) => {
    options.u32(BpfAttribute.fd, program).text(BpfAttribute.name, name)
    options.u32(BpfAttribute.flags, DIRECT_ACTION)
  })
  socket.request({
    what: `set tc filter ${name} on interface ${place.interfaceIndex} (${place.direction})`,
    type: FilterType.new,
    flags: RequestFlag.create | flag,
    body: body.finish(),
  })
}

/** False where the kernel says that there is no such thing. */
function isThere(remove: () => void): boolean {
  try {
    remove()
    return true
  } catch (error) {
    if (isKernelError(error, 'ENOENT', 'EINVAL')) return false
    throw error
  }
}

function clsact(interfaceIndex: number): BodyWriter {
  return tcmsg(interfaceIndex, CLSACT_HANDLE, CLSACT_PARENT, 0)
}

function filter({ interfaceIndex, direction, priority, handle }: FilterPlace): BodyWriter {
  const info = ((priority << 16) | EVERY_PROTOCOL) >>> 0
  return tcmsg(interfaceIndex, handle, PARENT[direction], info)
}

function tcmsg(interfaceIndex: number, handle: number, parent: number, info: number): BodyWriter {
  const structure = new Uint8Array(TCMSG_SIZE)
  const view = viewOf(structure)
  view.setInt32(4, interfaceIndex, true)
  view.setUint32(8, handle, true)
  view.setUint32(12, parent, true)
  view.setUint32(16, info, true)
  return new BodyWriter(structure)
}
