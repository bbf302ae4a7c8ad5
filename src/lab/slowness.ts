/**
 * How many times slower than others this machine is: an emulated one (tools/kernel-vm.mjs) says so. Whoever waits for
 * something to happen waits so many times longer before he gives up.
 */
export const SLOWNESS = Number(process.env['SLUICE_LAB_SLOWNESS'] ?? 1)
