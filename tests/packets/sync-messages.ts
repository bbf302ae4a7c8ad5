/** The messages of connection synchronisation in sync-messages.txt beside this file: by name, their bytes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hexToBytes } from '../../src/base/hex.ts'
import { rootFolder } from './golden-frames.ts'

export function syncMessages(): Map<string, Uint8Array> {
  const text = readFileSync(join(rootFolder(), 'tests/packets/sync-messages.txt'), 'utf8')
  const stanzas = text.trim().split('\n\n')
  return new Map(
    stanzas
      .filter((stanza) => !stanza.startsWith('#'))
      .map((stanza) => {
        const field = (key: string) => new RegExp(`^${key}: (.*)$`, 'm').exec(stanza)![1]!
        return [field('name'), hexToBytes(field('hex'))!]
      }),
  )
}
