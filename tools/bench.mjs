// `npm run bench [-- WORD…]`: builds, then runs each bench/*.ts, one after the other; each prints its own table.
//
// One at a time, because they measure. With words only those whose names contain one of them. What they have in
// common is in bench/parts/.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as prepare from './prepare.mjs'

await prepare.runOrSayWhatLacks('bench', () => {
  const words = process.argv.slice(2).filter((arg) => !arg.startsWith('--'))
  const options = process.argv.slice(2).filter((arg) => arg.startsWith('--'))
  prepare.ensureNpmPackages()
  if (prepare.isRoot()) {
    prepare.ensureDebianPackages([...prepare.DEBIAN_PACKAGES, ...prepare.BENCH_PACKAGES])
  }
  if (!prepare.build()) return 1
  const isChosen = (name) => words.length === 0 || words.some((word) => name.includes(word))
  const names = readdirSync(join(prepare.ROOT, 'bench'))
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => name.replace(/\.ts$/, ''))
    .filter(isChosen)
    .sort()
  if (names.length === 0) {
    console.error('bench: there is no such benchmark in bench/')
    return 2
  }
  const failed = names.filter((name) => {
    console.log(`\n── ${name} ${'─'.repeat(Math.max(3, 76 - name.length))}\n`)
    const file = join(prepare.ROOT, 'dist', 'bench', `${name}.js`)
    return spawnSync(process.execPath, [file, ...options], { stdio: 'inherit' }).status !== 0
  })
  if (failed.length > 0) console.error(`\nbench: failed: ${failed.join(', ')}`)
  return failed.length === 0 ? 0 : 1
})
