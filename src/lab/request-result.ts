/**
 * What became of one request of the demonstration's client. The client's program prints one JSON line for each.
 */

/** Over a connection of its own, over a connection kept alive, or a datagram. */
export type RequestKind = 'new' | 'kept' | 'udp'

export interface RequestResult {
  readonly kind: RequestKind
  /** Connections, and UDP flows, are numbered. */
  readonly connection: number
  /** The phase in which the connection was begun: no later than its first packet. */
  readonly openedIn: string
  /** The name of the server that answered, and the client's address as that server saw it; undefined if it failed. */
  readonly server?: string
  readonly seen?: string
  /** Why it failed. */
  readonly error?: string
}
