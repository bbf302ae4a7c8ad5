import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SAMPLE_CLAIMS } from '../../../tests/kernel/claim-frames.ts'
import { addClaimRules, CLAIM_CHAIN, claimSetNames } from './claim-rules.ts'
import { ClaimSets } from './claim-sets.ts'
import { Transaction } from '../nftables/nftables-message.ts'

// What the rules do to frames is ingress-claim.root.test.ts's, against the kernel.

test('Each set that elements go to is made once, and looked up by some rule', () => {
  const transaction = new Transaction('t', 1)
  addClaimRules(transaction)
  const calls: string[] = []
  for (let i = 2; i <= transaction.last; i++) calls.push(transaction.describe(i))
  const made = calls.flatMap((call) => /^new set (.*)/.exec(call)?.[1] ?? [])
  const names = claimSetNames()
  assert.deepEqual([...made].sort(), [...names, 'icmp_errors'].sort())
  assert.equal(new Set(made).size, made.length)
  for (const { set } of new ClaimSets().add(SAMPLE_CLAIMS)) assert.ok(names.includes(set), set)

  const bytes = Buffer.from(transaction.finish()).toString('latin1')
  const lookups = bytes.split('lookup\0').slice(1)
  for (const name of names) {
    assert.ok(
      lookups.some((lookup) => lookup.slice(0, 40).includes(`${name}\0`)),
      name,
    )
  }
})

test('Chains are made before rules jump to them, the shared one among them', () => {
  const transaction = new Transaction('t', 1)
  addClaimRules(transaction)
  const chains = new Set<string>()
  for (let i = 2; i <= transaction.last; i++) {
    const call = transaction.describe(i)
    const chain = /^new chain (.*)/.exec(call)?.[1]
    if (chain !== undefined) chains.add(chain)
    const inChain = /^new rule in (.*)/.exec(call)?.[1]
    if (inChain !== undefined) assert.ok(chains.has(inChain), call)
  }
  const ofNetworks = ['networks4', 'networks6', 'ports4', 'ports6']
  const own = [CLAIM_CHAIN, 'from4', 'from6', 'to4', 'to6']
  assert.deepEqual([...chains].sort(), [...own, ...ofNetworks].sort())
})
