import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isUsable, overhead, updateOverload } from './server.ts'
import { Server } from './tables.ts'

const server = Server.local()

function load(active: number, inactive: number, upper = 0, lower = 0): void {
  server.active = active
  server.inactive = inactive
  server.upperThreshold = upper
  server.lowerThreshold = lower
}

describe('a server is overloaded', () => {
  // As ip_vs_dest_update_overload: from its upper threshold on, until below the lower one, or three quarters.
  const cases: [string, number, number, [number, number][]][] = [
    [
      'never without thresholds',
      0,
      0,
      [
        [1000, 0],
        [0, 0],
      ],
    ],
    [
      'from the upper threshold on',
      4,
      0,
      [
        [3, 0],
        [4, 1],
        [5, 1],
      ],
    ],
    [
      'until it is below three quarters of it',
      4,
      0,
      [
        [4, 1],
        [3, 1],
        [2, 0],
        [3, 0],
      ],
    ],
    [
      'or below the lower one',
      4,
      2,
      [
        [4, 1],
        [3, 1],
        [2, 1],
        [1, 0],
        [2, 0],
      ],
    ],
    [
      'with a lower one alone, never',
      0,
      2,
      [
        [5, 0],
        [1, 0],
      ],
    ],
    [
      'at an upper threshold of 1',
      1,
      0,
      [
        [0, 0],
        [1, 1],
        [0, 0],
      ],
    ],
  ]
  for (const [what, upper, lower, story] of cases) {
    it(what, () => {
      server.overloaded = 0
      for (const [connections, want] of story) {
        load(Math.floor(connections / 2), Math.ceil(connections / 2), upper, lower)
        updateOverload(server)
        assert.equal(server.overloaded, want, `at ${connections}`)
      }
    })
  }

  it('no more once its thresholds are taken away, or set higher', () => {
    load(10, 0, 4)
    updateOverload(server)
    assert.equal(server.overloaded, 1)
    load(10, 0, 0, 0)
    updateOverload(server)
    assert.equal(server.overloaded, 0)
    load(10, 0, 4)
    updateOverload(server)
    load(10, 0, 20)
    updateOverload(server)
    assert.equal(server.overloaded, 0)
  })
})

it('a server is usable with a weight and without overload', () => {
  for (const [weight, overloaded, want] of [
    [1, 0, true],
    [0, 0, false],
    [1, 1, false],
    [0, 1, false],
    [0x7fffffff, 0, true],
  ] as const) {
    server.weight = weight
    server.overloaded = overloaded
    assert.equal(isUsable(server), want, `weight ${weight}, overloaded ${overloaded}`)
  }
})

it('an active connection weighs as much as 256 inactive ones', () => {
  load(0, 255)
  assert.equal(overhead(server), 255)
  load(1, 0)
  assert.equal(overhead(server), 256)
  load(1_000_000, 1_000_000)
  assert.equal(overhead(server), 257_000_000)
})
