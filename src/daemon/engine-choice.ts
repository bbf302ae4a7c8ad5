/**
 * Which engine runs: the kernel's where it can be had, else the one in this process.
 *
 * What stands in the way of the kernel engine is one sentence; `auto` says it and goes on. Where an instance in the
 * kernel forwards already, nothing else may: two engines would answer each frame twice.
 */
import type { Engine, EngineEvents } from '../engine/engine.ts'
import { EngineProblem } from '../engine/engine.ts'
import type { AttachWish } from '../engine/attach-choice.ts'
import { instancesOf, ownNetwork } from '../engine/instances.ts'
import { KernelEngine } from '../engine/kernel-engine.ts'
import { capacitiesFor } from '../engine/table-sizes.ts'
import { V8Engine } from '../engine/v8-engine.ts'
import { KernelError } from '../kernel/errno.ts'
import type { Log } from './log.ts'

export type EngineWish = 'auto' | 'kernel' | 'v8'

export interface EngineOptions {
  readonly engine: EngineWish
  readonly attach: AttachWish
  /** Of the instance in the kernel. */
  readonly instance: string
  readonly connectionsMax: number | undefined
}

/** Throws EngineProblem, and KernelError if the V8 engine cannot be had. */
export function openEngine(options: EngineOptions, events: EngineEvents, log: Log): Engine {
  if (options.engine === 'v8') return openV8(options, events)
  try {
    return KernelEngine.open(
      { ...options, capacities: capacitiesFor(options.connectionsMax) },
      events,
    )
  } catch (error) {
    const problem = problemOf(error)
    if (options.engine === 'kernel' || !problem.isLacking) throw problem
    log('info', `engine v8, since the kernel engine cannot be had: ${problem.message}`)
    return openV8(options, events)
  }
}

function openV8(options: EngineOptions, events: EngineEvents): Engine {
  const [other] = instancesOf(ownNetwork())
  if (other !== undefined) {
    throw new EngineProblem(
      `the instance "${other}" forwards in the kernel here: end it with \`sluice detach --name ${other}\`, ` +
        'or go on with it: --engine kernel',
      false,
    )
  }
  return V8Engine.open({ capacities: capacitiesFor(options.connectionsMax) }, events)
}

/** What the kernel refuses is what this machine lacks. */
function problemOf(error: unknown): EngineProblem {
  if (error instanceof EngineProblem) return error
  if (error instanceof KernelError) return new EngineProblem(error.message, true)
  throw error
}
