/**
 * Offloads of an interface: what it does with frames that the kernel's stack would else do itself.
 *
 *      struct ifreq:          0 interface name, 16 bytes | 16 pointer to
 *      struct ethtool_value:  0 command u32 | 4 on or off u32
 *
 * A socket of any kind takes the request and so names the network namespace; here it is one of openRtnetlink.
 * Follows include/uapi/linux/ethtool.h, net/ethtool/ioctl.c.
 */
import { assert } from '../../base/assert.ts'
import { viewOf } from '../../base/bytes.ts'
import { KernelError } from '../errno.ts'
import { addressOf, ioctl } from '../ffi.ts'
import type { NetlinkSocket } from '../netlink/netlink.ts'

export interface Offloads {
  /** Checksums of frames sent are left to the device. */
  readonly txChecksum: boolean
  /** Checksums of frames received are the device's business. */
  readonly rxChecksum: boolean
  /** Frames may come in pieces from scattered memory. */
  readonly scatterGather: boolean
  /** TCP segmentation: one frame of up to 64 KiB for many. */
  readonly tso: boolean
  /** The same in the kernel, just before the driver. */
  readonly gso: boolean
  /** The reverse: frames received are put together. */
  readonly gro: boolean
}

const SIOCETHTOOL = 0x8946
const NAME_SIZE = 16
const IFREQ_SIZE = 40

/** ETHTOOL_G… and ETHTOOL_S…; in the order in which they can be switched on: TSO wants the two before it. */
const COMMANDS: Readonly<Record<keyof Offloads, { get: number; set: number }>> = {
  rxChecksum: { get: 0x14, set: 0x15 },
  txChecksum: { get: 0x16, set: 0x17 },
  scatterGather: { get: 0x18, set: 0x19 },
  tso: { get: 0x1e, set: 0x1f },
  gso: { get: 0x23, set: 0x24 },
  gro: { get: 0x2b, set: 0x2c },
}
const NAMES = Object.keys(COMMANDS) as (keyof Offloads)[]

/** Throws KernelError: ENODEV, EOPNOTSUPP. */
export function readOffloads(socket: NetlinkSocket, interfaceName: string): Offloads {
  const entries = NAMES.map((name) => {
    const what = `read offload ${name} of ${interfaceName}`
    return [name, ask(socket, what, interfaceName, COMMANDS[name].get, 0) !== 0]
  })
  return Object.fromEntries(entries) as unknown as Offloads
}

/**
 * Switches what is given; the kernel switches off what depends on it, and says nothing of what stays off because
 * something that it depends on is. Throws KernelError: ENODEV, EPERM, EOPNOTSUPP where the device cannot.
 */
export function changeOffloads(
  socket: NetlinkSocket,
  interfaceName: string,
  change: Partial<Offloads>,
): void {
  for (const name of NAMES) {
    const value = change[name]
    if (value === undefined) continue
    const what = `switch ${value ? 'on' : 'off'} offload ${name} of ${interfaceName}`
    ask(socket, what, interfaceName, COMMANDS[name].set, value ? 1 : 0)
  }
}

/** The value after the request. */
function ask(
  socket: NetlinkSocket,
  what: string,
  interfaceName: string,
  command: number,
  value: number,
): number {
  const name = Buffer.from(interfaceName)
  assert(name.length > 0 && name.length < NAME_SIZE, `'${interfaceName}' names no interface`)
  const argument = Uint32Array.of(command, value)
  const request = new Uint8Array(IFREQ_SIZE)
  request.set(name)
  const pointer = BigInt(addressOf(new Uint8Array(argument.buffer)))
  viewOf(request).setBigUint64(NAME_SIZE, pointer, true)
  try {
    ioctl(socket.fd, SIOCETHTOOL, request)
  } catch (error) {
    if (error instanceof KernelError) throw new KernelError(what, error.errno)
    throw error
  }
  return argument[1]!
}
