/**
 * Helpers of the kernel that every attachment has: enum bpf_func_id.
 */
export const Helper = { processor: 8, jiffies: 118 } as const

/** Those that say the same for as long as a frame is in hand, and change nothing. For jiffies we want it so. */
export const PURE_HELPERS: ReadonlySet<number> = new Set([Helper.processor, Helper.jiffies])
