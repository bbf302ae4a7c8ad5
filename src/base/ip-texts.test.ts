import assert from 'node:assert/strict'
import { it } from 'node:test'
import { wordsToIp } from './ip.ts'
import { IpTexts } from './ip-texts.ts'
import { Random } from './random.ts'

it('gives the text that wordsToIp gives, the first time and later, whatever came between', () => {
  const texts = new IpTexts()
  const random = new Random(7)
  const word = () => random.pick([0, 1, 0xffff, 0x0a000001, random.next32()])
  const addresses = Array.from({ length: 6000 }, () => [word(), word(), word(), word()] as const)
  for (let i = 0; i < 30_000; i++) {
    const words = random.pick(addresses)
    assert.equal(texts.of(...words), wordsToIp(...words))
  }
  assert.equal(texts.of(0, 0, 0, 0), '::')
})
