// Runs a command under a kernel of Debian's in a virtual machine: the machine's own file system, another kernel.
//
//   node tools/kernel-vm.mjs [--kernel PACKAGE] [--cpus N] [--memory MIB] [--kvm] [--keep] -- COMMAND…
//
//   --kernel   Debian's package of the kernel image: linux-image-cloud-amd64 (Debian 12's 6.1) unless told otherwise
//   --kvm      by the processor instead of emulated; not every machine that has /dev/kvm can
//   --keep     leaves the folder with kernel and initial file system
//
// By hand, as root; not part of `npm test`. It proves that what we load is accepted by kernels older than the one at
// hand (`-- npm test`), and Debian's kernels have the real IPVS (`modprobe ip_vs`), to compare ours with.
//
// The guest sees this machine's root by virtiofs, with a RAM disk laid over it: nothing the command writes is kept,
// except what it writes to /host, the folder in $KERNEL_VM_OUT. It has no network card. Exit status: the command's.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import * as prepare from './prepare.mjs'

const PACKAGES = [
  { command: 'qemu-system-x86_64', package: 'qemu-system-x86', why: 'the virtual machine' },
  { command: 'busybox', package: 'busybox-static', why: 'the first program in it' },
  { command: 'cpio', package: 'cpio', why: 'its first file system' },
  { command: 'depmod', package: 'kmod', why: "the kernel's modules in their order" },
]
const VIRTIOFSD = ['/usr/libexec/virtiofsd', '/usr/lib/qemu/virtiofsd']
/** What is emulated takes so many times as long. */
const EMULATED_SLOWNESS = 20
/** What it takes to see the machine's root. */
const FIRST_MODULES = ['virtio_pci', 'virtiofs', 'overlay', 'virtio_rng']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kernel: { type: 'string', default: 'linux-image-cloud-amd64' },
    cpus: { type: 'string', default: '2' },
    memory: { type: 'string', default: '4096' },
    kvm: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})

async function main() {
  if (!prepare.isRoot()) throw new prepare.MachineLacks('the virtual machine needs root: use sudo.')
  if (positionals.length === 0) {
    console.error('kernel-vm: which command? node tools/kernel-vm.mjs -- COMMAND…')
    return 2
  }
  prepare.ensureDebianPackages(PACKAGES)
  const folder = mkdtempSync(join(tmpdir(), 'kernel-vm-'))
  try {
    const kernel = fetchKernel(values.kernel, folder)
    console.error(`kernel-vm: ${kernel.version}${values.kvm ? '' : ', emulated: slow'}`)
    const initrd = buildInitrd(folder, kernel)
    return await boot(folder, kernel, initrd)
  } finally {
    if (values.keep) console.error(`kernel-vm: ${folder} was kept`)
    else rmSync(folder, { recursive: true, force: true })
  }
}

/** Downloads and unpacks a kernel image, following a metapackage to what it stands for. */
function fetchKernel(name, folder) {
  const image = imageOf(name)
  const cache = join(tmpdir(), 'kernel-vm-packages')
  mkdirSync(cache, { recursive: true })
  const has = () => readdirSync(cache).find((file) => file.startsWith(`${image}_`))
  if (has() === undefined) {
    console.error(`kernel-vm: downloading ${image}`)
    run('apt-get', ['download', '-qq', image], { cwd: cache })
  }
  const root = join(folder, 'kernel')
  run('dpkg-deb', ['-x', join(cache, has()), root])
  const [version] = readdirSync(join(root, 'lib/modules'))
  run('depmod', ['-b', root, version])
  return { version, root, image: join(root, 'boot', `vmlinuz-${version}`) }
}

function imageOf(name) {
  const told = run('apt-cache', ['depends', '--important', name])
  const images = [...told.matchAll(/Depends: (linux-image-\S+)/g)].map(([, image]) => image)
  return images[0] ?? name
}

function buildInitrd(folder, { version, root }) {
  const tree = join(folder, 'initrd')
  mkdirSync(join(tree, 'bin'), { recursive: true })
  cpSync(join('/usr/bin', 'busybox'), join(tree, 'bin/busybox'), { dereference: true })
  const modules = FIRST_MODULES.flatMap((module) => modulesFor(root, version, module))
  for (const module of modules) {
    mkdirSync(dirname(join(tree, module)), { recursive: true })
    cpSync(join(root, 'lib/modules', version, module), join(tree, module))
  }
  writeFileSync(join(tree, 'init'), initScript([...new Set(modules)], join(root, 'lib/modules')))
  chmodSync(join(tree, 'init'), 0o755)
  // The kernel asks for modules here, at its own root.
  mkdirSync(join(tree, 'sbin'))
  const modprobe = '#!/bin/busybox sh\nexec /bin/busybox chroot /root /sbin/modprobe "$@"\n'
  writeFileSync(join(tree, 'sbin/modprobe'), modprobe, { mode: 0o755 })
  const out = join(folder, 'initrd.cpio')
  const files = spawnSync('find', ['.'], { cwd: tree, encoding: 'utf8' }).stdout
  const packed = spawnSync('cpio', ['-o', '-H', 'newc', '--quiet'], {
    cwd: tree,
    input: files,
    maxBuffer: 1 << 28,
  })
  writeFileSync(out, packed.stdout)
  return out
}

/** A module's file and those it needs, in the order to load them in. Built in: none. */
function modulesFor(root, version, name) {
  const lines = readFileSync(join(root, 'lib/modules', version, 'modules.dep'), 'utf8').split('\n')
  const line = lines.find((one) => new RegExp(`/${name}\\.ko(\\.xz|\\.zst)?:`).test(one))
  if (line === undefined) return []
  const [file, needs] = line.split(':')
  return [...needs.trim().split(' ').filter(Boolean).reverse(), file]
}

function initScript(modules, modulesFolder) {
  const quoted = positionals.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  return `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /root /low /over /host
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
${modules.map((module) => `/bin/busybox insmod /${module}`).join('\n')}
/bin/busybox mount -t virtiofs machine /low
/bin/busybox mount -t tmpfs -o size=80% over /over
/bin/busybox mkdir /over/up /over/work
/bin/busybox mount -t overlay -o lowerdir=/low,upperdir=/over/up,workdir=/over/work root /root
/bin/busybox mkdir -p /root/proc /root/sys /root/dev /root/host /root/lib/modules
/bin/busybox mount -t proc proc /root/proc
/bin/busybox mount -t sysfs sys /root/sys
/bin/busybox mount -t devtmpfs dev /root/dev
/bin/busybox mkdir -p /root/dev/pts /root/dev/shm
/bin/busybox mount -t devpts pts /root/dev/pts
/bin/busybox mount -t tmpfs shm /root/dev/shm
/bin/busybox mount -t tmpfs run /root/run
/bin/busybox mount -t bpf bpf /root/sys/fs/bpf
/bin/busybox mount -t virtiofs out /root/host
/bin/busybox mount -o bind /low${modulesFolder} /root/lib/modules
/bin/busybox ip link set lo up
cat > /root/tmp/command <<'END'
cd '${process.cwd()}'
export PATH='${process.env.PATH}' HOME=/root CI='${process.env.CI ?? ''}'
export SLUICE_LAB_SLOWNESS=${values.kvm ? 1 : EMULATED_SLOWNESS}
${quoted}
END
/bin/busybox chroot /root /bin/bash /tmp/command < /dev/null
echo $? > /root/host/.status
/bin/busybox sync
/bin/busybox reboot -f
`.replaceAll('cat >', '/bin/busybox cat >')
}

async function boot(folder, { image }, initrd) {
  const out = process.env.KERNEL_VM_OUT ?? join(folder, 'out')
  mkdirSync(out, { recursive: true })
  rmSync(join(out, '.status'), { force: true })
  const shares = [
    await share('/', join(folder, 'machine')),
    await share(out, join(folder, 'out.s')),
  ]
  const qemu = spawn('qemu-system-x86_64', qemuArguments(image, initrd, shares), {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const stop = () => qemu.kill()
  process.on('SIGINT', stop).on('SIGTERM', stop)
  await new Promise((resolve) => qemu.on('close', resolve))
  for (const { daemon } of shares) daemon.kill()
  const status = join(out, '.status')
  return existsSync(status) ? Number(readFileSync(status, 'utf8')) : 1
}

/** Serves a folder to the guest. */
async function share(source, socket) {
  const program = VIRTIOFSD.find((path) => existsSync(path))
  if (program === undefined) throw new prepare.MachineLacks('virtiofsd is missing: install it.')
  const args = [
    `--socket-path=${socket}`,
    '-o',
    `source=${source}`,
    '-o',
    'cache=auto,sandbox=chroot',
  ]
  const daemon = spawn(program, args, { stdio: ['ignore', 'ignore', 'ignore'] })
  for (let i = 0; i < 100 && !existsSync(socket); i++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { daemon, socket }
}

function qemuArguments(image, initrd, shares) {
  const { kvm } = values
  return [
    ...['-nodefaults', '-no-reboot', '-display', 'none', '-serial', 'stdio', '-m', values.memory],
    ...['-smp', values.cpus, '-machine', kvm ? 'q35,accel=kvm' : 'q35,accel=tcg'],
    ...['-cpu', kvm ? 'host,arch-capabilities=off' : 'max', '-kernel', image, '-initrd', initrd],
    ...['-append', 'console=ttyS0 quiet panic=-1 loglevel=3 no_timer_check'],
    ...['-object', `memory-backend-memfd,id=mem,size=${values.memory}M,share=on`],
    ...['-numa', 'node,memdev=mem', '-device', 'virtio-rng-pci'],
    ...shares.flatMap(({ socket }, i) => [
      ...['-chardev', `socket,id=fs${i},path=${socket}`],
      ...['-device', `vhost-user-fs-pci,chardev=fs${i},tag=${['machine', 'out'][i]}`],
    ]),
  ]
}

function run(command, args, options = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', ...options })
  if (status !== 0) throw new prepare.MachineLacks(`${command} ${args.join(' ')} failed: ${stderr}`)
  return stdout
}

await prepare.runOrSayWhatLacks('kernel-vm', main)
