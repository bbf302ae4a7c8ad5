/**
 * What ipvsadm says when the director refuses: a text for the call and the errno, else one for the errno alone.
 */
import type { CallName } from '../../control/protocol.ts'

const NO_SERVICE = 'No such service'
const NOT_DEFINED = 'Service not defined'
const NO_SCHEDULER = 'Scheduler or persistence engine not found'
const NO_DESTINATION = 'No such destination'

const TEXT_OF_CALL: Partial<Record<CallName, Readonly<Record<string, string>>>> = {
  'service.add': { EEXIST: 'Service already exists', ENOENT: NO_SCHEDULER },
  'service.edit': { ESRCH: NO_SERVICE, ENOENT: NO_SCHEDULER },
  'service.delete': { ESRCH: NO_SERVICE },
  'service.zero': { ESRCH: NO_SERVICE },
  'service.list': { ESRCH: NO_SERVICE },
  'server.add': { ESRCH: NOT_DEFINED, EEXIST: 'Destination already exists' },
  'server.edit': { ESRCH: NOT_DEFINED, ENOENT: NO_DESTINATION },
  'server.delete': { ESRCH: NOT_DEFINED, ENOENT: NO_DESTINATION },
  'local.add': { ESRCH: NOT_DEFINED, EEXIST: 'Local address already exists' },
  'local.delete': { ESRCH: NOT_DEFINED, ENOENT: 'No such local address' },
  'local.list': { ESRCH: NO_SERVICE },
  'sync.start': { EEXIST: 'Daemon has already run' },
  'sync.stop': { ESRCH: 'No daemon is running' },
}

const TEXT: Readonly<Record<string, string>> = {
  EPERM: 'Permission denied (you must be root)',
  EINVAL: 'Invalid operation.  Possibly wrong module version, address not unicast, ...',
  ENOMEM: 'Memory allocation problem',
  // strerror(3)'s.
  ENODEV: 'No such device',
  ERANGE: 'Numerical result out of range',
  ENETUNREACH: 'Network is unreachable',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EADDRINUSE: 'Address already in use',
}

/** `message` is the director's own, for what IPVS would not refuse. */
export function explainRefusal(call: CallName, errno: string, message: string): string {
  if (/^(mark|sysctl)\./.test(call)) return message
  return TEXT_OF_CALL[call]?.[errno] ?? TEXT[errno] ?? message
}

/** Why no daemon can be reached: errno's name of connect(2). */
export function explainNoDaemon(errno: string, path: string): string {
  const start = "Can't initialize ipvs: "
  if (errno === 'EACCES' || errno === 'EPERM') {
    return (
      `${start}Permission denied (you must be root)\n` +
      'Are you sure that IP Virtual Server is built in the kernel or as module?'
    )
  }
  if (errno === 'ENOENT') {
    return `${start}the Sluice daemon is not running (no socket ${path}); start it with \`sluice run\``
  }
  if (errno === 'ECONNREFUSED') {
    return `${start}the Sluice daemon has ended (nobody answers at ${path}); start it with \`sluice run\``
  }
  return `${start}the Sluice daemon cannot be reached at ${path} (${errno})`
}
