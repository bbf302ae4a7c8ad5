// Installs what a fresh Debian machine lacks: npm packages, and Debian packages when run as root.
//
// Plain JavaScript that needs nothing but Node, because it runs before anything is installed. `npm test` and
// `./demo` import it; by hand: `node tools/prepare.mjs`. A machine that lacks something that cannot be put
// right from here is told so in one sentence and exit status 77.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Exit status for "this machine lacks something". */
export const LACKING = 77

/** What tests and demonstration call, and the Debian package each comes in. */
export const DEBIAN_PACKAGES = [
  { command: 'nginx', package: 'nginx-light', why: 'real servers that answer HTTP' },
  { command: 'ip', package: 'iproute2', why: 'networks that are not made by our own netlink' },
  { command: 'nft', package: 'nftables', why: 'the kernel feature that others are compared with' },
  { command: 'tcpdump', package: 'tcpdump', why: 'a second opinion on every frame we write' },
  { command: 'curl', package: 'curl', why: 'an HTTP client that is not ours' },
]

/** What benchmarks call besides. */
export const BENCH_PACKAGES = [
  { command: 'wrk', package: 'wrk', why: 'requests by the thousand' },
  { command: 'iperf3', package: 'iperf3', why: 'bytes by the gigabit' },
  { command: 'haproxy', package: 'haproxy', why: 'a peer' },
  { command: 'clang-19', package: 'clang-19', why: 'yardsticks in C' },
  { file: '/usr/include/bpf/libbpf.h', package: 'libbpf-dev', why: 'to run them' },
  {
    file: '/usr/lib/nginx/modules/ngx_stream_module.so',
    package: 'libnginx-mod-stream',
    why: 'a peer',
  },
]

/** Thrown with one sentence that says what is missing and what to do. */
export class MachineLacks extends Error {}

export function isRoot() {
  return process.getuid?.() === 0
}

/** Runs to the end with our own terminal; true if it exited with 0. */
function succeeds(command, args, env = {}) {
  const options = { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } }
  return spawnSync(command, args, options).status === 0
}

/** Is `command` on the search path, or where Debian keeps commands for root? */
export function hasCommand(command) {
  const folders = (process.env.PATH ?? '').split(delimiter).concat('/usr/sbin', '/sbin')
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Does node_modules hold exactly the versions that package-lock.json names? */
export function hasNpmPackages() {
  const installed = join(ROOT, 'node_modules', '.package-lock.json')
  if (!existsSync(installed)) return false
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages
  const present = JSON.parse(readFileSync(installed, 'utf8')).packages
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true
    const found = present[path]
    return found === undefined ? entry.optional === true : found.version === entry.version
  })
}

export function ensureNpmPackages() {
  if (hasNpmPackages()) return
  console.log('prepare: installing the npm packages that package-lock.json names (npm ci)')
  // CI systems and users set NODE_ENV=production; the compiler and the linter are development packages.
  if (!succeeds('npm', ['ci', '--include=dev'], { NODE_ENV: 'development' })) {
    throw new MachineLacks('`npm ci` failed (see above): the npm packages could not be installed.')
  }
}

/** Installs the Debian packages whose commands are missing; says which, as root or not. */
export function ensureDebianPackages(wanted = DEBIAN_PACKAGES) {
  const isThere = ({ command, file }) => (file ? existsSync(file) : hasCommand(command))
  const names = wanted.filter((each) => !isThere(each)).map((each) => each.package)
  if (names.length === 0) return
  const byHand = `apt-get install --no-install-recommends ${names.join(' ')}`
  if (!isRoot()) throw new MachineLacks(`Missing Debian packages; as root: ${byHand}`)
  if (!hasCommand('apt-get')) {
    throw new MachineLacks(
      `Missing ${names.join(', ')}, and there is no apt-get here to install them.`,
    )
  }
  console.log(`prepare: installing Debian packages: ${names.join(' ')}`)
  const done = withoutStartingServices(() => {
    const lock = ['-o', 'DPkg::Lock::Timeout=120']
    const quiet = { DEBIAN_FRONTEND: 'noninteractive' }
    return (
      succeeds('apt-get', ['update', '-qq', ...lock], quiet) &&
      succeeds(
        'apt-get',
        ['install', '-y', '-qq', '--no-install-recommends', ...lock, ...names],
        quiet,
      )
    )
  })
  if (!done) throw new MachineLacks(`apt-get failed (see above); by hand: ${byHand}`)
}

/**
 * A freshly installed nginx would take port 80 of this machine. /usr/sbin/policy-rc.d with exit status 101
 * (invoke-rc.d's protocol: "forbidden") keeps it from starting. Somebody else's file is left as it is.
 */
function withoutStartingServices(install) {
  const policy = '/usr/sbin/policy-rc.d'
  const ours = !existsSync(policy)
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  const stopped = () => process.exit(130)
  process.once('SIGINT', stopped)
  try {
    return install()
  } finally {
    process.removeListener('SIGINT', stopped)
    if (ours) rmSync(policy, { force: true })
  }
}

/** Compiles src/, tests/, bench/ and tools/ into dist/; false if the compiler found errors. */
export function build() {
  return succeeds(process.execPath, [join(ROOT, 'tools', 'build.mjs')])
}

/** Runs `main` and turns what a machine lacks into one sentence and exit status 77. */
export async function runOrSayWhatLacks(name, main) {
  try {
    process.exitCode = await main()
  } catch (error) {
    if (!(error instanceof MachineLacks)) throw error
    console.error(`${name}: ${error.message}`)
    process.exitCode = LACKING
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runOrSayWhatLacks('prepare', () => {
    ensureNpmPackages()
    if (isRoot()) ensureDebianPackages()
    return build() ? 0 : 1
  })
}
