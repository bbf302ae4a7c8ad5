/**
 * Golden frames for tests: those of frames.txt beside this file, and those that the goldens of Linux IPVS hold
 * (tests/goldens/packets-*.jsonl). No frame here was made by Sluice.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hexToBytes } from '../../src/base/hex.ts'
import { parseFrame } from '../../src/wire/frame.ts'

export interface GoldenFrame {
  readonly name: string
  /** By whom, or the scapy expression. */
  readonly made: string
  /** What `tcpdump -nntS` printed for it. */
  readonly tcpdump: string
  /** What `tcpdump -nntSe` printed for it. */
  readonly link: string
  readonly bytes: Uint8Array
}

/** A frame that the real IPVS was given or sent, with what another program decoded in it. */
export interface RecordedFrame {
  readonly name: string
  readonly sum: string
  readonly bytes: Uint8Array
}

/** The repository's root: compiled, this file lies deeper. */
export function rootFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'tests/packets/frames.txt'))) folder = dirname(folder)
  return folder
}

const frames = new Map<string, GoldenFrame>()
for (const stanza of readFileSync(join(rootFolder(), 'tests/packets/frames.txt'), 'utf8')
  .trim()
  .split('\n\n')
  .filter((text) => !text.startsWith('#'))) {
  const field = (key: string) => new RegExp(`^${key}: (.*)$`, 'm').exec(stanza)?.[1] ?? ''
  const [name, made, tcpdump, link] = ['name', 'made', 'tcpdump', 'link'].map(field)
  const golden = { name: name!, made: made!, tcpdump: tcpdump!, link: link! }
  frames.set(golden.name, { ...golden, bytes: bytesOf(field('hex')) })
}

/** All of frames.txt. */
export function goldenFrames(): GoldenFrame[] {
  return [...frames.values()]
}

/** The frame of that name in frames.txt; throws if there is none. */
export function goldenFrame(name: string): Uint8Array {
  const frame = frames.get(name)
  if (frame === undefined) throw new Error(`frames.txt has no frame ${name}`)
  return frame.bytes
}

/** What its IP packet carries, and between whom; throws if it holds none. */
export function goldenPayload(name: string): {
  bytes: Uint8Array
  source: string
  destination: string
} {
  const ip = parseFrame(goldenFrame(name))?.ip
  if (ip === undefined) throw new Error(`frame ${name} holds no IP packet`)
  return { bytes: ip.payload, source: ip.source, destination: ip.destination }
}

/** All frames recorded of Linux IPVS. */
export function recordedFrames(): RecordedFrame[] {
  return ['packets-v4.jsonl', 'packets-v6.jsonl']
    .flatMap((file) => readFileSync(join(rootFolder(), 'tests/goldens', file), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { case: string; n: number; sum?: string; hex?: string })
    .flatMap(({ case: name, n, sum = '', hex }) =>
      hex === undefined ? [] : [{ name: `${name} ${n}`, sum, bytes: bytesOf(hex) }],
    )
}

/** `bytes` cut at every byte: all its beginnings, itself not. */
export function everyCut(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (_, length) => bytes.subarray(0, length))
}

/** The bytes of a golden's hexadecimal text. */
export function bytesOf(hex: string): Uint8Array {
  const bytes = hexToBytes(hex)
  if (bytes === undefined || bytes.length === 0) throw new Error(`no hex: ${hex}`)
  return bytes
}
