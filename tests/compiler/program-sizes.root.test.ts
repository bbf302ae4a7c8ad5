/**
 * How large each program is that the build makes, and how many steps this kernel's verifier takes for it: bounds at
 * about twice what it is now, so that somebody notices before a kernel does.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readEffort } from '../../src/bpf/verifier-log.ts'
import { PROGRAMS, type ProgramName } from '../../src/compiler/programs.ts'
import { readArtefact } from '../../src/engine/artefact-file.ts'
import { createMaps, loadArtefact } from '../../src/kernel/bpf/artefact.ts'
import { close } from '../../src/kernel/ffi.ts'
import { notRoot } from '../kernel/own-network.ts'

const HERTZ = 250
const SLOT_BYTES = 8
/** Instructions, and steps; the kernel's own bound is a million for both. */
const BOUNDS: Readonly<Record<ProgramName, readonly [number, number]>> = {
  xdp: [50_000, 400_000],
  tc: [52_000, 400_000],
  xdp_v4: [34_000, 320_000],
  tc_v4: [36_000, 360_000],
  tun_xdp: [4500, 107_000],
  tun_tc: [4500, 107_000],
  companion: [210, 320],
}

describe('programs as they are built', { skip: notRoot }, () => {
  for (const name of Object.keys(PROGRAMS) as ProgramName[]) {
    it(`${name} is no larger than it may be`, (context) => {
      const artefact = { ...readArtefact(name), name }
      const instructions = Buffer.from(artefact.instructions, 'base64').length / SLOT_BYTES
      const rows = artefact.maps.map(({ name: map }): [string, number] => {
        return [map, Math.max(1024, artefact.leastRows[map] ?? 1)]
      })
      const maps = createMaps(artefact, new Map(rows))
      try {
        const { fd, log } = loadArtefact(artefact, maps, HERTZ, { logLevel: 4 })
        close(fd)
        const steps = readEffort(log)?.steps ?? Infinity
        context.diagnostic(`${instructions} instructions, ${steps} steps`)
        console.log(`${name}: ${instructions} instructions, ${steps} steps of the verifier`)
        assert.ok(instructions < BOUNDS[name][0], `${instructions} instructions`)
        assert.ok(steps < BOUNDS[name][1], `${steps} steps`)
      } finally {
        for (const { fd } of maps.values()) close(fd)
      }
    })
  }
})
