/**
 * What the driver of an interface can do with XDP, by the netlink family "netdev" (kernel 6.3;
 * Documentation/netlink/specs/netdev.yaml).
 */
import { viewOf } from '../../base/bytes.ts'
import { isKernelError } from '../errno.ts'
import { findFamily, genericBody, parseGeneric } from './generic-netlink.ts'
import { inNamespace, type NetworkNamespace } from '../netns.ts'
import { NetlinkProtocol, NetlinkSocket } from './netlink.ts'

export interface XdpFeatures {
  /** Runs programs; else there is only generic XDP. */
  readonly isNative: boolean
  /** Frames it received can be sent by another interface. */
  readonly redirects: boolean
  /** Sends frames that another interface received: a redirection to it works. */
  readonly takesFrames: boolean
}

/** NETDEV_CMD_DEV_GET, NETDEV_A_DEV_…, NETDEV_XDP_ACT_… */
const GET_DEVICE = 1
const DeviceAttribute = { index: 1, xdpFeatures: 3 } as const
const Act = { basic: 1, redirect: 2, transmit: 4 } as const

/**
 * Of an interface, by its index in that namespace or this thread's; undefined where the kernel does not say, or has
 * no such interface. Throws KernelError.
 */
export function readXdpFeatures(
  interfaceIndex: number,
  namespace?: NetworkNamespace,
): XdpFeatures | undefined {
  const open = () => NetlinkSocket.open(NetlinkProtocol.generic)
  const socket = namespace === undefined ? open() : inNamespace(namespace, open)
  try {
    const type = findFamily(socket, 'netdev')
    if (type === undefined) return undefined
    const body = genericBody(GET_DEVICE, 1).u32(DeviceAttribute.index, interfaceIndex).finish()
    const what = `ask for the XDP features of interface ${interfaceIndex}`
    const [answer] = socket.request({ what, type, body })
    return answer === undefined ? undefined : parseXdpFeatures(answer.body)
  } catch (error) {
    if (isKernelError(error, 'ENODEV')) return undefined
    throw error
  } finally {
    socket.close()
  }
}

/** Of an answer's body; undefined if it does not say. */
export function parseXdpFeatures(body: Uint8Array): XdpFeatures | undefined {
  const value = parseGeneric({ body })?.bytes(DeviceAttribute.xdpFeatures)
  if (value?.length !== 8) return undefined
  const bits = viewOf(value).getUint32(0, true)
  return {
    isNative: (bits & Act.basic) !== 0,
    redirects: (bits & Act.redirect) !== 0,
    takesFrames: (bits & Act.transmit) !== 0,
  }
}
