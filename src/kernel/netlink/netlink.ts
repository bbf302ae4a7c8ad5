/**
 * Netlink sockets for requests: ask, and have the kernel's whole answer when the call returns.
 *
 *   change:  request + acknowledge ──►          ◄── error 0, or an errno with the kernel's own words
 *   dump:    request + dump        ──►          ◄── part, part, … done; once more if it changed meanwhile
 *
 * The kernel answers out of the sending call, so nothing here waits for anybody but the kernel; a receive timeout
 * stands guard all the same. A socket belongs to the network namespace it was opened in, for good: open it through
 * `inNamespace`, use it anywhere. News without a request come through netlink-subscription.ts.
 *
 * Follows RFC 3549, Documentation/userspace-api/netlink/intro.rst, net/netlink/af_netlink.c.
 */
import { viewOf } from '../../base/bytes.ts'
import { Errno, KernelError } from '../errno.ts'
import { bind, close, recv, sendto, setsockopt, setsockoptInt, socket } from '../ffi.ts'
import {
  AnswerFlag,
  Attributes,
  ControlType,
  emitMessage,
  HEADER_SIZE,
  parseMessages,
  RequestFlag,
  type Message,
} from './netlink-message.ts'

/** include/uapi/linux/netlink.h */
export const NetlinkProtocol = { route: 0, netfilter: 12, generic: 16 } as const

export const AF_NETLINK = 16
export const SOCK_RAW_CLOEXEC = 0x80003
export const SOL_SOCKET = 1
export const SOL_NETLINK = 270
const SO_RCVTIMEO = 20
/** NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK */
const SocketOption = { capAck: 10, extAck: 11, strictCheck: 12 } as const
const MSG_PEEK = 0x2
const MSG_TRUNC = 0x20
const ACK_TEXT = 1

/** struct sockaddr_nl with port 0: as a destination the kernel; as an own name, let it choose one. */
export const KERNEL_ADDRESS = Uint8Array.of(AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

const RECEIVE_TIMEOUT_S = 10
/** What a dump sends at once; larger datagrams make the buffer grow. */
const BUFFER_SIZE = 32 << 10
/** How often a listing is begun again because something changed meanwhile. */
const DUMPS_MAX = 20

export interface Request {
  /** In words, for the error: 'add route 10.0.0.0/24'. */
  readonly what: string
  readonly type: number
  /** Of RequestFlag; `request` and, unless it is a dump, `acknowledge` are added. */
  readonly flags?: number
  readonly body: Uint8Array
}

export class NetlinkSocket {
  readonly fd: number
  #sequence = 1
  #buffer = new Uint8Array(BUFFER_SIZE)

  private constructor(fd: number) {
    this.fd = fd
  }

  /** In this thread's network namespace. Throws KernelError: EPROTONOSUPPORT where the kernel lacks it. */
  static open(protocol: number): NetlinkSocket {
    const fd = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol)
    try {
      bind(fd, KERNEL_ADDRESS)
      const timeout = BigInt64Array.of(BigInt(RECEIVE_TIMEOUT_S), 0n) // struct timeval
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, new Uint8Array(timeout.buffer))
      for (const option of Object.values(SocketOption)) tryOption(fd, option)
      return new NetlinkSocket(fd)
    } catch (error) {
      close(fd)
      throw error
    }
  }

  /**
   * Sends the request and returns the messages of the answer, without the acknowledgement: of a change none,
   * of a dump all. They are copies. Throws KernelError with `what` as its call and the kernel's words as hint.
   */
  request(request: Request): Message[] {
    const isDump = ((request.flags ?? 0) & RequestFlag.dump) === RequestFlag.dump
    for (let attempt = 0; attempt < DUMPS_MAX; attempt++) {
      this.#send(request, isDump)
      const answer = this.#receive(request)
      if (answer !== undefined) return answer
    }
    throw new KernelError(request.what, Errno.EAGAIN, `changed while listed, ${DUMPS_MAX} times`)
  }

  close(): void {
    close(this.fd)
  }

  #send(request: Request, isDump: boolean): void {
    this.#sequence = (this.#sequence + 1) >>> 0
    const flags =
      (request.flags ?? 0) | RequestFlag.request | (isDump ? 0 : RequestFlag.acknowledge)
    const message = emitMessage(request.type, flags, this.#sequence, request.body)
    const sent = sendto(this.fd, message, KERNEL_ADDRESS)
    if (sent < 0) throw new KernelError(request.what, -sent)
  }

  /** Until the acknowledgement, or the end of the dump; undefined if the dump is not to be relied on. */
  #receive({ what }: Request): Message[] | undefined {
    const answer: Message[] = []
    let isInterrupted = false
    for (;;) {
      for (const message of this.#receiveDatagram(what)) {
        if (message.sequence !== this.#sequence) continue // of a request that was given up
        if ((message.flags & AnswerFlag.interrupted) !== 0) isInterrupted = true
        if (message.type === ControlType.error || message.type === ControlType.done) {
          const failure = parseFailure(message)
          if (failure.errno !== 0) throw new KernelError(what, failure.errno, failure.text)
          return isInterrupted ? undefined : answer
        }
        if (message.type >= 16) answer.push({ ...message, body: message.body.slice() })
      }
    }
  }

  /** Views, valid until the next call. */
  #receiveDatagram(what: string): Message[] {
    const needed = this.#receiveBytes(what, MSG_PEEK | MSG_TRUNC)
    if (needed > this.#buffer.length) this.#buffer = new Uint8Array(needed)
    const length = this.#receiveBytes(what, 0)
    const messages = parseMessages(this.#buffer.subarray(0, length))
    if (messages === undefined) throw new KernelError(what, EBADMSG, 'the answer is malformed')
    return messages
  }

  #receiveBytes(what: string, flags: number): number {
    for (;;) {
      const length = recv(this.fd, this.#buffer, flags)
      if (length >= 0) return length
      if (length === -Errno.EINTR) continue
      if (length !== -Errno.EAGAIN) throw new KernelError(what, -length)
      throw new KernelError(what, Errno.ETIMEDOUT, `no answer in ${RECEIVE_TIMEOUT_S} s`)
    }
  }
}

const EBADMSG = 74

/** Kernels before 4.20 lack the last of the options, and do without. */
function tryOption(fd: number, option: number): void {
  try {
    setsockoptInt(fd, SOL_NETLINK, option, 1)
  } catch (error) {
    if (!(error instanceof KernelError)) throw error
  }
}

/**
 * What an error message or the end of a dump says: errno, 0 for none, and the kernel's words.
 *
 *      error:  0 -errno i32 | 4 the request's header, 16 bytes | 20 its body, unless capped | attributes
 *      done:   0 -errno i32 | 4 attributes
 */
export function parseFailure(message: Message): { errno: number; text: string } {
  const { body, type, flags } = message
  const view = viewOf(body)
  if (body.length < 4) return { errno: type === ControlType.done ? 0 : EBADMSG, text: '' }
  const errno = -view.getInt32(0, true)
  if ((flags & AnswerFlag.hasAttributes) === 0) return { errno: Math.max(errno, 0), text: '' }
  const isError = type === ControlType.error
  if (isError && body.length < 4 + HEADER_SIZE) return { errno: EBADMSG, text: '' }
  const isCapped = (flags & AnswerFlag.capped) !== 0
  const quoted = !isError ? 0 : isCapped ? HEADER_SIZE : (view.getUint32(4, true) + 3) & ~3
  const attributes = Attributes.parse(body.subarray(4 + quoted))
  return { errno: Math.max(errno, 0), text: attributes?.text(ACK_TEXT) ?? '' }
}
