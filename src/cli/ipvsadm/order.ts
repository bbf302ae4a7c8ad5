/**
 * The order of ipvsadm's listings: firewall mark, family, protocol, address, port.
 *
 * ipvsadm compares by 32-bit signed differences, which is no order for numbers far apart (192.168.0.1 comes before
 * 10.0.0.1, and fwmark 4294967295 before all); what comes out then depends on how it sorts. So we sort as it does: by
 * merging halves, as the C library's qsort(3) of its time.
 */
import { familyOf, ipToWords } from '../../base/ip.ts'
import type { ServerListing, ServiceListing } from '../../director/model.ts'

/** IPPROTO_TCP, _UDP, _SCTP. */
const PROTOCOL_NUMBER = { tcp: 6, udp: 17, sctp: 132 } as const

type Key = readonly number[]

export function sortServices(services: readonly ServiceListing[]): ServiceListing[] {
  return sortByKey(services, serviceKeyOf)
}

export function sortServers(servers: readonly ServerListing[]): ServerListing[] {
  return sortByKey(servers, ({ family, address, port }) => [family, ...addressKeyOf(address), port])
}

function serviceKeyOf({ key, family }: ServiceListing): Key {
  if ('firewallMark' in key) return [key.firewallMark, family]
  const { protocol, address, port } = key
  return [0, family, PROTOCOL_NUMBER[protocol], ...addressKeyOf(address), port]
}

function addressKeyOf(address: string): Key {
  const words = ipToWords(address)
  return familyOf(address) === 4 ? words.slice(3) : words
}

function sortByKey<T>(items: readonly T[], keyOf: (item: T) => Key): T[] {
  const keyed = items.map((item) => ({ item, key: keyOf(item) }))
  return mergeSort(keyed).map(({ item }) => item)
}

function mergeSort<T extends { readonly key: Key }>(items: T[]): T[] {
  if (items.length < 2) return items
  const half = items.length >>> 1
  const [left, right] = [mergeSort(items.slice(0, half)), mergeSort(items.slice(half))]
  const merged: T[] = []
  let [l, r] = [0, 0]
  while (l < left.length && r < right.length) {
    merged.push(compare(left[l]!.key, right[r]!.key) <= 0 ? left[l++]! : right[r++]!)
  }
  return [...merged, ...left.slice(l), ...right.slice(r)]
}

function compare(a: Key, b: Key): number {
  for (const [i, value] of a.entries()) {
    const difference = (value - (b[i] ?? 0)) | 0
    if (difference !== 0) return difference
  }
  return 0
}
