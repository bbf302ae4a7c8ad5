/**
 * What was rewritten in a frame, in words: the frame before and after, read and compared.
 */
import { serverText } from '../director/check.ts'
import { parseFrame, type IpLayers } from '../wire/frame.ts'
import type { IpPacket } from '../wire/ipip.ts'
import { parseTcpOptions } from '../wire/tcp.ts'

/** One phrase for each difference but those of MAC addresses and checksums. */
export function describeDifference(before: Uint8Array, after: Uint8Array): string[] {
  const old = parseFrame(before)
  const outer = parseFrame(after)
  if (old?.ip === undefined || outer?.ip === undefined) return []
  const whole = { ...old, ip: old.ip }
  const { inner } = outer
  if (inner === undefined) return compare(whole, { ...outer, ip: outer.ip })
  return [...compare(whole, inner), ...describeOuter(outer.ip)]
}

function describeOuter(ip: IpPacket): string[] {
  const { version, source, destination } = ip
  return [
    `put into an IPv${version} packet from ${source} to ${destination}, ` +
      `${describeTime(ip.version)} ${timeOf(ip)}`,
  ]
}

function compare(old: IpLayers, now: IpLayers): string[] {
  const time = describeTime(old.ip.version)
  return [
    ...change('source', endpointOf(old, 'source'), endpointOf(now, 'source')),
    ...change('destination', endpointOf(old, 'destination'), endpointOf(now, 'destination')),
    ...change(time, `${timeOf(old.ip)}`, `${timeOf(now.ip)}`),
    ...change('MSS', segmentMaxOf(old), segmentMaxOf(now)),
  ]
}

function change(what: string, old: string, now: string): string[] {
  return old === now ? [] : [`${what} ${old} → ${now}`]
}

function endpointOf({ ip, tcp, udp, sctp }: IpLayers, end: 'source' | 'destination'): string {
  const port = (tcp ?? udp ?? sctp)?.[`${end}Port`] ?? 0
  return serverText({ address: ip[end], port })
}

function describeTime(version: 4 | 6): string {
  return version === 4 ? 'TTL' : 'hop limit'
}

function timeOf(ip: IpPacket): number {
  return ip.version === 4 ? ip.timeToLive : ip.hopLimit
}

function segmentMaxOf({ tcp }: IpLayers): string {
  const options = tcp === undefined ? [] : (parseTcpOptions(tcp.options) ?? [])
  const sizes = options.flatMap((option) => (option.type === 'mss' ? [option.size] : []))
  return sizes.length === 0 ? 'none' : String(sizes[0])
}
