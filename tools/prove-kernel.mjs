// Shows that another kernel takes what we load into it, and forwards by it: in a virtual machine (kernel-vm.mjs).
//
//   node tools/prove-kernel.mjs [--only STEP,…] [--kernel PACKAGE] [--kvm]      as for kernel-vm.mjs: Debian 12's 6.1
//
// By hand, as root, after `npm run build`. Emulated on a quiet machine it takes half an hour. The machine gets a copy
// of what it runs in its memory, with the packet path compiled for the tests. Steps, one after the other:
//
//   load       every program as it is built, into tables of full size; what the verifier says
//   path       the packet path frame by frame beside V8, by XDP and by tc, in general and for IPv4 alone
//   tunnels    tunnels ended in the kernel, frame by frame, and end to end in every kind and family
//   engine     attaching, adopting, taking over another release's tables, detaching, names in bpffs
//   demo-tc    the demonstration by NAT, DR, TUN and FULLNAT: nginx, every request counted. Real servers of TUN end
//   demo-xdp   their tunnels in the kernel, too, at the same place
//   upheaval   the daemon killed, started again, replaced, and the service edited, while clients fetch
//
// A table at the end. Exit status 0: all of it is as it should be.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as prepare from './prepare.mjs'

const MODULES = ['veth', 'cls_bpf', 'sch_ingress', 'bridge', 'tun']
const FRAMES = 60
/** What is copied: the rest of node_modules is only for building. */
const COPIED = [
  ...['dist', 'bin', 'package.json', 'src/dataplane', 'tests/packets'],
  ...['node_modules/koffi', 'node_modules/@koromix', 'node_modules/commander'],
  ...['node_modules/typescript/package.json', 'node_modules/typescript/lib/typescript.js'],
]
const KERNEL_TESTS = [
  ...['bpf/artefact', 'bpf/link', 'bpf/map', 'bpf/pin', 'bpf/program'],
  'netlink/tc-filter',
]

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    kernel: { type: 'string' },
    kvm: { type: 'boolean', default: false },
  },
})

/** Seconds that a step may take are many: an emulated machine shares its processor with whatever else runs. */
const STEPS = {
  load: ['node load.mjs', 3000],
  path: [`FUZZ_KERNEL=${FRAMES} ${test('tests/compiler/packet-path.root')}`, 3000],
  tunnels: [test('tests/compiler/decapsulation.root', 'tests/realserver.root'), 3000],
  engine: [test('src/engine', ...KERNEL_TESTS.map((name) => `src/kernel/${name}.root`)), 3000],
  'demo-tc': [demo('tc'), 3600],
  'demo-xdp': [demo('xdp'), 3600],
  upheaval: [test('tests/upheaval.root'), 3000],
}

function main() {
  if (!prepare.isRoot()) throw new prepare.MachineLacks('a virtual machine needs root: use sudo.')
  const names = values.only === '' ? Object.keys(STEPS) : values.only.split(',')
  const unknown = names.find((name) => !Object.hasOwn(STEPS, name))
  if (unknown !== undefined) {
    console.error(
      `prove-kernel: there is no step ${unknown}, only ${Object.keys(STEPS).join(', ')}`,
    )
    return 2
  }
  if (!prepare.build()) throw new Error('the build failed')
  const folder = mkdtempSync(join(tmpdir(), 'prove-kernel-'))
  try {
    pack(folder, names.includes('path'))
    writeFileSync(join(folder, 'run.sh'), scriptOf(names))
    const vm = join(prepare.ROOT, 'tools/kernel-vm.mjs')
    const more = [
      ...(values.kernel ? ['--kernel', values.kernel] : []),
      ...(values.kvm ? ['--kvm'] : []),
    ]
    spawnSync(process.execPath, [vm, ...more, '--', 'bash', '/host/run.sh'], {
      cwd: prepare.ROOT,
      stdio: 'inherit',
      env: { ...process.env, KERNEL_VM_OUT: folder },
    })
    return report(folder, names)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One file, that the machine reads in one go: thousands of small ones would take it minutes. */
function pack(folder, isCompiled) {
  const extra = join(folder, 'extra')
  mkdirSync(join(extra, 'compiled'), { recursive: true })
  writeFileSync(join(extra, 'load.mjs'), LOAD)
  // On no frame at all: only for what it compiles.
  const env = { ...process.env, COMPILED_PATHS: join(extra, 'compiled'), FUZZ_KERNEL: '0' }
  if (isCompiled) {
    run(process.execPath, ['--test', 'dist/tests/compiler/packet-path.root.test.js'], { env })
  }
  run('tar', ['-cf', join(folder, 'tree.tar'), ...COPIED, '-C', extra, 'load.mjs', 'compiled'])
}

function scriptOf(names) {
  const steps = names.map((name) => {
    const [command, seconds] = STEPS[name]
    return `step ${name} ${seconds} '${command.replaceAll("'", `'\\''`)}'`
  })
  return `modprobe -a ${MODULES.join(' ')}
mkdir /proof && mount -t tmpfs proof /proof && tar -xf /host/tree.tar -C /proof && cd /proof
export COMPILED_PATHS=/proof/compiled
uname -r > /host/kernel
step() {
  local started=$SECONDS
  echo "── $1"
  timeout -k 10 $2 bash -c "$3" 2>&1 | tee /host/$1.log | grep -E '^not ok|^    not ok|error:|FAIL|verifier|requests in'
  echo "\${PIPESTATUS[0]} $((SECONDS - started))" > /host/$1.status
}
${steps.join('\n')}
`
}

function report(folder, names) {
  const read = (file) => {
    try {
      return readFileSync(join(folder, file), 'utf8').trim()
    } catch {
      return ''
    }
  }
  console.log(`\nLinux ${read('kernel')}`)
  const failed = names.filter((name) => {
    const [status = '', seconds = ''] = read(`${name}.status`).split(' ')
    const what =
      status === '0'
        ? 'ok'
        : status === '124'
          ? 'not in time'
          : status === ''
            ? 'not begun'
            : 'FAIL'
    console.log(
      `  ${name.padEnd(10)} ${what.padEnd(12)} ${seconds.padStart(5)} s  ${gist(read(`${name}.log`))}`,
    )
    if (what !== 'ok') console.log(read(`${name}.log`).split('\n').slice(-60).join('\n'))
    return what !== 'ok'
  })
  return failed.length === 0 ? 0 : 1
}

/** What a step said, in one line. */
function gist(log) {
  const passed = /^# pass (\d+)/m.exec(log)
  if (passed !== null) return `${passed[1]} tests`
  const modes = /^\{"ok".*\}$/m.exec(log)
  if (modes === null) return log.split('\n').at(-1) ?? ''
  const { attached, modes: each } = JSON.parse(modes[0])
  const requests = Object.entries(each).map(
    ([name, { requests, failed }]) => `${name} ${requests} (${failed} failed)`,
  )
  return `${[...new Set(attached)].join(', ')}: ${requests.join(', ')}`
}

/** Loads what is built, as the engine and \`sluice realserver\` do. */
const LOAD = `
import { createMap } from './dist/src/kernel/bpf/map.js'
import { programInfo } from './dist/src/kernel/bpf/info.js'
import { readArtefact } from './dist/src/engine/artefact-file.js'
import { loadProgramHere } from './dist/src/engine/program-load.js'
import { TABLES } from './dist/src/dataplane/tables.js'
import { DECAPSULATION_TABLES } from './dist/src/dataplane/decapsulation/tables.js'
import { probeBpf } from './dist/src/kernel/bpf/features.js'
for (const sentence of probeBpf().lacks.values()) console.log(sentence)
const maps = [...TABLES, ...DECAPSULATION_TABLES].map(({ name, struct, capacity: rows }) => {
  const shape = { name: name.slice(0, 15), valueSize: rows * struct.size, entries: 1, isMappable: true }
  return [name, { fd: createMap({ type: 'array', ...shape }), rows }]
})
const said = ['xdp', 'xdp_v4', 'tc', 'tc_v4', 'companion', 'tun_tc', 'tun_xdp'].map((name) => {
  const fd = loadProgramHere({ artefact: readArtefact(name), maps, hertz: 250 })
  const { verifierSteps } = programInfo(fd)
  console.log(name, 'loaded, verifier steps', verifierSteps)
  return name + ' ' + verifierSteps
})
console.log('steps of the verifier:', said.join(', '))
process.exit(0)
`

function test(...words) {
  const files = words.map((word) =>
    word.endsWith('.root') ? `dist/${word}.test.js` : `dist/${word}/*.root.test.js`,
  )
  return `node --test ${files.join(' ')}`
}

/** Not by ./demo, which would build anew. */
function demo(attach) {
  const args = ['--engine', 'kernel', '--attach', attach, '--mode', 'all', '--json']
  const start = `m.runDemo(${JSON.stringify(args)}).then((status) => process.exit(status))`
  return `node -e 'import("./dist/src/lab/demo.js").then((m) => ${start})'`
}

function run(command, args, options = {}) {
  const all = { cwd: prepare.ROOT, encoding: 'utf8', ...options }
  const { status, stdout, stderr } = spawnSync(command, args, all)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stdout}${stderr}`)
}

await prepare.runOrSayWhatLacks('prove-kernel', main)
