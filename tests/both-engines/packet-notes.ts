/**
 * What the thread that runs packets (running-packets.ts) is told, and what it notes.
 */
export interface PacketRun {
  /** Descriptor of a program for tc. */
  readonly program: number
  readonly interfaceIndex: number
  readonly destinationMac: string
  readonly virtual: string
  /** [0]: edits begun plus edits done; [1]: not 0, and the thread ends; [2]: packets so far; [3]: met an edit. */
  readonly counters: SharedArrayBuffer
  readonly packetsMax: number
}

export const NOTE_WORDS = 4
/** Of the packets, every so many belongs to a connection that is open. */
export const ONE_IN_OLD = 4
