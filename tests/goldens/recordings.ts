/**
 * The recordings of this folder, read: README.md says what each event holds.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rootFolder } from '../packets/golden-frames.ts'

interface Numbered {
  readonly case: string
  readonly n: number
}
export interface CaseEvent extends Numbered {
  readonly op: 'case'
  readonly desc: string
  readonly sysctl?: readonly string[]
}
export interface CommandEvent extends Numbered {
  readonly op: 'cmd'
  readonly cmd: string
  readonly stdout: string
  readonly stderr: string
  readonly rc: number
}
/** A command line as its words, run without a shell. */
export interface WordsEvent extends Numbered {
  readonly op: 'words'
  readonly words: readonly string[]
  readonly input?: string
  readonly stdout: string
  readonly stderr: string
  readonly rc: number
}
export interface SleepEvent extends Numbered {
  readonly op: 'sleep'
  readonly s: number
}
export interface NoteEvent extends Numbered {
  readonly op: 'note'
  readonly text: string
}
export interface FrameEvent extends Numbered {
  /** Sent to the director, or seen leaving it; `at: 'none'`, without `hex`: nothing left. */
  readonly op: 'tx' | 'rx'
  readonly at: 'client' | 'server' | 'none'
  readonly sum: string
  readonly hex?: string
  readonly note?: string
}
/** A new flow: which real server got it, or what the client was answered. */
export interface FlowEvent extends Numbered {
  readonly op: 'conn'
  readonly proto: 'tcp' | 'udp'
  readonly src: string
  readonly sport: number
  readonly dst: string
  readonly dport: number
  readonly rs: number | null
  readonly kind: 'syn' | 'established' | 'datagram'
  readonly reply?: string
}
export interface CloseEvent extends Numbered {
  readonly op: 'close'
  readonly src: string
  readonly sport: number
  readonly rs: number
  readonly how: 'rst' | 'fin'
}
export type GoldenEvent =
  CaseEvent | CommandEvent | WordsEvent | SleepEvent | NoteEvent | FrameEvent | FlowEvent | CloseEvent

/** A file's cases in order, each with its events. */
export function readRecording(file: string): ReadonlyMap<string, readonly GoldenEvent[]> {
  const cases = new Map<string, GoldenEvent[]>()
  for (const line of readFileSync(join(rootFolder(), 'tests/goldens', file), 'utf8').split('\n')) {
    if (line === '') continue
    const event = JSON.parse(line) as GoldenEvent
    const events = cases.get(event.case)
    if (events === undefined) cases.set(event.case, [event])
    else events.push(event)
  }
  return cases
}
