/**
 * A neighbour as `Hops` holds it: what the kernel says of it, which rows stand for it, and who needs them.
 *
 * It has one row that the index names, for packets to the neighbour itself, and one for each way in which routes lead
 * through it as a gateway: those may differ in MTU and in the address we send from.
 */
import { familyOf, ipToWords, type IpWords } from '../../base/ip.ts'
import { isMulticastMac, ZERO_MAC } from '../../base/mac.ts'

/** NUD_… of the kernel (include/uapi/linux/neighbour.h). */
export type NeighbourState =
  | 'none'
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'noarp'
  | 'permanent'

/** Whose MAC address is meant. */
export interface HopKey {
  readonly interfaceIndex: number
  readonly ip: string
}

/** An entry of the kernel's neighbour table. */
export interface Neighbour extends HopKey {
  readonly mac: string | undefined
  readonly state: NeighbourState
}

/** A way through a neighbour as gateway. */
export interface GatewayUse {
  readonly row: number
  /** Of the packets, not of the gateway. */
  readonly family: 4 | 6
  readonly mtu: number | undefined
  readonly preferredSource: string | undefined
}

export class HopEntry implements HopKey {
  readonly interfaceIndex: number
  readonly ip: string
  readonly words: IpWords
  readonly family: 4 | 6
  /** 'none' too if the kernel does not know it. */
  state: NeighbourState = 'none'
  /** Where frames for it go; undefined if that is not known now. */
  mac: string | undefined
  /** The row in the index. */
  row: number | undefined
  readonly gatewayUses = new Map<string, GatewayUse>()
  /** Real servers whose next hop this is. */
  servers = 0

  constructor({ interfaceIndex, ip }: HopKey) {
    this.interfaceIndex = interfaceIndex
    this.ip = ip
    this.words = ipToWords(ip)
    this.family = familyOf(ip)
  }

  get isNeeded(): boolean {
    return this.servers > 0 || this.gatewayUses.size > 0
  }

  /** Takes over what the kernel says; undefined: it forgot it. Did the MAC address change? */
  update(neighbour: Neighbour | undefined): boolean {
    const old = this.mac
    this.state = neighbour?.state ?? 'none'
    this.mac = neighbour === undefined ? undefined : usableMac(neighbour)
    return this.mac !== old
  }
}

/** Where frames for it may be sent: no group's address, none that failed. */
export function usableMac({ mac, state }: Neighbour): string | undefined {
  if (state === 'none' || state === 'incomplete' || state === 'failed') return undefined
  return mac === undefined || mac === ZERO_MAC || isMulticastMac(mac) ? undefined : mac
}

/** One text for one neighbour. */
export function hopId({ interfaceIndex, ip }: HopKey): string {
  return `${interfaceIndex} ${ip}`
}
