/**
 * A program has its own structs once for each processor, and a test run takes the one that this process is on.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** From now on this thread stays where it is. */
export function stayOnOneProcessor(): void {
  // The 39th field, of which 37 follow the command's name in parentheses (proc_pid_stat(5)).
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1)!.split(' ')
  execFileSync('taskset', ['-p', '-c', fields[36]!, String(process.pid)], { stdio: 'ignore' })
}
