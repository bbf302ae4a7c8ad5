import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import { setTimeoutS, timeoutS } from '../director/timeouts.ts'
import { TICKS_PER_SECOND } from '../subset/clock.ts'
import { TcpState } from './tcp.ts'
import { timeoutOf, TimeoutRow } from './timeout.ts'

it('TCP has one for each state, UDP one for all', () => {
  new Laboratory()
  const seconds = (row: number) => timeoutOf(row) / TICKS_PER_SECOND
  assert.deepEqual(
    Object.fromEntries(
      Object.entries(TcpState).map(([name, state]) => [name, seconds(TimeoutRow.tcp + state)]),
    ),
    {
      none: 2,
      established: 900,
      synSent: 120,
      synReceived: 60,
      finWait: 120,
      timeWait: 120,
      close: 10,
      closeWait: 60,
      lastAck: 30,
      listen: 120,
      synAck: 120,
    },
  )
  assert.equal(seconds(TimeoutRow.udp), 300)
})

it('what is set is what is read; rows that do not exist have none', () => {
  new Laboratory()
  setTimeoutS(TimeoutRow.udp, 2_678_400)
  assert.equal(timeoutS(TimeoutRow.udp), 2_678_400)
  assert.equal(timeoutOf(TimeoutRow.udp), 2_678_400 * TICKS_PER_SECOND)
  assert.equal(timeoutOf(64), 0)
})
