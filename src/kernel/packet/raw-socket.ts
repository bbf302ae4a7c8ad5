/**
 * IP packets of one protocol that are addressed to this host: a raw socket, read in batches. Or, in the same way, the
 * UDP datagrams to one port; then the payload is what is behind the UDP header, whose checksum the kernel has verified.
 *
 * The kernel has done with them what it does with all it receives: firewall, reassembly, checks of the header. What is
 * behind the header is as it came in, except that the kernel may have put TCP segments together on the way (GRO): then
 * a packet is larger than any that was sent, and the transport checksum in it is partial. That the socket is
 * there keeps the kernel from answering "protocol unreachable".
 *
 *   slot i of the memory:  room for what is put before the payload, 64 bytes | a packet of at most 64 KiB
 *
 *                          raw IPv4: | header | payload |
 *                          raw IPv6 and UDP: | payload |, the IP header's traffic class beside it
 *
 * Invariant: what `receive` left in the slots is there until the next `receive`.
 * Follows raw(7), ipv6(7), recvmmsg(2).
 */
import { Errno, KernelError } from '../errno.ts'
import { addressOf, bind, close, getsockopt, recvmmsg, setsockoptInt, socket } from '../ffi.ts'
import type { FrameMemory } from './send-queue.ts'

const AF_INET = 2
const AF_INET6 = 10
const SOCK_RAW_NONBLOCK_CLOEXEC = 0x80803
const SOL_SOCKET = 1
const SO_RCVBUFFORCE = 33
const SO_MEMINFO = 55
/** SK_MEMINFO_DROPS, and how many numbers there are. */
const DROPS = 8
const MEMORY_NUMBERS = 9
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 0x80802
const IPPROTO_IP = 0
const IP_TOS = 1
const IP_RECVTOS = 13
const IPPROTO_UDP = 17
const UDP_NO_CHECK6_RX = 102
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26
const IPV6_RECVTCLASS = 66
const IPV6_TCLASS = 67
const MSG_TRUNC = 0x20

/** Packets in one call. */
export const RECEIVE_MAX = 64
/** Bytes before a slot's packet that may be written. */
export const RAW_HEADROOM = 64
const PACKET_MAX = 65_536
/** No multiple of the page's size, or the heads of all slots would share a few lines of the processor's cache. */
const SLOT_SIZE = RAW_HEADROOM + PACKET_MAX + 704
/** Some thousand small packets, or a hundred large ones, while this process is busy. */
const RECEIVE_BUFFER = 16 << 20

/** struct mmsghdr; behind them all the iovecs, the control messages (one struct cmsghdr with an int), the senders. */
const Message = {
  size: 64,
  name: 0,
  nameLength: 8,
  iovec: 16,
  iovecs: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
  length: 56,
} as const
const IOVEC_SIZE = 16
const CONTROL_SIZE = 24
/** struct sockaddr_in6, with room to spare: 0 family u16 | 8 address; of sockaddr_in the address is at 4. */
const NAME_SIZE = 32
const IOVECS = RECEIVE_MAX * Message.size
const CONTROLS = IOVECS + RECEIVE_MAX * IOVEC_SIZE
const NAMES = CONTROLS + RECEIVE_MAX * CONTROL_SIZE
const MESSAGES_SIZE = NAMES + RECEIVE_MAX * NAME_SIZE
/** Where an IPv4 header has its source. */
const IPV4_SOURCE = 12
const V4_MAPPED = 0xffff

export class RawSocket {
  readonly fd: number
  readonly family: 4 | 6
  /** What the payloads lie in. */
  readonly memory: FrameMemory
  /** Packets too large for a slot: none that the kernel could make; they are left out. */
  truncated = 0

  // The packet that `look` looked at last.
  payloadStart = 0
  payloadLength = 0
  /** The IP header's: DSCP and ECN. */
  trafficClass = 0
  /** Who sent it, in four words; IPv4 addresses are mapped. */
  readonly source = new Uint32Array(4)

  /** Does the IP header lie before the payload? */
  readonly #hasHeader: boolean
  readonly #messages = new DataView(new ArrayBuffer(MESSAGES_SIZE))
  readonly #messagesAt: number

  private constructor(fd: number, family: 4 | 6, hasHeader: boolean) {
    this.fd = fd
    this.family = family
    this.#hasHeader = hasHeader
    const slots = new Uint8Array(RECEIVE_MAX * SLOT_SIZE)
    this.memory = { bytes: new DataView(slots.buffer), address: addressOf(slots) }
    this.#messagesAt = addressOf(new Uint8Array(this.#messages.buffer))
    for (let i = 0; i < RECEIVE_MAX; i++) this.#layOut(i)
  }

  /**
   * For packets of this protocol in IPv4 or IPv6, in this thread's network namespace. Throws KernelError: EPERM
   * without CAP_NET_RAW, EAFNOSUPPORT without IPv6.
   */
  static open(family: 4 | 6, protocol: number): RawSocket {
    const fd = socket(family === 4 ? AF_INET : AF_INET6, SOCK_RAW_NONBLOCK_CLOEXEC, protocol)
    return RawSocket.#prepare(fd, family, family === 4, () => undefined)
  }

  /**
   * For datagrams to this UDP port, with or without checksum. Throws KernelError: EADDRINUSE where somebody has the
   * port, EAFNOSUPPORT without IPv6.
   */
  static openUdp(family: 4 | 6, port: number): RawSocket {
    const fd = socket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0)
    return RawSocket.#prepare(fd, family, false, () => {
      if (family === 6) setsockoptInt(fd, IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)
      if (family === 6) setsockoptInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)
      bind(fd, anyAddress(family, port))
    })
  }

  static #prepare(fd: number, family: 4 | 6, hasHeader: boolean, more: () => void): RawSocket {
    try {
      setsockoptInt(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
      if (family === 6) setsockoptInt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1)
      else if (!hasHeader) setsockoptInt(fd, IPPROTO_IP, IP_RECVTOS, 1)
      more()
      return new RawSocket(fd, family, hasHeader)
    } catch (error) {
      close(fd)
      throw error
    }
  }

  /** How many packets lie in the slots now: 0 for none, RECEIVE_MAX if there may be more. Throws KernelError. */
  receive(): number {
    for (let i = 0; i < RECEIVE_MAX; i++) {
      const length = this.#hasHeader ? 0 : CONTROL_SIZE
      this.#messages.setUint32(i * Message.size + Message.controlLength, length, true)
      const nameLength = this.#hasHeader ? 0 : NAME_SIZE
      this.#messages.setUint32(i * Message.size + Message.nameLength, nameLength, true)
    }
    const count = recvmmsg(this.fd, this.#messagesAt, RECEIVE_MAX, 0)
    if (count >= 0) return count
    if (count === -Errno.EAGAIN || count === -Errno.EINTR) return 0
    throw new KernelError('recvmmsg', -count)
  }

  /** Has the fields tell of packet `i`; false if it is none to be used. */
  look(i: number): boolean {
    const message = i * Message.size
    const packet = i * SLOT_SIZE + RAW_HEADROOM
    const length = this.#messages.getUint32(message + Message.length, true)
    if ((this.#messages.getUint32(message + Message.flags, true) & MSG_TRUNC) !== 0) {
      this.truncated++
      return false
    }
    const { bytes } = this.memory
    const header = this.#hasHeader ? (bytes.getUint8(packet) & 0x0f) * 4 : 0
    this.payloadStart = packet + header
    this.payloadLength = length - header
    this.trafficClass = this.#hasHeader ? bytes.getUint8(packet + 1) : this.#toldClass(i)
    this.#setSource(i, packet)
    return true
  }

  #setSource(i: number, packet: number): void {
    const { source } = this
    if (this.family === 4) {
      const isInHeader = this.#hasHeader
      const [bytes, at] = isInHeader
        ? [this.memory.bytes, packet + IPV4_SOURCE]
        : [this.#messages, NAMES + i * NAME_SIZE + 4]
      source[0] = 0
      source[1] = 0
      source[2] = V4_MAPPED
      source[3] = bytes.getUint32(at)
      return
    }
    const at = NAMES + i * NAME_SIZE + 8
    for (let word = 0; word < 4; word++) source[word] = this.#messages.getUint32(at + 4 * word)
  }

  /** Packets that the kernel dropped because nobody took them from the socket in time. */
  get dropped(): number {
    const numbers = new Uint32Array(MEMORY_NUMBERS)
    getsockopt(this.fd, SOL_SOCKET, SO_MEMINFO, new Uint8Array(numbers.buffer))
    return numbers[DROPS]!
  }

  close(): void {
    close(this.fd)
  }

  /** struct cmsghdr: 0 length u64 | 8 level i32 | 12 type i32 | 16 the traffic class, i32; for IPv4 only a byte. */
  #toldClass(i: number): number {
    const at = CONTROLS + i * CONTROL_SIZE
    const [level, type] = this.family === 4 ? [IPPROTO_IP, IP_TOS] : [IPPROTO_IPV6, IPV6_TCLASS]
    const isTold =
      this.#messages.getUint32(i * Message.size + Message.controlLength, true) > 0 &&
      this.#messages.getUint32(at + 8, true) === level &&
      this.#messages.getUint32(at + 12, true) === type
    return isTold ? this.#messages.getUint8(at + 16) : 0
  }

  #layOut(i: number): void {
    const messages = this.#messages
    const message = i * Message.size
    const iovec = IOVECS + i * IOVEC_SIZE
    const control = CONTROLS + i * CONTROL_SIZE
    const setAddress = (at: number, address: number) =>
      messages.setBigUint64(at, BigInt(address), true)
    setAddress(message + Message.name, this.#messagesAt + NAMES + i * NAME_SIZE)
    setAddress(message + Message.iovec, this.#messagesAt + iovec)
    messages.setUint32(message + Message.iovecs, 1, true)
    setAddress(message + Message.control, this.#messagesAt + control)
    setAddress(iovec, this.memory.address + i * SLOT_SIZE + RAW_HEADROOM)
    messages.setUint32(iovec + 8, PACKET_MAX, true)
  }
}

/** struct sockaddr_in or sockaddr_in6: every address of this host. */
function anyAddress(family: 4 | 6, port: number): Uint8Array {
  const address = new Uint8Array(family === 4 ? 16 : 28)
  const view = new DataView(address.buffer)
  view.setUint16(0, family === 4 ? AF_INET : AF_INET6, true)
  view.setUint16(2, port)
  return address
}
