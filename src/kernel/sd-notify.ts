/**
 * Tells whoever started us how we are: sd_notify(3). Lines as datagrams to the socket that NOTIFY_SOCKET names.
 *
 *      struct sockaddr_un:  0 family u16 | 2 path; an abstract name has a leading zero byte
 */
import { close, sendto, socket } from './ffi.ts'

const AF_UNIX = 1
const SOCK_DGRAM_CLOEXEC = 0x80002
const PATH_MAX = 108

/**
 * Sends `state`, as 'READY=1'. Without NOTIFY_SOCKET nobody wants to know; an error is nobody's concern either:
 * the service manager that cannot be reached will draw its own conclusions. True: it was sent.
 */
export function notifyManager(state: string, path = process.env['NOTIFY_SOCKET']): boolean {
  if (path === undefined || path === '') return false
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : path)
  if (name.length > PATH_MAX) return false
  const address = new Uint8Array(2 + name.length)
  address[0] = AF_UNIX
  address.set(name, 2)
  const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0)
  try {
    return sendto(fd, Buffer.from(state), address) >= 0
  } finally {
    close(fd)
  }
}
