/**
 * What the laboratory's own Linux does with a frame that the packet path passes, as far as the recordings show it:
 * forwards it (ip_forward=1), answers an echo request, or drops it. Not what it would answer to strangers' segments.
 */
import { viewOf } from '../../src/base/bytes.ts'
import { macToBytes } from '../../src/base/mac.ts'
import { checksum, isChecksumRight } from '../../src/wire/checksum.ts'
import { echoFrame } from '../../src/wire/flow.ts'
import { parseFrame } from '../../src/wire/frame.ts'
import { IcmpType } from '../../src/wire/icmp.ts'
import { DIRECTOR_MAC, GATEWAY_MAC, OWN_ADDRESSES, type Departed } from './laboratory.ts'

const ETHERNET = 14

/** Frames that leave the host: to an IPv6 real server, else to the client side. */
export function leaveToHost(frame: Uint8Array): Departed[] {
  const { ip, tcp, udp, icmp } = parseFrame(frame) ?? {}
  if (ip?.version === 6 && !OWN_ADDRESSES.includes(ip.destination)) {
    return [forwardIpv6(frame, ip.destination)]
  }
  if (ip?.version !== 4 || !isChecksumRight(frame.subarray(ETHERNET, ETHERNET + 20))) return []
  if (!OWN_ADDRESSES.includes(ip.destination)) return [{ at: 'client', bytes: forward(frame) }]
  if (tcp !== undefined || udp !== undefined || icmp?.type !== IcmpType.echoRequest) return []
  const bytes = echoFrame(ip.destination, ip.source, {
    isReply: true,
    identifier: icmp.rest >>> 16,
    sequence: icmp.rest & 0xffff,
    data: icmp.payload,
    over: {
      destinationMac: GATEWAY_MAC,
      sourceMac: DIRECTOR_MAC.client,
      ip: { dontFragment: false },
    },
  })
  return [{ at: 'client', bytes }]
}

/** One hop further. */
function forwardIpv6(frame: Uint8Array, destination: string): Departed {
  const server = /^2001:db8:b::1(\d)$/.exec(destination)?.[1]
  const at = server === undefined ? 'client' : 'server'
  const bytes = frame.slice()
  bytes.set(macToBytes(server === undefined ? GATEWAY_MAC : `02:00:00:00:0b:1${server}`), 0)
  bytes.set(macToBytes(DIRECTOR_MAC[at]), 6)
  bytes[ETHERNET + 7]! -= 1
  return { at, bytes }
}

/** The same of IPv4. */
function forward(frame: Uint8Array): Uint8Array {
  const bytes = frame.slice()
  bytes.set(macToBytes(GATEWAY_MAC), 0)
  bytes.set(macToBytes(DIRECTOR_MAC.client), 6)
  const view = viewOf(bytes)
  view.setUint8(ETHERNET + 8, view.getUint8(ETHERNET + 8) - 1)
  view.setUint16(ETHERNET + 10, 0)
  view.setUint16(ETHERNET + 10, checksum(bytes.subarray(ETHERNET, ETHERNET + 20)))
  return bytes
}
