/**
 * Numbers in instructions that are known only when a program is loaded: the artefact says where they stand.
 */
/** CPUs that may ever be. */
export const CPUS = 'cpus'
/** Ticks = jiffies × multiplier >> shift. */
export const CLOCK_MULTIPLIER = 'clockMultiplier'
export const CLOCK_SHIFT = 'clockShift'

const CAPACITY = 'capacity '

/** Rows of a table. */
export function capacityOf(table: string): string {
  return `${CAPACITY}${table}`
}

/** The table whose rows the symbol means, if it means any. */
export function tableOf(symbol: string): string | undefined {
  return symbol.startsWith(CAPACITY) ? symbol.slice(CAPACITY.length) : undefined
}
