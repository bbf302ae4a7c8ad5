/**
 * How much memory the host has left, as IPVS reckons it: free pages and those of block devices (si_meminfo).
 */
import { readFileSync } from 'node:fs'

const PAGE_KIB = 4

/** In pages; Infinity where nobody says. */
export function freePages(): number {
  let text: string
  try {
    text = readFileSync('/proc/meminfo', 'utf8')
  } catch {
    return Infinity
  }
  const free = /^MemFree:\s+(\d+) kB$/m.exec(text)?.[1]
  const buffers = /^Buffers:\s+(\d+) kB$/m.exec(text)?.[1]
  if (free === undefined || buffers === undefined) return Infinity
  return Math.floor((Number(free) + Number(buffers)) / PAGE_KIB)
}
