/**
 * Every bound of the control socket. LINE_MAX and PART_ROWS, which clients should know, are in protocol.ts.
 */

/** Clients at once. */
export const CLIENTS_MAX = 256

/** Calls of one client that may have begun and not be answered, before more is read from it. */
export const OUTSTANDING_MAX = 1024

/** Milliseconds for which calls are begun or rows written before the loop may turn to packets. */
export const SLICE_MS = 2

/** Characters in one part of a long answer; the row that reaches it still belongs to the part. */
export const PART_CHARS = 1 << 18

/** Bytes of memory for the parts of an answer that is written as bytes; each client that lists has one such piece. */
export const PART_BYTES = 1 << 20

/** Bytes of an answer's line that a client takes: a part, whose last row may be a service with all its servers. */
export const ANSWER_MAX = 64 << 20

/** Bytes of a Unix socket's path: sun_path of unix(7), less its NUL. */
export const PATH_MAX = 107
