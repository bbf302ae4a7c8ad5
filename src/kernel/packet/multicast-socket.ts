/**
 * UDP datagrams to a multicast group through one interface: a socket that sends, and one that receives, as the kernel's
 * own synchronisation daemons open theirs (net/netfilter/ipvs/ip_vs_sync.c: make_send_sock, make_receive_sock).
 *
 * The interface is named by its index, so it needs no address. What this host sends it does not hear itself.
 *
 *   struct ip_mreqn:      0 group | 4 address | 8 interface i32
 *   struct ipv6_mreq:     0 group | 16 interface u32
 *   struct sockaddr_in:   0 family u16 | 2 port, big-endian | 4 address | 8 zero
 *   struct sockaddr_in6:  0 family u16 | 2 port, big-endian | 4 flow | 8 address | 24 scope u32
 *
 * Follows ip(7), ipv6(7), udp(7).
 */
import { familyOf, ipToBytes } from '../../base/ip.ts'
import { viewOf } from '../../base/bytes.ts'
import { Errno, errnoName, isKernelError } from '../errno.ts'
import * as ffi from '../ffi.ts'

const AF_INET = 2
const AF_INET6 = 10
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 0x80802
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_RCVBUFFORCE = 33
const SO_BINDTOIFINDEX = 62
const SOL_IP = 0
const IP_MTU_DISCOVER = 10
const IP_MULTICAST_IF = 32
const IP_MULTICAST_TTL = 33
const IP_MULTICAST_LOOP = 34
const IP_ADD_MEMBERSHIP = 35
const SOL_IPV6 = 41
const IPV6_MULTICAST_IF = 17
const IPV6_MULTICAST_HOPS = 18
const IPV6_MULTICAST_LOOP = 19
const IPV6_JOIN_GROUP = 20
const IPV6_MTU_DISCOVER = 23
/** Too long for the interface: cut, as fragments. */
const PMTUDISC_DONT = 0

const MSG_DONTWAIT = 0x40
/** Room for what comes while this process is busy: some thousand messages. */
const RECEIVE_BUFFER = 4 << 20
/** Datagrams read at one go before Node's loop does something else. */
const DATAGRAMS_PER_TURN = 32

/** Where to. */
export interface MulticastPlace {
  readonly interfaceIndex: number
  readonly group: string
  readonly port: number
  /** Bytes of the socket's buffer; 0: as many as usual. */
  readonly bufferBytes: number
}

export class MulticastSender {
  readonly #fd: number
  #isOpen = true

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** Throws KernelError: ENETUNREACH where the interface is down, EINVAL or EADDRNOTAVAIL for what is no group. */
  static open(place: MulticastPlace, timeToLive: number): MulticastSender {
    const { group, interfaceIndex, bufferBytes } = place
    const isIpv6 = familyOf(group) === 6
    const fd = ffi.socket(isIpv6 ? AF_INET6 : AF_INET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0)
    try {
      if (isIpv6) {
        ffi.setsockoptInt(fd, SOL_IPV6, IPV6_MULTICAST_IF, interfaceIndex)
        ffi.setsockoptInt(fd, SOL_IPV6, IPV6_MULTICAST_LOOP, 0)
        ffi.setsockoptInt(fd, SOL_IPV6, IPV6_MULTICAST_HOPS, timeToLive)
        ffi.setsockoptInt(fd, SOL_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DONT)
      } else {
        ffi.setsockopt(fd, SOL_IP, IP_MULTICAST_IF, membership('0.0.0.0', interfaceIndex))
        ffi.setsockoptInt(fd, SOL_IP, IP_MULTICAST_LOOP, 0)
        ffi.setsockoptInt(fd, SOL_IP, IP_MULTICAST_TTL, timeToLive)
        ffi.setsockoptInt(fd, SOL_IP, IP_MTU_DISCOVER, PMTUDISC_DONT)
      }
      if (bufferBytes > 0) ffi.setsockoptInt(fd, SOL_SOCKET, SO_SNDBUF, bufferBytes)
      ffi.connect(fd, addressOf(place))
      return new MulticastSender(fd)
    } catch (error) {
      ffi.close(fd)
      throw error
    }
  }

  /** 'sent'; 'full': there is no room for it now; else errno's name. */
  send(message: Uint8Array): string {
    const sent = ffi.sendto(this.#fd, message, new Uint8Array())
    if (sent >= 0) return 'sent'
    return sent === -Errno.EAGAIN || sent === -Errno.EINTR ? 'full' : errnoName(-sent)
  }

  /** May be called twice. */
  close(): void {
    if (this.#isOpen) ffi.close(this.#fd)
    this.#isOpen = false
  }
}

export class MulticastReceiver {
  readonly #fd: number
  readonly #buffer: Uint8Array
  readonly #onMessage: (message: Uint8Array) => void
  readonly #readiness: ffi.Readiness
  #isOpen = true

  private constructor(fd: number, lengthMax: number, onMessage: (message: Uint8Array) => void) {
    this.#fd = fd
    this.#buffer = new Uint8Array(lengthMax)
    this.#onMessage = onMessage
    this.#readiness = new ffi.Readiness(fd, () => this.#read())
  }

  /**
   * `onMessage` gets each datagram, cut to `lengthMax` bytes; the bytes are its own only during the call. Keeps the
   * process alive until `close`. Throws KernelError: EINVAL or EADDRNOTAVAIL for what is no group.
   */
  static open(
    place: MulticastPlace,
    lengthMax: number,
    onMessage: (message: Uint8Array) => void,
  ): MulticastReceiver {
    const { group, interfaceIndex } = place
    const isIpv6 = familyOf(group) === 6
    const fd = ffi.socket(isIpv6 ? AF_INET6 : AF_INET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0)
    try {
      ffi.setsockoptInt(fd, SOL_SOCKET, SO_REUSEADDR, 1)
      setReceiveBuffer(fd, place.bufferBytes)
      ffi.setsockoptInt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, interfaceIndex)
      ffi.bind(fd, addressOf(place))
      const [level, option] = isIpv6 ? [SOL_IPV6, IPV6_JOIN_GROUP] : [SOL_IP, IP_ADD_MEMBERSHIP]
      ffi.setsockopt(fd, level, option, membership(group, interfaceIndex))
      return new MulticastReceiver(fd, lengthMax, onMessage)
    } catch (error) {
      ffi.close(fd)
      throw error
    }
  }

  #read(): void {
    for (let turn = 0; turn < DATAGRAMS_PER_TURN && this.#isOpen; turn++) {
      const length = ffi.recv(this.#fd, this.#buffer, MSG_DONTWAIT)
      // What is wrong with the interface (ENETDOWN) is told once, and is no message.
      if (length < 0) return
      this.#onMessage(this.#buffer.subarray(0, length))
    }
  }

  /** No further call. May be called twice. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#readiness.stop()
    ffi.close(this.#fd)
  }
}

/** What was asked for as it is allowed; else much, if we may. */
function setReceiveBuffer(fd: number, bytes: number): void {
  if (bytes > 0) return ffi.setsockoptInt(fd, SOL_SOCKET, SO_RCVBUF, bytes)
  try {
    ffi.setsockoptInt(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
  } catch (error) {
    if (!isKernelError(error, 'EPERM')) throw error
    ffi.setsockoptInt(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER)
  }
}

function membership(group: string, interfaceIndex: number): Uint8Array {
  const isIpv6 = familyOf(group) === 6
  const bytes = new Uint8Array(isIpv6 ? 20 : 12)
  bytes.set(ipToBytes(group))
  viewOf(bytes).setInt32(isIpv6 ? 16 : 8, interfaceIndex, true)
  return bytes
}

function addressOf({ group, port, interfaceIndex }: MulticastPlace): Uint8Array {
  const isIpv6 = familyOf(group) === 6
  const bytes = new Uint8Array(isIpv6 ? 28 : 16)
  const view = viewOf(bytes)
  view.setUint16(0, isIpv6 ? AF_INET6 : AF_INET, true)
  view.setUint16(2, port)
  bytes.set(ipToBytes(group), isIpv6 ? 8 : 4)
  if (isIpv6) view.setUint32(24, interfaceIndex, true)
  return bytes
}
