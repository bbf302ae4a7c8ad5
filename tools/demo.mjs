// `./demo`: installs what is missing, compiles, and shows Sluice at work (src/lab/demo.ts).
import { existsSync } from 'node:fs'
import * as prepare from './prepare.mjs'

const args = process.argv.slice(2)
const compiled = new URL('../dist/src/lab/demo.js', import.meta.url)

/** Only what the demonstration itself calls. */
const WANTED = prepare.DEBIAN_PACKAGES.filter(({ command }) => command === 'nginx')

async function main() {
  const isHelp = args.some((arg) => arg === '--help' || arg === '-h')
  if (!isHelp && !prepare.isRoot()) {
    throw new prepare.MachineLacks('network namespaces need root: run it with sudo.')
  }
  prepare.ensureNpmPackages()
  if (!isHelp) prepare.ensureDebianPackages(WANTED)
  if (!existsSync(compiled)) console.error('demo: compiling, which takes a moment the first time')
  if (!prepare.build()) {
    console.error('demo: the compiler found errors (above)')
    return 1
  }
  const { runDemo } = await import(compiled.href)
  return runDemo(args)
}

await prepare.runOrSayWhatLacks('demo', main)
// What --keep leaves running would keep this process, too.
process.exit()
