import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PACKAGES, ROOMS, edgesOf } from './tidy/rooms.ts'
import * as fileRules from './tidy/rules.ts'
import * as importRules from './tidy/rules-imports.ts'
import { FILE_LINES_WARN, lineCount, type Rule } from './tidy/rules.ts'
import { REFUSED, TIDY } from './tidy/refused.ts'
import { readRepository, treeOf } from './tidy/tree.ts'

const RULES: Readonly<Record<string, Rule>> = {
  fileSize: fileRules.fileSize,
  functionSize: fileRules.functionSize,
  lineLength: fileRules.lineLength,
  fileNames: fileRules.fileNames,
  functionNames: fileRules.functionNames,
  headComments: fileRules.headComments,
  roomReadmes: fileRules.roomReadmes,
  machineNames: fileRules.machineNames,
  unfinished: fileRules.unfinished,
  testsBeside: fileRules.testsBeside,
  rootTests: fileRules.rootTests,
  cursors: fileRules.cursors,
  rooms: importRules.rooms,
  cycles: importRules.cycles,
  packages: importRules.packages,
  purity: importRules.purity,
}

describe('this repository', () => {
  const repository = readRepository()

  it('is there', () => {
    assert.ok(repository.sources.has('tests/tidy.test.ts'))
  })

  for (const [name, rule] of Object.entries(RULES)) {
    it(`keeps the rule ${name}`, () => {
      const complaints = rule(repository)
      if (complaints.length > 0) assert.fail(`\n${complaints.join('\n')}`)
    })
  }

  it('says which files come near the wall', (context) => {
    for (const { path, text } of repository.sources.values()) {
      const lines = lineCount(text)
      if (lines >= FILE_LINES_WARN) context.diagnostic(`${path} has ${lines} lines`)
    }
  })
})

describe('the table of rooms', () => {
  it('has no way back', () => {
    assert.deepEqual(importRules.cyclesInTable(ROOMS), [])
  })

  it('would be refused with one', () => {
    const table = { a: 'b', b: 'types of c', c: 'a lazily' }
    assert.deepEqual(importRules.cyclesInTable(table), ['tests/tidy/rooms.ts:1: a → b → c → a'])
  })

  it('names only rooms that have a row', () => {
    for (const room of Object.keys(ROOMS)) {
      for (const edge of edgesOf(ROOMS, room)!) {
        assert.ok(Object.hasOwn(ROOMS, edge.room), `${room} may import from unknown ${edge.room}`)
      }
    }
  })

  it('keeps every package in a room that it knows', () => {
    for (const place of Object.values(PACKAGES)) {
      assert.ok(Object.hasOwn(ROOMS, importRules.roomOf(place)!), place)
    }
  })
})

describe('the rules', () => {
  it('accept a tidy tree', () => {
    const tree = treeOf(TIDY)
    for (const rule of Object.values(RULES)) assert.deepEqual(rule(tree), [])
  })

  for (const { rule, why, files, complaint } of REFUSED) {
    it(`refuse ${why}`, () => {
      const tree = treeOf({ ...TIDY, ...files })
      const complaints = Object.entries(RULES).flatMap(([name, check]) =>
        check(tree).map((text) => ({ rule: name, text })),
      )
      assert.deepEqual(complaints, [{ rule, text: complaint }])
    })
  }

  it('have each been seen to refuse something', () => {
    const untested = Object.keys(RULES).filter((name) => !REFUSED.some(({ rule }) => rule === name))
    assert.deepEqual(untested, [])
  })
})
