/**
 * A call that the daemon refused: IPVS's errno, and a sentence for people.
 */
export class ControlError extends Error {
  /** 'ESRCH', 'EEXIST', …; 'EINTERNAL' where the daemon itself is at fault. */
  readonly errno: string

  constructor(errno: string, message: string) {
    super(message)
    this.name = 'ControlError'
    this.errno = errno
  }
}
