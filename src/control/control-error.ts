/**
 * A call that the daemon refused: IPVS's errno, and a sentence for people.
 */
export class ControlError extends Error {
  /** 'ESRCH', 'EEXIST', …; 'EINTERNAL' where the daemon itself is at fault. */
  readonly errno: string

  constructor(errno: string, message: string) {
    // An answer like any other, and there may be a hundred thousand of them: a stack would cost more than the call.
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    super(message)
    Error.stackTraceLimit = limit
    this.name = 'ControlError'
    this.errno = errno
  }
}
