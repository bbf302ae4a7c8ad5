/**
 * A program: every test of the packet path in this one process, where each frame of a laboratory goes through V8 and
 * through the kernel (twin.ts). Its argument: xdp or tc. The last line says how many frames did.
 *
 * In a network of its own, whose two interfaces have the laboratory's numbers.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { INTERFACE, treatFramesBy } from '../goldens/laboratory.ts'
import { addVeth, enterOwnNetwork } from '../kernel/own-network.ts'
import { Twin } from './twin.ts'

const FOLDERS = ['src/dataplane', 'src/dataplane/schedulers', 'tests']
/** Tests of frames, or of single functions beside them; whatever draws thousands has its own run in the kernel. */
const IS_TEST = /^(?!.*\.(root|fuzz)\.).*\.test\.[jt]s$/
const IS_GOLDEN = {
  tc: /^goldens-(connections|packets|schedulers)\.test\.[jt]s$/,
  // Schedulers know nothing of where the program is attached.
  xdp: /^goldens-(connections|packets)\.test\.[jt]s$/,
}

const attachment = process.argv[2]
assert.ok(attachment === 'xdp' || attachment === 'tc')
enterOwnNetwork()
const indices = addVeth('client', 'server').map(({ index }) => index)
assert.deepEqual(new Set(indices), new Set(Object.values(INTERFACE)), 'the laboratory’s')
const twin = new Twin(attachment)
treatFramesBy((bytes, ingress, arrival) => twin.run(bytes, ingress, arrival))

const root = fileURLToPath(new URL('../..', import.meta.url))
for (const folder of FOLDERS) {
  const isWanted = folder === 'tests' ? IS_GOLDEN[attachment] : IS_TEST
  for (const name of readdirSync(join(root, folder)).sort()) {
    if (isWanted.test(name)) await import(join(root, folder, name))
  }
}
process.on('exit', () => {
  twin.close()
  console.log(`frames: ${twin.compared} in both, ${twin.left} in V8 alone`)
})
