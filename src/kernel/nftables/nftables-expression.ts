/**
 * nftables expressions: what a rule is made of, as the kernel's little register machine wants it.
 *
 * A rule is a list of expressions run in order; one that does not match ends it. Registers, in 4-byte units
 * (include/uapi/linux/netfilter/nf_tables.h): register 1 is units 8 … 11, register 2 is 12 … 15, and so on;
 * 0 is the verdict. A concatenated key fills consecutive units, each field padded to 4 bytes:
 *
 *   IPv4 address . protocol . port     units 8, 9, 10
 *   IPv6 address . protocol . port     units 8 … 11, 12, 13
 *
 * The expressions here are those that `nft` itself makes for the rules in claim-rules.ts, so that
 * `nft list ruleset` can show them as text.
 */
import type { AttributeWriter } from './nftables-message.ts'

/** Writes one expression as an element of NFTA_RULE_EXPRESSIONS. */
export type Expression = (to: AttributeWriter) => void

/** First of the 4-byte register units. */
export const FIRST_UNIT = 8
/** NFT_REG_VERDICT */
const VERDICT_REGISTER = 0

/** enum nft_payload_bases */
export const Header = { link: 0, network: 1, transport: 2 } as const
/** enum nft_meta_keys */
export const Meta = { protocol: 1, interfaceType: 8, l4Protocol: 16, packetType: 19 } as const
/** enum nft_cmp_ops */
export const Comparison = { equal: 0, notEqual: 1, less: 2, notGreater: 3, notLess: 5 } as const
/** NF_DROP, NF_ACCEPT; enum nft_verdicts */
const Code = { drop: 0, jump: -3, return: -5 } as const

/** Bytes of the frame, into the register; the rule ends if they are not there. */
export function loadBytes(
  base: number,
  offset: number,
  length: number,
  unit = FIRST_UNIT,
): Expression {
  return expression('payload', (to) => {
    to.u32(1, unit) // NFTA_PAYLOAD_DREG
    to.u32(2, base)
    to.u32(3, offset)
    to.u32(4, length)
  })
}

/** Something the kernel knows about the frame, into the register. */
export function loadMeta(key: number, unit = FIRST_UNIT): Expression {
  return expression('meta', (to) => {
    to.u32(1, unit) // NFTA_META_DREG
    to.u32(2, key)
  })
}

/** 1 into the first register if the IPv6 packet has an extension header of this type, else 0. */
export function loadHasExtension(type: number): Expression {
  return expression('exthdr', (to) => {
    to.u32(1, FIRST_UNIT) // NFTA_EXTHDR_DREG
    to.u8(2, type)
    to.u32(3, 0) // offset
    to.u32(4, 1) // length
    to.u32(5, 1) // NFT_EXTHDR_F_PRESENT
  })
}

/** Keeps only the bits of `mask` in the first register. */
export function mask(bytes: readonly number[]): Expression {
  return expression('bitwise', (to) => {
    to.u32(1, FIRST_UNIT) // NFTA_BITWISE_SREG
    to.u32(2, FIRST_UNIT)
    to.u32(3, bytes.length)
    to.nested(4, () => to.bytes(1, Uint8Array.from(bytes)))
    to.nested(5, () => to.bytes(1, new Uint8Array(bytes.length)))
  })
}

/** Ends the rule unless the first register compares so with `bytes`, in network order. */
export function compare(operator: number, bytes: readonly number[]): Expression {
  return expression('cmp', (to) => {
    to.u32(1, FIRST_UNIT) // NFTA_CMP_SREG
    to.u32(2, operator)
    to.nested(3, () => to.bytes(1, Uint8Array.from(bytes)))
  })
}

/** Ends the rule unless the key that begins in the first register is in the set. */
export function isIn(set: string): Expression {
  return lookup(set, false)
}

/** Ends the rule if it is. */
export function isNotIn(set: string): Expression {
  return lookup(set, true)
}

function lookup(set: string, inverted: boolean): Expression {
  return expression('lookup', (to) => {
    to.string(1, set) // NFTA_LOOKUP_SET
    to.u32(2, FIRST_UNIT)
    if (inverted) to.u32(5, 1) // NFT_LOOKUP_F_INV
  })
}

/** Counts frames and bytes that get here. */
export const count: Expression = expression('counter', () => {})

export const drop: Expression = verdict(Code.drop)

/** Back to the chain that jumped here. */
export const goBack: Expression = verdict(Code.return)

/** On with another chain, and back here if it decides nothing. */
export function jump(chain: string): Expression {
  return verdict(Code.jump, chain)
}

function verdict(code: number, chain?: string): Expression {
  return expression('immediate', (to) => {
    to.u32(1, VERDICT_REGISTER) // NFTA_IMMEDIATE_DREG
    to.nested(2, () =>
      to.nested(2, () => {
        to.u32(1, code >>> 0) // NFTA_VERDICT_CODE
        if (chain !== undefined) to.string(2, chain)
      }),
    )
  })
}

function expression(name: string, data: (to: AttributeWriter) => void): Expression {
  return (to) =>
    to.nested(1, () => {
      to.string(1, name) // NFTA_EXPR_NAME
      to.nested(2, () => data(to))
    })
}
