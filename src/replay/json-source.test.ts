import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isProblem, readJson, type JsonNode } from './json-source.ts'

/** The value without its places. */
function plain(node: JsonNode): unknown {
  const { value } = node
  if (Array.isArray(value)) return (value as readonly JsonNode[]).map(plain)
  if (value instanceof Map) {
    const members = [...(value as Map<string, { value: JsonNode }>)]
    return Object.fromEntries(members.map(([key, member]) => [key, plain(member.value)]))
  }
  return value
}

describe('readJson', () => {
  const texts = [
    '{}',
    ' [ ] ',
    'null',
    '-1.5e3',
    '"a\\u00e9\\"\\n"',
    '{"a":[1,2,{"b":true}],\n"c":"d"}',
    '\t{ "x" : false , "y" : [ [ ] ] }\r\n',
  ]
  for (const text of texts) {
    it(`reads ${JSON.stringify(text)} as JSON.parse does`, () => {
      const read = readJson(text)
      assert.ok(!isProblem(read), 'message' in read ? read.message : '')
      assert.deepEqual(plain(read), JSON.parse(text))
    })
  }

  it('knows the places of keys and values', () => {
    const read = readJson('{\n  "a": [1,\n    22]\n}')
    assert.ok(!isProblem(read) && read.value instanceof Map)
    const member = read.value.get('a') as { line: number; column: number; value: JsonNode }
    assert.deepEqual([member.line, member.column], [2, 3])
    assert.deepEqual([member.value.line, member.value.column], [2, 8])
    const [, second] = member.value.value as readonly JsonNode[]
    assert.deepEqual([second!.line, second!.column], [3, 5])
  })

  const wrong = [
    ['', 1, 1, 'the text ends too early'],
    ['{"a":1', 1, 7, 'a comma or } belongs here'],
    ['{"a" 1}', 1, 6, 'a colon belongs here'],
    ['{"a":1,\n}', 2, 1, '} is no JSON value'],
    ['{1:2}', 1, 2, 'a key in double quotes belongs here'],
    ['{"a":1,"a":2}', 1, 8, '"a" stands here a second time'],
    ['[1 2]', 1, 4, 'a comma or ] belongs here'],
    ['["a]', 1, 2, 'this string does not end well'],
    ['["\\x"]', 1, 2, '"\\x" is no JSON value'],
    ['[01]', 1, 2, '01 is no JSON value'],
    ['[yes]', 1, 2, 'yes is no JSON value'],
    ["['a']", 1, 2, "' means nothing here"],
    ['{} // lan', 1, 4, 'the text should end here'],
    ['['.repeat(66), 1, 66, 'lists and objects are nested deeper than 64'],
  ] as const
  for (const [text, line, column, message] of wrong) {
    it(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
      assert.deepEqual(readJson(text), { line, column, message })
    })
  }
})
