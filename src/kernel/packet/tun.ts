/**
 * Giving IP packets to the kernel's own stack, as received: a TUN device, the TAP device's sibling without Ethernet.
 *
 *   decapsulator ── write(2): virtio header | IP packet ──► TUN device ──► the kernel's stack ──► sockets
 *
 * As quiet, as loose in reverse-path filtering and as transient as the other (tap.ts says why). The packet's first
 * four bits tell the kernel which IP it is. Its length is not bound by the device's MTU, which is for what is sent.
 *
 * Follows Documentation/networking/tuntap.rst, tun_get_user in drivers/net/tun.c.
 */
import { close, errnoName, write } from '../ffi.ts'
import type { FrameMemory } from './send-queue.ts'
import { hasSysctl, sysctlPart, writeSysctl } from '../sysctl.ts'
import { openDevice } from './tap.ts'
import { VIRTIO_HEADER_SIZE } from './virtio-header.ts'

const IFF_TUN = 0x0001

export const TUN_NAME_DEFAULT = 'sluicetun%d'

export class Tun {
  readonly name: string
  readonly interfaceIndex: number
  /** Packets given to the kernel. */
  injected = 0
  /** Packets it refused, by the error's name. */
  readonly errors = new Map<string, number>()
  readonly #fd: number

  private constructor(fd: number, name: string, interfaceIndex: number) {
    this.#fd = fd
    this.name = name
    this.interfaceIndex = interfaceIndex
  }

  /** Makes the device, up and ready, in this thread's network namespace. Name and errors as of `Tap.open`. */
  static open(name: string = TUN_NAME_DEFAULT): Tun {
    const device = openDevice(name, IFF_TUN)
    const noIpv6 = `net.ipv6.conf.${sysctlPart(device.name)}.disable_ipv6`
    // Where new interfaces are to be without IPv6, this one would drop it.
    if (hasSysctl(noIpv6)) writeSysctl(noIpv6, 0)
    return new Tun(device.fd, device.name, device.interfaceIndex)
  }

  /**
   * Gives the kernel the packet of `length` bytes at `start` of `memory`, with the virtio header right before it, as
   * if it had come in here. False, and counted, where the kernel refuses.
   */
  inject(memory: FrameMemory, start: number, length: number): boolean {
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

  /** The device is gone. */
  close(): void {
    close(this.#fd)
  }
}
