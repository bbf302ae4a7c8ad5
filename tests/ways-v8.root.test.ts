/**
 * Every way through a director (lan/ways.ts), on the V8 engine.
 */
import { it } from 'node:test'
import { tryEveryWay } from './lan/ways.ts'

tryEveryWay((name, run) => void it(name, run), 'v8')
