/**
 * Program: removes the lab of a process that ends without doing so, be it by `kill -9`.
 *
 *   node guardian.js PID
 *
 * Its stdin is a pipe whose other end only that process holds, so it ends when the process does, however. It has a
 * session of its own: what ends the demonstration does not end it. A lab that is to be kept is left.
 */
import { clearLab, isKept } from './leftovers.ts'

const pid = Number(process.argv[2])

process.stdin.resume()
process.stdin.once('end', () => {
  if (!isKept(pid)) clearLab(pid)
})
