import { test } from 'node:test'
import assert from 'node:assert/strict'
import { COMMANDS, OptionReader, OPTIONS } from './options.ts'

/** 'long=argument', or the complaint. */
function read(words: readonly string[], isFullnat = false): { options: string[]; rest: string[] } {
  const reader = new OptionReader(words)
  if (isFullnat) reader.allowFullnat()
  const options: string[] = []
  for (let found = reader.next(); found !== undefined; found = reader.next()) {
    if ('wrong' in found)
      return { options: [...options, `${found.word}: ${found.wrong}`], rest: [] }
    options.push(found.argument === null ? found.long : `${found.long}=${found.argument}`)
  }
  return { options, rest: reader.rest }
}

test('short and long options, bundled or not, with their arguments', () => {
  const cases: [string, string[]][] = [
    ['-A -t x', ['add-service', 'tcp-service=x']],
    ['-At x', ['add-service', 'tcp-service=x']],
    ['-Atx', ['add-service', 'tcp-service=x']],
    ['-At=x', ['add-service', 'tcp-service=x']],
    ['-Lcn', ['list', 'connection', 'numeric']],
    ['-ln', ['list', 'numeric']],
    ['--tcp-service x', ['tcp-service=x']],
    ['--tcp-service=x', ['tcp-service=x']],
    ['--tcp-service=', ['tcp-service=']],
    ['-w -1', ['weight=-1']],
    ['-p 300', ['persistent=300']],
    ['-p300', ['persistent=300']],
    ['-p', ['persistent']],
    ['-p -s rr', ['persistent', 'scheduler=rr']],
    ['--persistent=5', ['persistent=5']],
  ]
  for (const [line, wanted] of cases) {
    assert.deepEqual(read(line.split(' ')), { options: wanted, rest: [] }, line)
  }
})

test('errors name the word they are in', () => {
  const cases: [string, string[]][] = [
    ['--tcp x', ['--tcp: unknown option']],
    ['-q', ['-q: unknown option']],
    ['-Lqn', ['list', '-Lqn: unknown option']],
    ['-A -t', ['add-service', '-t: missing argument']],
    ['-At', ['add-service', '-At: missing argument']],
    ['--weight', ['--weight: missing argument']],
    ['--stats=1', ['--stats=1: option does not take an argument']],
    ['-p -5', ['persistent', '-5: unknown option']],
  ]
  for (const [line, wanted] of cases) {
    assert.deepEqual(read(line.split(' ')).options, wanted, line)
  }
})

test('what is no option is the rest', () => {
  assert.deepEqual(read(['-L', 'x', '-', '--', '-n']), {
    options: ['list'],
    rest: ['x', '-', '-n'],
  })
})

test('-b may stand alone with a real server', () => {
  assert.deepEqual(read(['-b', '-w', '1'], true).options, ['sched-flags', 'weight=1'])
  assert.deepEqual(read(['-b', 'sh-port'], true).options, ['sched-flags=sh-port'])
  assert.deepEqual(read(['-b'], false).options, ['-b: missing argument'])
})

test('no letter and no name means two things', () => {
  const all = [...COMMANDS, ...OPTIONS]
  const letters = all.flatMap((spec) => ('short' in spec ? [spec.short] : []))
  assert.equal(new Set(letters).size, letters.length)
  assert.equal(new Set(all.map(({ long }) => long)).size, all.length)
})
