/**
 * Giving frames to the kernel's own stack: a TAP device that the engine writes into.
 *
 *   engine ── write(2): virtio header | frame ──► TAP device ──► the kernel's stack ──► sockets, forwarding
 *                                                                       │
 *                      the real interface ◄── answers, by the ordinary routes
 *
 * What the ingress claim dropped and the packet path then does not want goes this way. To the stack the frame
 * came in on this device: so reverse-path filtering is loose on it, and it is addressed to the device's MAC.
 * The device itself says nothing: no ARP, no multicast, no IPv6 address of its own. Its IPv4 address is a
 * loopback one, of host scope: never chosen as a source, and the loose filter wants one (see `silence`). The
 * device is not persistent: when the process ends, however it ends, the kernel removes it.
 *
 * Follows Documentation/networking/tuntap.rst, include/uapi/linux/if_tun.h; netdevice(7) for the requests:
 *
 *      struct ifreq:  0 interface name, 16 bytes | 16 flags u16, or index i32,
 *                     or sockaddr: 16 family u16, 18 MAC, 20 IPv4 address
 */
import { existsSync, writeFileSync } from 'node:fs'
import { bytesToMac } from '../../base/mac.ts'
import { close, errnoName, ioctl, open, read, socket, write } from '../ffi.ts'
import type { FrameMemory } from './send-queue.ts'
import { VIRTIO_HEADER_SIZE } from './virtio-header.ts'

const O_RDWR_NONBLOCK_CLOEXEC = 0x80802
const AF_INET = 2
const SOCK_DGRAM_CLOEXEC = 0x80002
const IFREQ_SIZE = 40
const NAME_MAX = 15

const Request = {
  /** TUNSETIFF */
  create: 0x400454ca,
  getFlags: 0x8913,
  setFlags: 0x8914,
  setAddress: 0x8916,
  setNetmask: 0x891c,
  getMac: 0x8927,
  getIndex: 0x8933,
} as const
/** IFF_NO_PI, IFF_VNET_HDR, IFF_TUN_EXCL: nothing but virtio headers before frames, and nobody's device but ours. */
const DEVICE_FLAGS = 0x1000 | 0x4000 | 0x8000
/** IFF_TAP: whole frames. */
const TAP_FLAGS = 0x0002
/** IFF_… of interfaces. */
const InterfaceFlag = { up: 0x1, noArp: 0x80, multicast: 0x1000 } as const

/** Any of 127.0.0.0/8, which no host sends out; this one stands out in `ip addr`. */
const OWN_ADDRESS = [127, 83, 76, 1]

export const TAP_NAME_DEFAULT = 'sluice%d'

export class Tap {
  readonly name: string
  readonly interfaceIndex: number
  readonly mac: string
  /** Frames given to the kernel. */
  injected = 0
  /** Frames it refused, by the error's name. */
  readonly errors = new Map<string, number>()
  readonly #fd: number
  readonly #mac: Uint8Array

  private constructor(fd: number, name: string, interfaceIndex: number, mac: Uint8Array) {
    this.#fd = fd
    this.name = name
    this.interfaceIndex = interfaceIndex
    this.#mac = mac
    this.mac = bytesToMac(mac)
  }

  /**
   * Makes the device, up and ready, in this thread's network namespace. `%d` in the name becomes the first
   * free number. Throws KernelError: ENOENT without /dev/net/tun, EPERM without CAP_NET_ADMIN, EBUSY where
   * a device has that name.
   */
  static open(name: string = TAP_NAME_DEFAULT): Tap {
    const device = openDevice(name, TAP_FLAGS)
    return new Tap(device.fd, device.name, device.interfaceIndex, device.mac)
  }

  /**
   * Gives the kernel the frame of `length` bytes at `start` of `memory`, with the virtio header right before
   * it, as if it had come in here; writes this device's MAC into the frame as destination. False, and
   * counted, where the kernel refuses.
   */
  inject(memory: FrameMemory, start: number, length: number): boolean {
    for (let i = 0; i < 6; i++) memory.bytes.setUint8(start + i, this.#mac[i]!)
    const at = memory.address + start - VIRTIO_HEADER_SIZE
    const written = write(this.#fd, at, length + VIRTIO_HEADER_SIZE)
    if (written >= 0) {
      this.injected++
      return true
    }
    const name = errnoName(-written)
    this.errors.set(name, (this.errors.get(name) ?? 0) + 1)
    return false
  }

  /** To wait for frames that the kernel sends out by the device. */
  get fd(): number {
    return this.#fd
  }

  /**
   * The next frame that the kernel sends out by the device, into `bytes`, the virtio header before it. How many bytes;
   * 0: there is none.
   */
  take(bytes: Uint8Array): number {
    return Math.max(0, read(this.#fd, bytes))
  }

  /** The device is gone. */
  close(): void {
    close(this.#fd)
  }
}

/** A device of the TUN driver, up and silent; closing the descriptor removes it. */
export interface OpenedDevice {
  readonly fd: number
  readonly name: string
  readonly interfaceIndex: number
  /** Of a TUN device zeros. */
  readonly mac: Uint8Array
}

/** Makes a device, IFF_TAP or IFF_TUN (tun.ts) as `kind` says. Throws as `Tap.open`. */
export function openDevice(name: string, kind: number): OpenedDevice {
  const fd = open('/dev/net/tun', O_RDWR_NONBLOCK_CLOEXEC)
  const asked = socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0) // any socket will do for the requests
  try {
    const request = Buffer.alloc(IFREQ_SIZE)
    request.write(name.slice(0, NAME_MAX), 'latin1')
    request.writeUInt16LE(kind | DEVICE_FLAGS, 16)
    ioctl(fd, Request.create, request)
    const device = request.toString('latin1', 0, request.indexOf(0))
    silence(device)
    setOwnAddress(asked, request)
    raise(asked, request)
    ioctl(asked, Request.getIndex, request)
    const interfaceIndex = request.readInt32LE(16)
    ioctl(asked, Request.getMac, request)
    return { fd, name: device, interfaceIndex, mac: Uint8Array.from(request.subarray(18, 24)) }
  } catch (error) {
    close(fd)
    throw error
  } finally {
    close(asked)
  }
}

/**
 * Before the device comes up. Linux takes the larger of `all` and the device's rp_filter: with 2, loose, a
 * strict `all` (1) does not drop frames whose answers leave by another interface. On an interface without
 * any IPv4 address, however, every filter drops everything (fib_frontend.c): hence `setOwnAddress`.
 */
function silence(device: string): void {
  writeFileSync(`/proc/sys/net/ipv4/conf/${device}/rp_filter`, '2')
  const ipv6 = `/proc/sys/net/ipv6/conf/${device}`
  if (!existsSync(ipv6)) return // a kernel without IPv6
  writeFileSync(`${ipv6}/addr_gen_mode`, '1') // no link-local address
  writeFileSync(`${ipv6}/accept_ra`, '0')
}

/** While the device is down, so that no route to the address's whole network comes to be. */
function setOwnAddress(asked: number, request: Buffer): void {
  for (const [what, address] of [
    [Request.setAddress, OWN_ADDRESS],
    [Request.setNetmask, [255, 255, 255, 255]],
  ] as const) {
    request.fill(0, 16)
    request.writeUInt16LE(AF_INET, 16)
    request.set(address, 20)
    ioctl(asked, what, request)
  }
}

/** Up, without ARP and multicast: nothing is resolved or announced through it. `request` names it. */
function raise(asked: number, request: Buffer): void {
  ioctl(asked, Request.getFlags, request)
  const flags = request.readUInt16LE(16) & ~InterfaceFlag.multicast
  request.writeUInt16LE(flags | InterfaceFlag.up | InterfaceFlag.noArp, 16)
  ioctl(asked, Request.setFlags, request)
}
