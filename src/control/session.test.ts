/**
 * What a client of the socket gets: every call answered, in order, whatever it writes and however slowly it reads.
 */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { LineClient, serve } from '../../tests/control/serving.ts'
import { JsonRows } from '../base/json-rows.ts'
import type { CallTable } from './call-table.ts'
import { ControlError } from './control-error.ts'
import { OUTSTANDING_MAX, PART_BYTES, PART_CHARS } from './limits.ts'
import { LINE_MAX, PART_ROWS } from './protocol.ts'
import type { SessionOptions } from './session.ts'

type Calls = Partial<CallTable>

async function begin(
  t: TestContext,
  calls: Calls,
  options: SessionOptions = {},
): Promise<LineClient> {
  return LineClient.connect(t, await serve(t, calls, options))
}

const call = (id: unknown, name: unknown, parameters?: unknown) =>
  `${JSON.stringify({ id, call: name, with: parameters })}\n`

/** Rows of some size, and how many of them were made. */
function rowsOf(count: number, size: number): { rows: Iterable<unknown>; made: () => number } {
  let made = 0
  function* rows() {
    try {
      for (; made < count; made++) yield 'x'.repeat(size)
    } finally {
      ended = true
    }
  }
  let ended = false
  return { rows: rows(), made: () => (ended ? made : -1) }
}

const VERSION = { version: '1.2.1', connectionTableSize: 4096 }
const ZERO = { tcp: 0, tcpFin: 0, udp: 0 }

describe('a session', () => {
  it('answers calls in order, also those that are done later than the next', async (t) => {
    let finish = () => {}
    const client = await begin(t, {
      'sync.list': () => new Promise((resolve) => (finish = () => resolve([]))),
      'ipvs.version': () => {
        finish()
        return VERSION
      },
    })
    await client.write(call(1, 'sync.list') + call(2, 'ipvs.version') + call(3, 'nonsense'))
    assert.deepEqual(await client.answer(), { id: 1, result: [] })
    assert.deepEqual(await client.answer(), { id: 2, result: VERSION })
    assert.deepEqual(await client.answer(), {
      id: 3,
      error: { errno: 'ENOSYS', message: 'there is no call "nonsense"' },
    })
  })

  it('begins nothing behind a call that is long work before that is answered', async (t) => {
    const begun: string[] = []
    const client = await begin(t, {
      'service.flush': async () => {
        for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
        begun.push('flushed')
        return null
      },
      'ipvs.version': () => {
        begun.push('asked')
        return VERSION
      },
    })
    await client.write(call(1, 'service.flush') + call(2, 'ipvs.version'))
    await client.answer()
    await client.answer()
    assert.deepEqual(begun, ['flushed', 'asked'])
  })

  const wrong: [string, string, object][] = [
    ['no JSON', 'hello\n', { id: null, error: errorOf('this line is no JSON object') }],
    ['JSON but no object', '[1]\n', { id: null, error: errorOf('this line is no JSON object') }],
    ['null', 'null\n', { id: null, error: errorOf('this line is no JSON object') }],
    ['no call', '{"id":7}\n', { id: 7, error: errorOf('there is no call undefined', 'ENOSYS') }],
    [
      "a property of every object's",
      call(7, 'constructor'),
      { id: 7, error: errorOf('there is no call "constructor"', 'ENOSYS') },
    ],
    [
      'parameters of the wrong shape',
      call(7, 'timeouts.set', { tcp: -1 }),
      { id: 7, error: errorOf('with.tcp: -1 is not between 0 and 2678400') },
    ],
    [
      'a parameter that there is none of',
      call(7, 'timeouts.set', { ...ZERO, icmp: 1 }),
      { id: 7, error: errorOf('with.icmp: is unknown here') },
    ],
    ['an id that is no number', call('x', 'timeouts.set', ZERO), { id: null, result: null }],
    [
      'bytes that are no UTF-8',
      '\xff\xfe{\n',
      { id: null, error: errorOf('this line is no JSON object') },
    ],
  ]
  for (const [what, line, answer] of wrong) {
    it(`refuses ${what}, and goes on`, async (t) => {
      const client = await begin(t, { 'timeouts.set': () => null, 'ipvs.version': () => VERSION })
      await client.write(Buffer.from(`\n${line}\n`, 'latin1'))
      await client.write(call(8, 'ipvs.version'))
      assert.deepEqual(await client.answer(), answer)
      assert.deepEqual(await client.answer(), { id: 8, result: VERSION })
    })
  }

  it("tells a refusal as it is, and of the daemon's own faults only that they are in its log", async (t) => {
    const faults: unknown[] = []
    const broken = new TypeError('secret')
    const client = await begin(
      t,
      {
        'service.flush': () => {
          throw new ControlError('EBUSY', 'not now')
        },
        'sync.list': () => Promise.reject(new ControlError('EPERM', 'never')),
        'ipvs.version': () => {
          throw broken
        },
      },
      { onFault: (error) => faults.push(error) },
    )
    await client.write(call(1, 'service.flush') + call(2, 'sync.list') + call(3, 'ipvs.version'))
    assert.deepEqual(await client.answer(), { id: 1, error: errorOf('not now', 'EBUSY') })
    assert.deepEqual(await client.answer(), { id: 2, error: errorOf('never', 'EPERM') })
    const { error } = (await client.answer()) as { error: { errno: string; message: string } }
    assert.equal(error.errno, 'EINTERNAL')
    assert.doesNotMatch(error.message, /secret/)
    assert.deepEqual(faults, [broken])
  })

  it('answers a client that has ended its side, and then ends', async (t) => {
    const client = await begin(t, { 'ipvs.version': () => VERSION })
    client.socket.end(call(1, 'ipvs.version') + call(2, 'ipvs.version'))
    assert.deepEqual(await client.rest(), [
      { id: 1, result: VERSION },
      { id: 2, result: VERSION },
    ])
  })

  it('ends with a client whose line does not end, and says so', async (t) => {
    const client = await begin(t, {})
    void client.write('x'.repeat(LINE_MAX + 1)).catch(() => {})
    assert.deepEqual(await client.rest(), [
      { id: null, error: errorOf(`a line has more than ${LINE_MAX} bytes`, 'EMSGSIZE') },
    ])
  })
})

describe('a long answer', () => {
  for (const [what, count, size] of [
    ['many rows', 2 * PART_ROWS + 1, 1],
    ['large rows', 5, PART_CHARS],
    ['one row', 1, 10],
    ['no row', 0, 0],
  ] as const) {
    it(`of ${what} comes in parts, the last of them as the result`, async (t) => {
      const { rows } = rowsOf(count, size)
      const client = await begin(t, { 'connection.list': () => rows })
      await client.write(call(1, 'connection.list'))
      let received = 0
      for (;;) {
        const answer = (await client.answer()) as { part?: unknown[]; result?: unknown[] }
        const part = (answer.part ?? answer.result)!
        assert.ok(part.length <= PART_ROWS)
        received += part.length
        if (answer.result !== undefined) break
        assert.ok(part.length > 0)
      }
      assert.equal(received, count)
    })
  }

  for (const [what, count, size] of [
    ['many rows', 3 * PART_BYTES, 1],
    ['large rows', 25, PART_BYTES >> 4],
    ['one row', 1, 10],
    ['no row', 0, 0],
  ] as const) {
    it(`of ${what} that are bytes already comes in parts, too`, async (t) => {
      const client = await begin(t, { 'connection.list': () => new Bytes(count, size) })
      await client.write(call(1, 'connection.list'))
      const lengths: number[] = []
      let result: number[] | undefined
      while (result === undefined) {
        const line = (await client.next())!
        assert.ok(line.length < PART_BYTES)
        const answer = JSON.parse(line) as { part?: number[]; result?: number[] }
        result = answer.result
        lengths.push((answer.part ?? answer.result)!.length)
      }
      assert.equal(
        lengths.reduce((sum, length) => sum + length),
        count,
      )
    })
  }

  it('in bytes that fails in the middle ends with the failure, and the client goes on', async (t) => {
    const rows = new Bytes(10, 1, 5)
    const client = await begin(t, { 'connection.list': () => rows, 'ipvs.version': () => VERSION })
    await client.write(call(1, 'connection.list') + call(2, 'ipvs.version'))
    assert.deepEqual(await client.answer(), { id: 1, error: errorOf('the table burns', 'EIO') })
    assert.deepEqual(await client.answer(), { id: 2, result: VERSION })
  })

  it('in bytes is made no faster than it is read', async (t) => {
    const rows = new Bytes(1_000_000, 1000)
    const calls: Calls = { 'connection.list': () => rows, 'ipvs.version': () => VERSION }
    const path = await serve(t, calls)
    const client = await LineClient.connect(t, path)
    await client.write(call(1, 'connection.list'))
    await client.answer()
    const other = await LineClient.connect(t, path)
    for (let i = 0; i < 20; i++) {
      await other.write(call(1, 'ipvs.version'))
      assert.deepEqual(await other.answer(), { id: 1, result: VERSION })
    }
    assert.ok(rows.made < 100_000, `${rows.made} rows made for a client that read one part`)
    client.socket.destroy()
  })

  it('that fails in the middle ends with the failure', async (t) => {
    const client = await begin(t, {
      'connection.list': function* () {
        yield 1
        throw new ControlError('EIO', 'the table burns')
      },
    })
    await client.write(call(1, 'connection.list'))
    const answers: unknown[] = []
    for (let answer; (answer = (await client.answer()) as object);) {
      answers.push(answer)
      if ('error' in answer) break
    }
    assert.deepEqual(answers.at(-1), { id: 1, error: errorOf('the table burns', 'EIO') })
  })

  it('is made no faster than it is read, and not at all for a client that has gone', async (t) => {
    const { rows, made } = rowsOf(1_000_000, 1000)
    const calls: Calls = { 'connection.list': () => rows, 'ipvs.version': () => VERSION }
    const path = await serve(t, calls)
    const client = await LineClient.connect(t, path)
    await client.write(call(1, 'connection.list'))
    await client.answer()
    const other = await LineClient.connect(t, path)
    await other.write(call(1, 'ipvs.version'))
    assert.deepEqual(await other.answer(), { id: 1, result: VERSION })
    client.socket.destroy()
    while (made() < 0) await new Promise((resolve) => setImmediate(resolve))
    assert.ok(made() < 100_000, `${made()} rows made for a client that read one part`)
  })
})

it('a client that only writes is read from no further than it has answers waiting', async (t) => {
  let begun = 0
  const big = 'x'.repeat(64 << 10)
  const client = await begin(t, {
    'ipvs.version': () => {
      begun++
      return { version: big, connectionTableSize: 1 }
    },
  })
  const line = call(1, 'ipvs.version')
  const chunk = line.repeat(Math.floor(65_536 / line.length))
  void client.write(chunk.repeat(20)).catch(() => {})
  // What the socket takes before nobody reads it; then the count stands still.
  let before = -1
  for (let still = 0; still < 50; still = begun === before ? still + 1 : 0) {
    if (begun > OUTSTANDING_MAX / 2) before = begun
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert.ok(begun < 10 * OUTSTANDING_MAX, `${begun} calls begun`)
  assert.ok(begun < (chunk.length * 20) / line.length)
})

/** Numbers of `size` digits, ten at once; with `failsAt` it throws there. */
class Bytes extends JsonRows {
  readonly room: number
  readonly #row: Buffer
  readonly #count: number
  readonly #failsAt: number
  made = 0

  constructor(count: number, size: number, failsAt = Infinity) {
    super()
    this.#row = Buffer.from(`${'7'.repeat(size)},`)
    this.#count = count
    this.#failsAt = failsAt
    this.room = 10 * this.#row.length
  }

  get isDone(): boolean {
    return this.made === this.#count
  }

  write(bytes: Uint8Array, at: number): number {
    for (let i = 0; i < 10 && !this.isDone; i++) {
      if (this.made === this.#failsAt) throw new ControlError('EIO', 'the table burns')
      bytes.set(this.#row, at)
      at += this.#row.length
      this.made++
    }
    return at
  }
}

function errorOf(message: string, errno = 'EINVAL'): { errno: string; message: string } {
  return { errno, message }
}
