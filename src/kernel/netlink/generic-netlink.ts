/**
 * Generic netlink: families of requests that have no protocol number of their own, and are asked for by name.
 *
 *      body:  0 command u8 | 1 version u8 | 2 zero u16 | 4 attributes
 *
 * Follows Documentation/userspace-api/netlink/intro.rst, include/uapi/linux/genetlink.h.
 */
import { isKernelError } from '../errno.ts'
import { Attributes, BodyWriter, type Message } from './netlink-message.ts'
import type { NetlinkSocket } from './netlink.ts'

const HEADER_SIZE = 4
/** GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_… */
const CONTROL = 16
const GET_FAMILY = 3
const ControlAttribute = { id: 1, name: 2 } as const

/** The type of messages of that family; undefined where the kernel has none of that name. Throws KernelError. */
export function findFamily(socket: NetlinkSocket, name: string): number | undefined {
  const body = genericBody(GET_FAMILY, 1).text(ControlAttribute.name, name).finish()
  try {
    const [answer] = socket.request({ what: `find netlink family ${name}`, type: CONTROL, body })
    return answer === undefined ? undefined : parseGeneric(answer)?.u16(ControlAttribute.id)
  } catch (error) {
    if (isKernelError(error, 'ENOENT')) return undefined
    throw error
  }
}

/** A body that begins with that command. */
export function genericBody(command: number, version: number): BodyWriter {
  return new BodyWriter(Uint8Array.of(command, version, 0, 0))
}

/** The attributes of an answer; undefined if it is cut. */
export function parseGeneric(message: Pick<Message, 'body'>): Attributes | undefined {
  if (message.body.length < HEADER_SIZE) return undefined
  return Attributes.parse(message.body.subarray(HEADER_SIZE))
}
