import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readOptions, USAGE } from './demo-options.ts'

describe("the demonstration's options", () => {
  it('are all modes and any engine if none is given', () => {
    assert.deepEqual(readOptions([]), {
      modes: ['nat', 'dr', 'tun', 'fullnat'],
      family: 4,
      engine: 'auto',
      attach: 'auto',
      isKept: false,
      isJson: false,
      isCleaning: false,
    })
  })

  it('are read', () => {
    const options = readOptions([
      '--mode',
      'tun',
      '--ipv6',
      '--engine=v8',
      '--attach',
      'tc',
      '--keep',
      '--json',
    ])
    assert.deepEqual(options, {
      modes: ['tun'],
      family: 6,
      engine: 'v8',
      attach: 'tc',
      isKept: true,
      isJson: true,
      isCleaning: false,
    })
  })

  it('explain themselves', () => {
    assert.equal(readOptions(['--help']), USAGE)
    assert.equal(readOptions(['-h', '--json']), USAGE)
  })

  const wrong: readonly [string[], RegExp][] = [
    [['--mode', 'nta'], /^--mode is one of nat, dr, tun, fullnat, all$/],
    [['--engine', 'v9'], /^--engine is one of auto, kernel, v8$/],
    [['--attach', 'xpd'], /^--attach is one of auto, xdp, tc$/],
    [['--modes', 'nat'], /--modes/],
    [['nat'], /nat/],
    [['--mode'], /--mode/],
  ]
  for (const [args, complaint] of wrong) {
    it(`are refused: ${args.join(' ')}`, () => {
      const error = readOptions(args)
      assert.ok(error instanceof Error)
      assert.match(error.message, complaint)
    })
  }
})
