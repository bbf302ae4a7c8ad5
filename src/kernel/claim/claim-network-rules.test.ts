import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeNetworkRules } from './claim-network-rules.ts'
import { ClaimSets, NO_CLAIMS } from './claim-sets.ts'
import { Transaction } from '../nftables/nftables-message.ts'

// What the rules do to frames is ingress-claim.root.test.ts's, against the kernel.

test('each network has two rules in chains that were emptied before', () => {
  const sets = new ClaimSets()
  const network = { prefix: '10.2.0.0/15', protocol: 6, firstPort: 80, lastPort: 89 }
  sets.add({ ...NO_CLAIMS, networks: [network, { ...network, prefix: '::/0' }] })
  const transaction = new Transaction('t', 1)
  writeNetworkRules(transaction, sets)
  const calls = Array.from({ length: transaction.size }, (_, i) => transaction.describe(i + 2))
  assert.deepEqual(
    calls,
    [4, 6].flatMap((family) => [
      `flush networks${family}`,
      `flush ports${family}`,
      `new rule in networks${family}`,
      `new rule in ports${family}`,
    ]),
  )
})
