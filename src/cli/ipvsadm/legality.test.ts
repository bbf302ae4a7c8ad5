import { test } from 'node:test'
import assert from 'node:assert/strict'
import {
  explainIllegalOption,
  explainIllegalTunnelOption,
  OPTION_NAMES,
  type CommandName,
  type OptionName,
} from './legality.ts'

test('the first option that is missing, illegal or in conflict is named', () => {
  const cases: [CommandName, OptionName[], string | undefined][] = [
    ['add-service', ['service-address', 'scheduler', 'pe'], undefined],
    ['edit-server', ['service-address', 'real-server', 'weight', 'tun-port'], undefined],
    ['list', ['numeric', 'connection', 'stats', 'nosort', 'exact'], undefined],
    ['zero', [], undefined],
    ['zero', ['service-address'], undefined],
    ['add-laddr', ['service-address', 'local-address'], undefined],
    [
      'add-service',
      ['scheduler', 'weight'],
      "You need to supply the 'service-address' option for the 'add-service' command",
    ],
    [
      'add-service',
      ['numeric', 'scheduler'],
      "Illegal 'numeric' option with the 'add-service' command",
    ],
    [
      'add-server',
      ['service-address', 'scheduler'],
      "Illegal 'scheduler' option with the 'add-server' command",
    ],
    [
      'add-server',
      ['service-address', 'weight'],
      "You need to supply the 'real-server' option for the 'add-server' command",
    ],
    [
      'list',
      ['timeout', 'service-address', 'daemon'],
      "The option 'timeout' conflicts with the 'service-address' option in the 'list' command",
    ],
    [
      'del-laddr',
      ['service-address'],
      "You need to supply the 'local-address' option for the 'del-laddr' command",
    ],
  ]
  for (const [command, options, wanted] of cases) {
    assert.equal(explainIllegalOption(command, new Set(options)), wanted, `${command} ${options}`)
  }
})

test('commands that take no options refuse each of them', () => {
  for (const command of ['flush', 'restore', 'set'] as const) {
    assert.equal(explainIllegalOption(command, new Set()), undefined)
    for (const name of OPTION_NAMES) {
      if (command === 'restore' && name === 'atomic') continue
      assert.equal(
        explainIllegalOption(command, new Set([name])),
        `Illegal '${name}' option with the '${command}' command`,
      )
    }
  }
})

test('options of a tunnel depend on its type', () => {
  assert.equal(explainIllegalTunnelOption('ipip', new Set(['tun-type', 'weight'])), undefined)
  assert.equal(explainIllegalTunnelOption('gue', new Set(['tun-port', 'tun-remcsum'])), undefined)
  assert.equal(
    explainIllegalTunnelOption('gue', new Set(['tun-type'])),
    "You need to supply the 'tun-port' option for the 'gue' tunnel type",
  )
  assert.equal(
    explainIllegalTunnelOption('gue', new Set(['tun-port', 'tun-csum', 'tun-remcsum'])),
    "The option 'tun-remcsum' conflicts with the 'tun-csum' option in the 'gue' tunnel type",
  )
  assert.equal(
    explainIllegalTunnelOption('gre', new Set(['tun-remcsum'])),
    "Illegal 'tun-remcsum' option with the 'gre' tunnel type",
  )
})
