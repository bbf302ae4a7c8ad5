/**
 * News from netlink, on Node's loop: what changes in the kernel, as it changes.
 *
 *   kernel ──► the socket's buffer ──► `onMessage`, one by one
 *                    │ full: news are lost (ENOBUFS)
 *                    └──► what still waits is thrown away, then `onOverflow`: list anew
 *
 * The buffered news are older than the listing that follows an overflow; delivered after it they would bring
 * back what is gone, so they are dropped first. For the same reason a subscriber subscribes before it lists.
 *
 * Follows netlink(7), net/netlink/af_netlink.c.
 */
import { Errno, isKernelError, KernelError } from '../errno.ts'
import { bind, close, Readiness, recv, setsockoptInt, socket } from '../ffi.ts'
import { AF_NETLINK, KERNEL_ADDRESS, SOCK_RAW_CLOEXEC, SOL_NETLINK, SOL_SOCKET } from './netlink.ts'
import { parseMessages, type Message } from './netlink-message.ts'

const NETLINK_ADD_MEMBERSHIP = 1
const SO_RCVBUF = 8
const SO_RCVBUFFORCE = 33
const MSG_TRUNC = 0x20
const MSG_DONTWAIT = 0x40

/** Room for news that wait: some thousand. */
const RECEIVE_BUFFER = 2 << 20
/** The kernel's own bound of a notification is a page or two. */
const DATAGRAM_MAX = 64 << 10
/** Datagrams read at one go before Node's loop does something else. */
const DATAGRAMS_PER_TURN = 256
/** More than fit into the buffer. */
const STALE_DATAGRAMS_MAX = 1 << 16

export interface Subscriber {
  /** The message is valid only during the call. */
  onMessage(message: Message): void
  /** News were lost: list anew. */
  onOverflow(): void
}

export interface SubscriptionOptions {
  /** Bytes of news that may wait. Default 2 MiB. */
  readonly receiveBuffer?: number
}

export class NetlinkSubscription {
  readonly #fd: number
  readonly #subscriber: Subscriber
  readonly #buffer = new Uint8Array(DATAGRAM_MAX)
  #readiness: Readiness | undefined
  #isOver = false

  private constructor(fd: number, subscriber: Subscriber) {
    this.#fd = fd
    this.#subscriber = subscriber
  }

  /**
   * From now on, of this thread's network namespace at this moment. `groups` are numbers, not bits. Keeps the
   * process alive until `stop`. Throws KernelError.
   */
  static open(
    protocol: number,
    groups: readonly number[],
    subscriber: Subscriber,
    options: SubscriptionOptions = {},
  ): NetlinkSubscription {
    const fd = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol)
    try {
      setReceiveBuffer(fd, options.receiveBuffer ?? RECEIVE_BUFFER)
      bind(fd, KERNEL_ADDRESS)
      for (const group of groups) setsockoptInt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
      const subscription = new NetlinkSubscription(fd, subscriber)
      subscription.#readiness = new Readiness(fd, () => subscription.#read())
      return subscription
    } catch (error) {
      close(fd)
      throw error
    }
  }

  /** No further call, not even of what was already waiting. */
  stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#readiness?.stop()
    close(this.#fd)
  }

  #read(): void {
    for (let turn = 0; turn < DATAGRAMS_PER_TURN && !this.#isOver; turn++) {
      const length = recv(this.#fd, this.#buffer, MSG_DONTWAIT | MSG_TRUNC)
      if (length === -Errno.EAGAIN) return
      if (length === -Errno.EINTR) continue
      if (length === -Errno.ENOBUFS) return this.#overflow()
      if (length < 0) throw new KernelError('receive news', -length)
      if (length > this.#buffer.length) return this.#overflow() // cut: as good as lost
      const messages = parseMessages(this.#buffer.subarray(0, length))
      if (messages === undefined) return this.#overflow()
      for (const message of messages) if (!this.#isOver) this.#subscriber.onMessage(message)
    }
  }

  #overflow(): void {
    for (let i = 0; i < STALE_DATAGRAMS_MAX; i++) {
      const length = recv(this.#fd, this.#buffer, MSG_DONTWAIT)
      if (length === -Errno.EAGAIN) break
    }
    this.#subscriber.onOverflow()
  }
}

/** Above net.core.rmem_max only with CAP_NET_ADMIN. */
function setReceiveBuffer(fd: number, size: number): void {
  try {
    setsockoptInt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size)
  } catch (error) {
    if (!isKernelError(error, 'EPERM')) throw error
    setsockoptInt(fd, SOL_SOCKET, SO_RCVBUF, size)
  }
}
