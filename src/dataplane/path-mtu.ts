/**
 * What fits through the tunnel to a real server, as routers on the way have said: its path MTU.
 *
 *   server.pathMtu   APPLIED, once a packet was measured by it | bytes of IP packet, 16 bits
 *
 * As ipv4_update_pmtu does with its exceptions to routes (net/ipv4/route.c): it only falls, not below a least, and is
 * forgotten after PATH_MTU_S. Linux measures packets by what a cached route says, which learns of an exception with
 * the next packet: until then it tells the size of before. So do we.
 */
import { isAtOrAfter, u32 } from '../subset/integers.ts'
import { now, TICKS_PER_SECOND } from '../subset/clock.ts'
import { PATH_MTU_S } from './limits.ts'
import type { Server } from './tables.ts'

const APPLIED = 0x10000
const SIZE = 0xffff

/** Bytes that the way takes, if its first link takes `linkMtu`. */
export function pathMtuOf(server: Server, linkMtu: u32): u32 {
  const size: u32 = server.pathMtu & SIZE
  if (size === 0 || size >= linkMtu || isAtOrAfter(now(), server.pathMtuExpires)) return linkMtu
  return size
}

/** The same for a packet that is about to leave. */
export function applyPathMtu(server: Server, linkMtu: u32): u32 {
  if (server.pathMtu === 0) return linkMtu
  if (server.pathMtu < APPLIED) server.pathMtu = u32(server.pathMtu | APPLIED)
  return pathMtuOf(server, linkMtu)
}

/** A router takes `mtu` bytes. What is to be told of the way from here on. */
export function notePathMtu(server: Server, linkMtu: u32, mtu: u32, least: u32): u32 {
  const known: u32 = pathMtuOf(server, linkMtu)
  const applied: u32 = server.pathMtu & APPLIED
  if (mtu <= known) {
    const wanted: u32 = mtu < least ? least : mtu
    const size: u32 = wanted < known ? wanted : known
    if (size <= SIZE) {
      server.pathMtu = u32(applied | size)
      server.pathMtuExpires = u32(now() + PATH_MTU_S * TICKS_PER_SECOND)
    }
  }
  return applied === 0 ? linkMtu : pathMtuOf(server, linkMtu)
}
