/**
 * Bounds of the tunnels' end.
 */

/** Slots for addresses, a power of two: VIPs, directors, and the host's own. Half of them may be taken. */
export const ADDRESS_SLOTS = 4096
export const ADDRESSES_MAX = ADDRESS_SLOTS / 2
/** Slots that are looked at for one address. */
export const ADDRESS_PROBES_MAX = 32
/** Stretches of SUM_FRAME_MAX bytes that the longest packet has. */
export const STRETCHES_MAX = 8
