import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { locateIpSummed } from './sk-buff.ts'

/**
 * Of clang -g -target bpf, section .BTF:
 *
 *     struct sk_buff {
 *       void *next;
 *       union {
 *         struct {
 *           unsigned char pkt_type : 3, ignore_df : 1;
 *           unsigned char cloned : 1, ip_summed : 2;
 *         };
 *       };
 *       unsigned int len;
 *     };
 *     struct sk_buff *bpf_cast_to_kern_ctx(void *ctx) { return ctx; }
 */
const BY_CLANG = Buffer.from(
  `
    n+sBABgAAAAAAAAA3AAAANwAAAC6AAAAAAAAAAAAAAIAAAAAAAAAAAEAAA0DAAAAAQAAAAEAAAAAAAAAAAAAAg
    QAAAAFAAAAAwAABBAAAAANAAAAAQAAAAAAAAAAAAAABQAAAEAAAAASAAAACAAAAGAAAAAAAAAAAQAABQEAAAAA
    AAAABgAAAAAAAAAAAAAABAAAhAEAAAAWAAAABwAAAAAAAAMfAAAABwAAAAMAAAEpAAAABwAAAAQAAAEwAAAABw
    AAAAUAAAI6AAAAAAAAAQEAAAAIAAAASAAAAAAAAAEEAAAAIAAAAFUAAAABAAAMAgAAAABjdHgAc2tfYnVmZgBu
    ZXh0AGxlbgBwa3RfdHlwZQBpZ25vcmVfZGYAY2xvbmVkAGlwX3N1bW1lZAB1bnNpZ25lZCBjaGFyAHVuc2lnbm
    VkIGludABicGZfY2FzdF90b19rZXJuX2N0eAAudGV4dAAvdG1wL3MyLmMAc3RydWN0IHNrX2J1ZmYgKmJwZl9j
    YXN0X3RvX2tlcm5fY3R4KHZvaWQgKmN0eCkgeyByZXR1cm4gY3R4OyB9AA==
  `,
  'base64',
)
const VMLINUX = '/sys/kernel/btf/vmlinux'

describe('whether a checksum is partial', () => {
  it('is found in the types of a kernel', () => {
    assert.deepEqual(locateIpSummed(BY_CLANG), {
      castFunction: 9,
      ipSummed: { offset: 8, shift: 5, bits: 2 },
    })
  })

  it('is found in the types of this kernel', (context) => {
    if (!existsSync(VMLINUX)) return context.skip(`no ${VMLINUX}`)
    const access = locateIpSummed(readFileSync(VMLINUX))
    if (access === undefined) return context.skip('a kernel before 6.2')
    assert.equal(access.ipSummed.bits, 2)
    assert.ok(access.castFunction > 1000)
  })

  it('is not found without the function that gives access, or the structure', () => {
    for (const name of ['bpf_cast_to_kern_ctx', 'sk_buff', 'ip_summed']) {
      const bytes = Buffer.from(BY_CLANG)
      bytes[bytes.indexOf(`\0${name}\0`) + 1] = 0x5f
      assert.equal(locateIpSummed(bytes), undefined, name)
    }
    assert.equal(locateIpSummed(new Uint8Array(100)), undefined)
  })
})
