/**
 * Drafts and tables against each other: what one refuses the other does, and a table that was replaced is the draft.
 */
import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { Random } from '../base/random.ts'
import { services, servers } from '../dataplane/tables.ts'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import type { Director } from './director.ts'
import { listService } from './listing.ts'
import type { Refusal, ServerSettings, ServiceKey, ServiceSettings, TableChange } from './model.ts'
import { replaceTable } from './replace-table.ts'
import { TableDraft } from './table-draft.ts'

const KEYS: readonly ServiceKey[] = [
  { protocol: 'tcp', address: '10.0.0.100', port: 80 },
  { protocol: 'udp', address: '10.0.0.100', port: 80 },
  { protocol: 'tcp', address: '2001:db8:a::100', port: 80 },
  { protocol: 'tcp', address: '224.0.0.1', port: 80 },
  { firewallMark: 5, family: 4 },
]
const SERVER_ADDRESSES = [
  '192.168.10.11',
  '192.168.10.12',
  '192.168.10.13',
  '2001:db8:b::11',
  '0.1.2.3',
]
const TUNNEL = { type: 'ipip', port: 0, checksum: 'none' } as const

class Draw {
  readonly #random: Random
  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  below(n: number): number {
    return this.#random.next32() % n
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }

  service(key: ServiceKey): ServiceSettings {
    const isIpv6 = 'address' in key ? key.address.includes(':') : key.family === 6
    return {
      scheduler: this.of(['rr', 'wlc', 'sh', 'wrr', 'rr', 'wlc', 'none', 'no-such']),
      schedulerFlags: this.below(2),
      persistenceTimeoutS: this.of([0, 0, 300]),
      netmask: isIpv6 ? this.of([128, 64, 0]) : 0xffffffff,
      onePacket: this.below(4) === 0,
      persistenceEngine: null,
    }
  }

  server(): ServerSettings {
    const upperThreshold = this.below(3)
    return {
      forwarding: this.of(['masquerade', 'tunnel', 'direct', 'fullnat']),
      weight: this.below(4),
      upperThreshold,
      lowerThreshold: this.below(3),
      tunnel: TUNNEL,
    }
  }

  change(): TableChange {
    const service = this.of(KEYS)
    const server = { address: this.of(SERVER_ADDRESSES), port: 80 }
    const kind = this.below(20)
    if (kind === 0 && this.below(8) === 0) return { call: 'service.flush', with: {} }
    if (kind < 5) return { call: 'service.add', with: { service, settings: this.service(service) } }
    if (kind < 6)
      return { call: 'service.edit', with: { service, settings: this.service(service) } }
    if (kind < 7) return { call: 'service.delete', with: { service } }
    if (kind < 14) return { call: 'server.add', with: { service, server, settings: this.server() } }
    if (kind < 16)
      return { call: 'server.edit', with: { service, server, settings: this.server() } }
    if (kind < 18) return { call: 'server.delete', with: { service, server } }
    const address = this.of(['192.168.10.1', '10.0.0.1', '2001:db8:b::1', '0.0.0.0'])
    return { call: kind < 19 ? 'local.add' : 'local.delete', with: { service, address } }
  }
}

function obey(director: Director, change: TableChange): Refusal | null {
  const { call, with: what } = change
  switch (call) {
    case 'service.flush':
      director.flush()
      return null
    case 'service.add':
      return director.addService(what.service, what.settings)
    case 'service.edit':
      return director.editService(what.service, what.settings)
    case 'service.delete':
      return director.deleteService(what.service)
    case 'server.add':
      return director.addServer(what.service, what.server, what.settings)
    case 'server.edit':
      return director.editServer(what.service, what.server, what.settings)
    case 'server.delete':
      return director.deleteServer(what.service, what.server)
  }
  const entry = director.find(what.service)
  if (entry === undefined) return { errno: 'ESRCH', message: '' }
  return call === 'local.add'
    ? director.locals.add(entry, what.address)
    : director.locals.remove(entry, what.address)
}

/** What a table holds, in an order of its own. */
function contentsOf(director: Director): string[] {
  return [...director.services.values()]
    .map((entry) => {
      const { key, settings, servers } = listService(entry)
      const held = servers.map(({ address, port, forwarding, weight, upperThreshold }) =>
        JSON.stringify([address, port, forwarding, weight, upperThreshold]),
      )
      const locals = entry.locals.map(({ address }) => address).sort()
      return JSON.stringify([key, settings, held.sort(), locals])
    })
    .sort()
}

function replace(laboratory: Laboratory, draft: TableDraft, added: string[] = []): Refusal | null {
  const steps = replaceTable(laboratory.director, draft, {
    use: () => laboratory.use(),
    onServerAdded: (address) => added.push(address),
  })
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

describe('a draft', () => {
  it('refuses what the director refuses, whatever came before', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const draw = new Draw(seed)
      const { director } = new Laboratory()
      const draft = new TableDraft()
      for (let i = 0; i < 300; i++) {
        const change = draw.change()
        const [wanted, got] = [obey(director, change), draft.apply(change)]
        const what = `seed ${seed}, change ${i}: ${JSON.stringify(change)}`
        assert.equal(got?.errno, wanted?.errno, what)
      }
    }
  })
})

describe('replacing a table', () => {
  it('makes it what the draft says', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const draw = new Draw(seed)
      const laboratory = new Laboratory()
      for (let i = 0; i < 60; i++) obey(laboratory.director, draw.change())
      const other = new Laboratory()
      const draft = new TableDraft()
      for (let i = 0; i < 60; i++) {
        const change = draw.change()
        if (draft.apply(change) === null) obey(other.director, change)
      }
      laboratory.use()
      assert.equal(replace(laboratory, draft), null, `seed ${seed}`)
      const got = contentsOf(laboratory.director)
      other.use()
      assert.deepEqual(got, contentsOf(other.director), `seed ${seed}`)
    }
  })

  it('leaves alone what stays: rows, counters, connections', () => {
    const laboratory = new Laboratory()
    const draw = new Draw(3)
    const [web, dns] = [KEYS[0]!, KEYS[1]!]
    const settings = { ...draw.service(web), scheduler: 'rr', onePacket: false }
    const server = { ...draw.server(), forwarding: 'masquerade', lowerThreshold: 0 } as const
    const first = { address: '192.168.10.11', port: 80 }
    const second = { address: '192.168.10.12', port: 80 }
    const draft = new TableDraft()
    for (const service of [web, dns]) {
      for (const at of [laboratory.director, draft]) {
        const add = (change: TableChange) => ('apply' in at ? at.apply(change) : obey(at, change))
        add({ call: 'service.add', with: { service, settings } })
        add({ call: 'server.add', with: { service, server: first, settings: server } })
      }
    }
    draft.apply({ call: 'service.delete', with: { service: dns } })
    draft.apply({ call: 'server.add', with: { service: web, server: second, settings: server } })
    const entry = laboratory.director.find(web)!
    const row = entry.servers[0]!.row
    services.row(entry.row).connections = 7
    services.row(entry.row).position = 1
    servers.row(row).active = 3
    const added: string[] = []
    assert.equal(replace(laboratory, draft, added), null)
    assert.deepEqual(added, [second.address])
    const { servers: listed, counters } = listService(laboratory.director.find(web)!)
    assert.deepEqual(
      listed.map(({ address, activeConnections }) => [address, activeConnections]),
      [
        [second.address, 0],
        [first.address, 3],
      ],
    )
    assert.equal(counters.connections, 7)
    assert.equal(laboratory.director.find(web)!.servers[1]!.row, row)
    assert.equal(laboratory.director.find(dns), undefined)
  })

  it('changes nothing where the table has no room', () => {
    const capacities = { services: 4, pool: 160 }
    const laboratory = new Laboratory({ capacities })
    const draw = new Draw(4)
    const settings = (key: ServiceKey) => ({
      ...draw.service(key),
      scheduler: 'rr',
      onePacket: false,
    })
    const keyAt = (port: number): ServiceKey => ({ protocol: 'tcp', address: '10.0.0.100', port })
    for (const port of [1, 2, 3]) {
      assert.equal(laboratory.director.addService(keyAt(port), settings(keyAt(port))), null)
    }
    const before = contentsOf(laboratory.director)
    const many = new TableDraft()
    for (let port = 1; port <= 5; port++) {
      many.apply({
        call: 'service.add',
        with: { service: keyAt(port), settings: settings(keyAt(port)) },
      })
    }
    assert.equal(replace(laboratory, many)?.errno, 'ENOSPC')
    assert.deepEqual(contentsOf(laboratory.director), before)
    // Four services would fit, but not the lists of their servers.
    const large = new TableDraft()
    for (let port = 11; port <= 14; port++) {
      const service = keyAt(port)
      large.apply({ call: 'service.add', with: { service, settings: settings(service) } })
      for (let i = 1; i <= 30; i++) {
        const server = { address: `192.168.20.${i}`, port: 80 }
        const added = { ...draw.server(), forwarding: 'direct', lowerThreshold: 0 } as const
        large.apply({ call: 'server.add', with: { service, server, settings: added } })
      }
    }
    assert.equal(replace(laboratory, large)?.errno, 'ENOSPC')
    assert.deepEqual(contentsOf(laboratory.director), before)
  })
})
