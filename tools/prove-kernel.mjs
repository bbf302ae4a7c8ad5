// Shows that another kernel takes what we load into it, and forwards by it: in a virtual machine (kernel-vm.mjs).
//
//   node tools/prove-kernel.mjs [--kernel PACKAGE] [--kvm]      as for kernel-vm.mjs: Debian 12 has 6.1, the default
//
// By hand, as root, after `npm run build`; emulated it takes most of an hour. In the machine run, one after the
// other:
//
//   1. everything of src/kernel and src/engine that touches BPF: maps, pins, links, filters, adoption, `sluice detach`
//   2. the packet path, compiled there and then, frame by frame beside V8, by XDP and by tc
//   3. the demonstration in the kernel: nginx behind NAT, by tc and by XDP, every request counted
//
// Exit status 0: all of it is as it should be.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as prepare from './prepare.mjs'

const MODULES = ['veth', 'cls_bpf', 'sch_ingress', 'bridge', 'tun']
const FRAMES = 60

function main() {
  if (!prepare.build()) throw new Error('the build failed')
  const commands = [
    `modprobe -a ${MODULES.join(' ')}`,
    `node --test ${testsOf('src/kernel').filter(isAboutBpf).join(' ')}`,
    `node --test ${testsOf('src/engine').join(' ')}`,
    `FUZZ_KERNEL=${FRAMES} node --test dist/tests/compiler/packet-path.root.test.js`,
    demo('tc'),
    demo('xdp'),
  ]
  const vm = join(prepare.ROOT, 'tools/kernel-vm.mjs')
  const args = [vm, ...process.argv.slice(2), '--', 'bash', '-exc', commands.join(' && ')]
  return spawnSync(process.execPath, args, { cwd: prepare.ROOT, stdio: 'inherit' }).status ?? 1
}

function testsOf(room) {
  const folder = join('dist', room)
  const names = readdirSync(join(prepare.ROOT, folder))
  return names.filter((name) => name.endsWith('.root.test.js')).map((name) => join(folder, name))
}

function isAboutBpf(path) {
  return /\/(bpf-|tc-filter|xdp-features|tick)/.test(path)
}

/** Not by ./demo, which would build anew. */
function demo(attach) {
  const args = ['--engine', 'kernel', '--attach', attach, '--mode', 'nat', '--json']
  const run = `m.runDemo(${JSON.stringify(args)}).then((status) => process.exit(status))`
  return `node -e 'import("./dist/src/lab/demo.js").then((m) => ${run})'`
}

await prepare.runOrSayWhatLacks('prove-kernel', main)
