// Compiles the packet path to eBPF: dist/programs/NAME.json. Needs dist/; tools/build.mjs calls it.
// Does nothing if neither the packet path nor the compiler has changed since.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Rooms whose text the programs are made of, and those that make them. */
const ROOMS = ['base', 'subset', 'wire', 'dataplane', 'bpf', 'compiler']
const SLOT_BYTES = 8

export async function compilePrograms(root) {
  const folder = join(root, 'dist', 'programs')
  const texts = readTexts(root)
  const hash = createHash('sha256')
  for (const [path, text] of texts) hash.update(`${path}\0${text}\0`)
  const stamp = hash.digest('hex')
  const stampFile = join(folder, 'stamp')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return
  const { checkPacketPath, compileProgram, PROGRAMS } = await import(
    join(root, 'dist', 'src', 'compiler', 'programs.js')
  )
  const checked = checkPacketPath(texts)
  mkdirSync(folder, { recursive: true })
  const sizes = Object.keys(PROGRAMS).map((name) => {
    const artefact = compileProgram(name, checked, texts)
    writeFileSync(join(folder, `${name}.json`), JSON.stringify(artefact))
    return `${name} ${Buffer.from(artefact.instructions, 'base64').length / SLOT_BYTES}`
  })
  writeFileSync(stampFile, stamp)
  console.log(`programs, in instructions: ${sizes.join(', ')}`)
}

function readTexts(root) {
  const texts = new Map()
  for (const room of ROOMS) {
    const folder = join(root, 'src', room)
    for (const name of readdirSync(folder, { recursive: true }).sort()) {
      if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue
      texts.set(`src/${room}/${name}`, readFileSync(join(folder, name), 'utf8'))
    }
  }
  return texts
}
