// Builds dist/: with tsc, the one file that `bin/ipvsadm` runs, and the packet path as eBPF. Incremental; `--clean`
// deletes dist/ first.
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bundleIpvsadm } from './bundle.mjs'
import { compilePrograms } from './compile.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
if (process.argv.includes('--clean')) rmSync(`${root}/dist`, { recursive: true, force: true })
const tsc = `${root}/node_modules/typescript/bin/tsc`
if (!existsSync(tsc)) {
  console.error('build: the npm packages are not installed; run `npm ci` first')
  process.exit(77)
}
const { status } = spawnSync(process.execPath, [tsc, '-p', root], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)
await bundleIpvsadm(root)
await compilePrograms(root)
