/**
 * The index of neighbours against a plain list: whatever comes and goes, the packet path finds those who are in.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '../../base/random.ts'
import { ipToWords, type IpWords } from '../../base/ip.ts'
import { findNeighbour } from '../../dataplane/route.ts'
import { hops, HopState, neighbourIndex, NONE, settings, TABLES } from '../../dataplane/tables.ts'
import { allocateTables } from '../../subset/table.ts'
import { adoptIndex, enterHop, leaveHop } from './hop-index.ts'
import { initTables } from '../init.ts'

const SEED = 20250103
const ROWS = 96

function makeTables(slots: number): void {
  allocateTables(TABLES, { hops: ROWS, neighbourIndex: slots }).use()
  initTables({ hashSeed: 7 })
}

interface Neighbour {
  readonly link: number
  readonly words: IpWords
}

function write(row: number, { link, words }: Neighbour): void {
  const hop = hops.row(row)
  ;[hop.address0, hop.address1, hop.address2, hop.address3] = words
  hop.interface = link
  hop.state = HopState.resolved
}

function find({ link, words }: Neighbour): number {
  const { hashSeed, neighbourMask } = settings.row(0)
  return findNeighbour(hashSeed, neighbourMask, link, ...words)
}

function neighbour(random: Random): Neighbour {
  const number = random.below(150)
  const ip = random.oneIn(2) ? `10.0.0.${number}` : `2001:db8::${number}`
  return { link: 1 + random.below(2), words: ipToWords(ip) }
}

const keyOf = ({ link, words }: Neighbour) => `${link} ${words.join()}`

describe(`the index of neighbours, seed ${SEED}`, () => {
  for (const slots of [64, 128, 1024]) {
    it(`of ${slots} slots, as a list has it`, () => {
      const random = new Random(SEED + slots)
      makeTables(slots)
      const rows = new Map<string, { row: number; neighbour: Neighbour }>()
      const free = Array.from({ length: ROWS }, (_, row) => row)
      let refused = 0
      for (let step = 0; step < 20_000; step++) {
        const one = neighbour(random)
        const known = rows.get(keyOf(one))
        assert.equal(find(one), known?.row ?? NONE, keyOf(one))
        if (known !== undefined && random.oneIn(2)) {
          leaveHop(known.row)
          hops.row(known.row).state = HopState.free
          rows.delete(keyOf(one))
          free.push(known.row)
        } else if (known === undefined && free.length > 0) {
          const row = free.pop()!
          write(row, one)
          const others = enterHop(row)
          if (others === undefined) rows.set(keyOf(one), { row, neighbour: one })
          else {
            refused++
            assert.ok(
              others.every((other) => [...rows.values()].some((each) => each.row === other)),
            )
            hops.row(row).state = HopState.free
            free.push(row)
          }
        }
        if (step % 500 > 0) continue
        for (const { row, neighbour } of rows.values()) assert.equal(find(neighbour), row)
        assert.deepEqual(adoptIndex(), new Set([...rows.values()].map(({ row }) => row)))
      }
      assert.equal(refused > 0, slots < 1024, `${refused} did not fit`)
      for (const { row } of rows.values()) leaveHop(row)
      for (let slot = 0; slot < slots; slot++) assert.equal(neighbourIndex.row(slot).hop, 0)
    })
  }
})
