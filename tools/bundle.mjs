// Makes dist/ipvsadm.cjs of the command's sources: one file, and V8's code for it, so that bin/ipvsadm starts at once.
//
// Node spends more on finding and reading thirty modules than on all that ipvsadm then does. The code is V8's own
// (vm.Script's cachedData): another version of Node passes it over and compiles the file. Both are made again when a
// source is newer.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, posix } from 'node:path'
import { Script } from 'node:vm'

const ENTRY = 'src/cli/ipvsadm.ts'
const IMPORT = /\brequire\(['"](\.[^'"]+)['"]\)/g

/** `root` ends with a slash. */
export async function bundleIpvsadm(root) {
  const bundle = join(root, 'dist/ipvsadm.cjs')
  const cache = join(root, 'dist/ipvsadm.cache')
  const listed = join(root, 'dist/ipvsadm.json')
  if (isFresh(root, [bundle, cache], listed)) return
  const { default: ts } = await import('typescript')
  const modules = new Map()
  gather(ts, root, ENTRY, modules)
  const source = link(modules)
  writeFileSync(bundle, source)
  writeFileSync(cache, await codeOf(source, bundle))
  writeFileSync(listed, JSON.stringify({ node: process.version, files: [...modules.keys()] }))
}

function isFresh(root, outputs, listed) {
  if (![...outputs, listed].every((path) => existsSync(path))) return false
  const { node, files } = JSON.parse(readFileSync(listed, 'utf8'))
  const madeMs = Math.min(...outputs.map((path) => statSync(path).mtimeMs))
  const sources = [...files, 'tools/bundle.mjs'].map((file) => join(root, file))
  return (
    node === process.version &&
    sources.every((path) => existsSync(path) && statSync(path).mtimeMs < madeMs)
  )
}

/** The module at `path` and all it imports, as CommonJS. */
function gather(ts, root, path, modules) {
  if (modules.has(path)) return
  modules.set(path, '')
  const imports = []
  const { outputText } = ts.transpileModule(readFileSync(join(root, path), 'utf8'), {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.CommonJS,
      removeComments: true,
      importHelpers: false,
    },
  })
  const text = outputText.replaceAll(IMPORT, (_, relative) => {
    const target = posix.normalize(posix.join(posix.dirname(path), relative))
    imports.push(target)
    return `require(${JSON.stringify(target)})`
  })
  modules.set(path, text)
  for (const target of imports) gather(ts, root, target, modules)
}

/** A function of Node's `require`, which gives the function that loads a module of ours. */
function link(modules) {
  const functions = [...modules].map(
    ([path, text]) => `${JSON.stringify(path)}: function (exports, require) {\n${text}\n}`,
  )
  return `(function (nodeRequire) {
'use strict'
const sources = {
${functions.join(',\n')}
}
const loaded = Object.create(null)
function load(path) {
  const source = sources[path]
  if (source === undefined) return nodeRequire(path)
  if (loaded[path] === undefined) source((loaded[path] = {}), load)
  return loaded[path]
}
return load
})`
}

/** V8's code for `source` and for the functions that ordinary commands call. */
async function codeOf(source, filename) {
  const script = new Script(source, { filename })
  const load = script.runInThisContext()(createRequire(filename))
  await rehearse(load)
  return script.createCachedData()
}

const SERVICE = { protocol: 'tcp', address: '10.0.0.1', port: 80 }
const NUMBERS = { connections: 1, inPackets: 1, outPackets: 1, inBytes: 1, outBytes: 1 }
const SERVER = {
  address: '10.0.0.2',
  port: 80,
  family: 4,
  forwarding: 'masquerade',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnel: { type: 'ipip', port: 0, checksum: 'none' },
  activeConnections: 0,
  inactiveConnections: 0,
  persistentConnections: 0,
  counters: NUMBERS,
  rates: NUMBERS,
}
const LISTED = {
  key: SERVICE,
  family: 4,
  settings: {
    scheduler: 'wlc',
    schedulerFlags: 0,
    persistenceTimeoutS: 0,
    netmask: 0xffffffff,
    onePacket: false,
    persistenceEngine: null,
  },
  counters: NUMBERS,
  rates: NUMBERS,
  servers: [SERVER, { ...SERVER, port: 81 }],
}
const REHEARSED = [
  '-Ln',
  '-Ln --stats',
  '-Ln --rate',
  '-Lnc',
  '-Sn',
  '-A -t 10.0.0.1:80 -s rr',
  '-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 2',
  '-d -t 10.0.0.1:80 -r 10.0.0.2:80',
  '-D -t 10.0.0.1:80',
]

const ROW = '["tcp","SYN_RECV",59.992,"10.0.0.3",4000,"10.0.0.1",80,"10.0.0.2",80]'
const ROWS = `${ROW},${ROW}`

/** Runs commands against answers that are made up, so that V8 compiles what they need. */
async function rehearse(load) {
  const answers = {
    'ipvs.version': { version: '1.2.1', connectionTableSize: 4096 },
    'service.list': [LISTED, { ...LISTED, key: { ...SERVICE, port: 81 } }],
  }
  const caller = {
    call: async (name) => answers[name] ?? [],
    connectionRows: async () => [Buffer.from(ROWS)],
  }
  const { runIpvsadm } = load('src/cli/ipvsadm/run.ts')
  load('src/control/client.ts')
  for (const line of REHEARSED) {
    const status = await runIpvsadm(line.split(' '), {
      connect: async () => caller,
      names: { portOf: () => undefined, addressOf: () => null },
      input: (async function* () {})(),
      print: () => {},
      complain: (text) => console.error(`bundle: ipvsadm ${line}: ${text}`),
    })
    if (status !== 0) throw new Error(`the rehearsal of \`ipvsadm ${line}\` ended with ${status}`)
  }
}
