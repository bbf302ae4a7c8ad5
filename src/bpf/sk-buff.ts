/**
 * The kernel's own struct sk_buff, as far as tc programs need more of it than struct __sk_buff shows: whether the
 * checksum of a frame is partial, that is, left to the device (ip_summed). Where it lies differs from kernel to kernel,
 * so it is looked up in the kernel's own types.
 *
 *     callKernel(castFunction)             // r1: __sk_buff; r0 becomes struct sk_buff, to be read only
 *     load(r0, u8(r0, ipSummed.offset))    // then shr by `shift`, and the lowest `bits`
 *
 * Kernel 6.2 and later; only for programs whose licence goes with the GPL.
 */
import { BtfReader } from './btf-reader.ts'
import { Kind } from './btf.ts'

/** How a tc program reads what __sk_buff does not show of the kernel's own struct sk_buff. */
export interface SkBuffAccess {
  /** For callKernel: struct sk_buff *bpf_cast_to_kern_ctx(struct __sk_buff *). */
  readonly castFunction: number
  /** Whether the checksum is partial: 3 is CHECKSUM_PARTIAL. In the byte at `offset`, `bits` bits above `shift`. */
  readonly ipSummed: { readonly offset: number; readonly shift: number; readonly bits: number }
}

/** Of an image of /sys/kernel/btf/vmlinux; undefined where the kernel has no such thing. */
export function locateIpSummed(kernelTypes: Uint8Array): SkBuffAccess | undefined {
  const reader = BtfReader.parse(kernelTypes)
  const struct = reader?.find(Kind.struct, 'sk_buff')
  const castFunction = reader?.find(Kind.function, 'bpf_cast_to_kern_ctx')
  const member = struct === undefined ? undefined : reader?.member(struct, 'ip_summed')
  if (castFunction === undefined || member?.bitSize === undefined) return undefined
  const { bitOffset, bitSize: bits } = member
  const [offset, shift] = [bitOffset >>> 3, bitOffset & 7]
  return shift + bits > 8 ? undefined : { castFunction, ipSummed: { offset, shift, bits } }
}
