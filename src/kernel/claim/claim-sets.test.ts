import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SAMPLE_CLAIMS } from '../../../tests/kernel/claim-frames.ts'
import { ClaimSets, NO_CLAIMS, type ClaimElement } from './claim-sets.ts'

function show({ set, key }: ClaimElement): string {
  return `${set} ${Buffer.from(key).toString('hex')}`
}

test('Elements for nftables are laid out as it keeps concatenations', () => {
  const elements = new ClaimSets().add(SAMPLE_CLAIMS).map(show)
  for (const want of [
    'destinations4 0a0000010600000000500000',
    'destinations_any_port4 0a00000206000000',
    'destination_addresses4 0a000001',
    'sources4 0a010001060000001f900000',
    'source_addresses6 20010db8000100000000000000000001',
    'destinations6 20010db80000000000000000000000010600000000500000',
    'own_addresses4 0a000009',
    'tunnel_addresses6 20010db8000100000000000000000003',
  ]) {
    assert.ok(elements.includes(want), want)
  }
  assert.equal(new Set(elements).size, elements.length, 'each once')
})

test('What was added twice is there until it is removed twice; an address as long as any endpoint has it', () => {
  const sets = new ClaimSets()
  const web = { ...NO_CLAIMS, destinations: [{ address: '10.0.0.1', protocol: 6, port: 80 }] }
  const dns = { ...NO_CLAIMS, destinations: [{ address: '10.0.0.1', protocol: 17, port: 53 }] }
  const address = 'destination_addresses4 0a000001'
  const onWeb = 'destinations4 0a0000010600000000500000'
  const onDns = 'destinations4 0a0000011100000000350000'
  assert.deepEqual(sets.add(web).map(show), [onWeb, address])
  assert.deepEqual(sets.add(web).map(show), [])
  assert.deepEqual(sets.add(dns).map(show), [onDns])
  assert.deepEqual(sets.remove(web).map(show), [])
  assert.deepEqual(sets.remove(web).map(show), [onWeb])
  assert.deepEqual(sets.remove(dns).map(show), [onDns, address])
  assert.throws(() => sets.remove(dns), /was not claimed/)
})
