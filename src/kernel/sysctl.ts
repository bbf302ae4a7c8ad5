/**
 * Network settings of the kernel, by the dotted names of sysctl(8): 'net.ipv4.conf.eth0.rp_filter'.
 *
 * A dot within an interface's name is written as a slash, also as sysctl(8) does: 'net.ipv4.conf.eth0/100.rp_filter'
 * is about eth0.100; `sysctlPart` writes it so. Each network namespace has its own: of this thread's, unless
 * called through `inNamespace`. Follows Documentation/networking/ip-sysctl.rst.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { assert } from '../base/assert.ts'
import { isKernelError, KernelError, toKernelError } from './errno.ts'

/** An interface's name as part of a dotted name. */
export function sysctlPart(interfaceName: string): string {
  return interfaceName.replaceAll('.', '/')
}

/** The setting's text without the newline. Throws KernelError: ENOENT where there is no such setting. */
export function readSysctl(name: string): string {
  try {
    return readFileSync(pathOf(name), 'utf8').trimEnd()
  } catch (error) {
    throw explain(`read sysctl ${name}`, error)
  }
}

/** Throws KernelError: ENOENT, EINVAL where the kernel wants another value, EACCES without CAP_NET_ADMIN. */
export function writeSysctl(name: string, value: string | number): void {
  try {
    writeFileSync(pathOf(name), String(value), { flag: 'r+' })
  } catch (error) {
    throw explain(`write sysctl ${name}=${value}`, error)
  }
}

/** Has this kernel, and this namespace, the setting? */
export function hasSysctl(name: string): boolean {
  try {
    readSysctl(name)
    return true
  } catch (error) {
    if (isKernelError(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}

function pathOf(name: string): string {
  const parts = name.split('.').map((part) => part.replaceAll('/', '.'))
  const isSound = parts.every((part) => part !== '' && part !== '.' && part !== '..')
  assert(parts[0] === 'net' && isSound, `'${name}' is no network setting`)
  return `/proc/sys/${parts.join('/')}`
}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'this kernel has no such setting, or this namespace no such interface',
  EINVAL: 'the setting does not take this value',
  ERANGE: 'the setting does not take this value',
  EACCES: 'changing it needs root (CAP_NET_ADMIN)',
  EPERM: 'changing it needs root (CAP_NET_ADMIN)',
  EROFS: '/proc/sys is mounted read-only here',
}

function explain(call: string, error: unknown): unknown {
  const failure = toKernelError(call, error)
  if (!isKernelError(failure)) return failure
  return new KernelError(call, failure.errno, HINTS[failure.code] ?? '')
}
