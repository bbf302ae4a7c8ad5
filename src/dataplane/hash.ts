/**
 * Hashes of the packet path: 32-bit, from words already in registers.
 *
 * The mixing is a multiply-xorshift chain with full avalanche (the constants are murmur3's finaliser), started
 * from `settings.hashSeed`: cheap enough for every packet, and nobody who does not know the seed can choose
 * clients that collide.
 */
import { mul32, u32 } from '../subset/integers.ts'

/** Takes one more word in. */
export function mix(hash: u32, word: u32): u32 {
  const a: u32 = mul32(u32(hash ^ word), 0x85ebca6b)
  return u32(a ^ (a >>> 15))
}

/** The last step: every input bit reaches every output bit. */
export function finish(hash: u32): u32 {
  const a: u32 = mul32(u32(hash ^ (hash >>> 13)), 0xc2b2ae35)
  return u32(a ^ (a >>> 16))
}

/** Of an address and a second word: ports, protocol, interface… IPv4 (v4-mapped) costs one mix instead of four. */
export function hashAddress(
  seed: u32,
  address0: u32,
  address1: u32,
  address2: u32,
  address3: u32,
  word: u32,
): u32 {
  let hash: u32 = mix(seed, word)
  if (address0 !== 0 || address1 !== 0 || address2 !== 0xffff) {
    hash = mix(hash, address0)
    hash = mix(hash, address1)
    hash = mix(hash, address2)
  }
  return finish(mix(hash, address3))
}

/**
 * 16 bits of an address, for `addressRoles`: the upper half of a product with 2^32 divided by the golden ratio, so that
 * neighbours and networks that are numbered alike do not meet (Knuth, TAOCP 3, section 6.4).
 */
export function foldAddress(address0: u32, address1: u32, address2: u32, address3: u32): u32 {
  return mul32(u32(address0 ^ address1 ^ address2 ^ address3), 0x9e3779b1) >>> 16
}
