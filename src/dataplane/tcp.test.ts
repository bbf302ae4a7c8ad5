import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { isActiveTcpState, nextTcpState, TcpSide, TcpState } from './tcp.ts'

/** The transitions are a table of the laboratory's. */
new Laboratory()

const STATES = Object.keys(TcpState) as (keyof typeof TcpState)[]
const FLAG: Readonly<Record<string, number>> = {
  S: TcpFlag.syn,
  A: TcpFlag.ack,
  F: TcpFlag.fin,
  R: TcpFlag.rst,
  P: TcpFlag.psh,
}

/**
 * The states after each of some segments: '>S' from the client, '<SA' from the server; '-S' from a client whose server
 * answers past us.
 */
function follow(segments: string, from: keyof typeof TcpState = 'none'): string {
  let state: number = TcpState[from]
  const states = segments.split(' ').map((segment) => {
    const side = { '>': TcpSide.input, '<': TcpSide.output, '-': TcpSide.inputOnly }[segment[0]!]!
    const flags = [...segment.slice(1)].reduce((sum, letter) => sum | FLAG[letter]!, 0)
    state = nextTcpState(side, flags, state)
    return STATES.find((name) => TcpState[name] === state)!
  })
  return states.join(' ')
}

describe('a connection through NAT', () => {
  for (const [what, segments, states] of [
    [
      'that the client closes',
      '>S <SA >A >PA >FA <A <FA >A',
      'synReceived synReceived established established closeWait closeWait timeWait timeWait',
    ],
    [
      'that the server closes',
      '>S <SA >A <FA >A >FA <A',
      'synReceived synReceived established finWait finWait timeWait timeWait',
    ],
    ['that the client resets', '>S <SA >A >R', 'synReceived synReceived established close'],
    ['that the server refuses', '>S <RA', 'synReceived close'],
    [
      'that is used again',
      '>S <SA >A >FA <FA >S',
      'synReceived synReceived established closeWait timeWait synReceived',
    ],
    ['reset before it was answered', '>S >R', 'synReceived synReceived'],
    ['picked up in the middle', '>A', 'established'],
  ] as const) {
    it(what, () => assert.equal(follow(segments), states))
  }
})

describe('a connection whose answers go past us', () => {
  for (const [what, segments, states] of [
    ['that is closed', '-S -A -FA -A', 'synReceived established finWait finWait'],
    ['that is reset', '-S -A -R', 'synReceived established close'],
    ['closed before it was open', '-S -FA', 'synReceived timeWait'],
    ['reset before it was open', '-S -R', 'synReceived synReceived'],
  ] as const) {
    it(what, () => assert.equal(follow(segments), states))
  }
})

describe('a segment', () => {
  it('counts as its strongest flag: RST, SYN, FIN, ACK', () => {
    assert.equal(follow('>RSFA', 'established'), 'close')
    assert.equal(follow('>SFA', 'timeWait'), 'synReceived')
    assert.equal(follow('>FA', 'established'), 'closeWait')
  })

  it('without any of them closes', () => {
    for (const state of STATES) {
      for (const segment of ['>P', '<P', '-P']) assert.equal(follow(segment, state), 'close')
    }
  })

  it('has a next state in every state, on every side', () => {
    for (const state of STATES) {
      for (const segment of [
        '>S',
        '>F',
        '>A',
        '>R',
        '<S',
        '<F',
        '<A',
        '<R',
        '-S',
        '-F',
        '-A',
        '-R',
      ]) {
        assert.ok(STATES.includes(follow(segment, state) as keyof typeof TcpState))
      }
    }
  })
})

it('active are those that are open or opening', () => {
  assert.deepEqual(
    STATES.filter((state) => isActiveTcpState(TcpState[state])),
    ['established', 'synSent', 'synReceived', 'synAck'],
  )
})
