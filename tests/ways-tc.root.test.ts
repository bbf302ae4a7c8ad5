/**
 * Every way through a director (lan/ways.ts), in the kernel by tc.
 */
import { it } from 'node:test'
import { tryEveryWay } from './lan/ways.ts'

tryEveryWay((name, run) => void it(name, run), 'kernel', 'tc')
