/**
 * One change to this host that is undone at the end: a setting of an interface, or an address on the loopback.
 *
 * A change knows how to tell whether it is in force, so that nothing is undone that somebody else has changed
 * since, and that what a killed run wrote down is believed only where it is still so.
 */
import { familyOf } from '../base/ip.ts'
import { addAddress, deleteAddress, listAddresses, Scope } from '../kernel/netlink/address.ts'
import { isKernelError } from '../kernel/errno.ts'
import type { NetlinkSocket } from '../kernel/netlink/netlink.ts'
import { hasSysctl, readSysctl, writeSysctl } from '../kernel/sysctl.ts'

export interface SettingChange {
  readonly kind: 'setting'
  /** As sysctl(8) has it: 'net.ipv4.conf.eth0.arp_ignore'. */
  readonly name: string
  readonly before: string
  readonly after: string
}

export interface AddressChange {
  readonly kind: 'address'
  readonly ip: string
}

export type Change = SettingChange | AddressChange

/** Every network namespace's loopback device has it. */
export const LOOPBACK_INDEX = 1

export function isInForce(change: Change, netlink: NetlinkSocket): boolean {
  if (change.kind === 'setting') {
    return hasSysctl(change.name) && readSysctl(change.name) === change.after
  }
  const bits = hostBits(change.ip)
  return listAddresses(netlink, LOOPBACK_INDEX).some(
    (address) => address.ip === change.ip && address.bits === bits,
  )
}

/** Throws KernelError. */
export function makeChange(change: Change, netlink: NetlinkSocket): void {
  if (change.kind === 'setting') return writeSysctl(change.name, change.after)
  addAddress(netlink, {
    interfaceIndex: LOOPBACK_INDEX,
    ip: change.ip,
    bits: hostBits(change.ip),
    // Host scope: never chosen as the source of this host's own IPv4 connections. IPv6 has its own idea of scopes.
    scope: Scope.host,
    noDad: true,
  })
}

/** False if it was no longer in force, and so nothing was undone. Throws KernelError. */
export function undoChange(change: Change, netlink: NetlinkSocket): boolean {
  try {
    if (!isInForce(change, netlink)) return false
    if (change.kind === 'setting') writeSysctl(change.name, change.before)
    else deleteAddress(netlink, addressOf(change))
    return true
  } catch (error) {
    // Gone between the look and the deed.
    if (isKernelError(error, 'ENOENT', 'EADDRNOTAVAIL')) return false
    throw error
  }
}

/** Do both change the same thing, if perhaps to something else? */
export function isSameTarget(one: Change, other: Change): boolean {
  return targetOf(one) === targetOf(other)
}

/** 'net.ipv4.conf.eth0.arp_ignore: 0 → 1', '10.0.0.100/32 on lo: added'. */
export function formatChange(change: Change): string {
  if (change.kind === 'setting') return `${change.name}: ${change.before} → ${change.after}`
  return `${targetOf(change)}: added`
}

/** The same, the other way round. */
export function formatUndone(change: Change): string {
  if (change.kind === 'setting') return `${change.name}: ${change.after} → ${change.before}`
  return `${targetOf(change)}: removed`
}

/** What it is about: 'net.ipv4.conf.eth0.arp_ignore', '10.0.0.100/32 on lo'. */
export function targetOf(change: Change): string {
  return change.kind === 'setting' ? change.name : `${change.ip}/${hostBits(change.ip)} on lo`
}

function addressOf({ ip }: AddressChange): { interfaceIndex: number; ip: string; bits: number } {
  return { interfaceIndex: LOOPBACK_INDEX, ip, bits: hostBits(ip) }
}

/** The length of a prefix that is one address. */
function hostBits(ip: string): number {
  return familyOf(ip) === 4 ? 32 : 128
}
