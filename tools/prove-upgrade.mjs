// Shows that this release goes on with what another one left in the kernel: while fifty clients fetch pages, a daemon
// of COMMIT is killed, and this one takes its place.
//
//   node tools/prove-upgrade.mjs COMMIT [--change FILE]
//
//   --change   a patch for COMMIT: to try a layout that no release has
//
// By hand, as root, after `npm run build`. COMMIT is built in a folder of its own, which is removed. Exit status 0: no
// request failed, in neither place to attach (tests/upheaval.root.test.ts).
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import * as prepare from './prepare.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { change: { type: 'string' } },
})

function main() {
  if (!prepare.isRoot()) throw new prepare.MachineLacks('network namespaces need root: use sudo.')
  const [commit] = positionals
  if (commit === undefined) {
    console.error('prove-upgrade: from which commit? node tools/prove-upgrade.mjs COMMIT')
    return 2
  }
  const folder = join(mkdtempSync(join(tmpdir(), 'earlier-release-')), 'release')
  try {
    run('git', ['worktree', 'add', '--quiet', '--detach', folder, commit])
    symlinkSync(join(prepare.ROOT, 'node_modules'), join(folder, 'node_modules'))
    if (values.change !== undefined) run('git', ['-C', folder, 'apply', resolve(values.change)])
    run(process.execPath, [join(folder, 'tools/build.mjs')])
    for (const root of [folder, prepare.ROOT]) console.log(schemaOf(root))
    const test = join(prepare.ROOT, 'dist/tests/upheaval.root.test.js')
    const env = { ...process.env, EARLIER_RELEASE: folder }
    return spawnSync(process.execPath, ['--test', test], { stdio: 'inherit', env }).status ?? 1
  } finally {
    spawnSync('git', ['worktree', 'remove', '--force', folder], { cwd: prepare.ROOT })
    rmSync(dirname(folder), { recursive: true, force: true })
  }
}

/** What a release says of its tables. */
function schemaOf(root) {
  const script = `Promise.all(['schema', 'tables'].map((name) => import('${root}/dist/src/dataplane/' + name + '.js')))
    .then(([{ LAYOUT }, { SCHEMA_VERSION }]) => console.log('version', SCHEMA_VERSION, 'layout', LAYOUT.toString(16)))`
  const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
  return `${root}: ${stdout.trim()}`
}

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: prepare.ROOT, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`)
}

await prepare.runOrSayWhatLacks('prove-upgrade', main)
