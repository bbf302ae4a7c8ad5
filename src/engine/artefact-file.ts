/**
 * Compiled programs as the build keeps them: `dist/programs/NAME.json`, above this file, compiled or not.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ARTEFACT_FORMAT, type Artefact } from '../bpf/artefact.ts'
import { EngineProblem } from './engine.ts'

const PLACE = 'dist/programs'

/** Throws EngineProblem where there is none, or one of another build. */
export function readArtefact(name: string): Artefact {
  const path = find(`${name}.json`)
  if (path === undefined) throw new EngineProblem(`the program ${name} is not built`, true)
  const artefact = JSON.parse(readFileSync(path, 'utf8')) as Artefact
  if (artefact.format === ARTEFACT_FORMAT) return artefact
  throw new EngineProblem(`the program ${name} is of another build`, true)
}

function find(file: string): string | undefined {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const path = join(folder, PLACE, file)
    if (existsSync(path)) return path
    const parent = dirname(folder)
    if (parent === folder) return undefined
    folder = parent
  }
}
