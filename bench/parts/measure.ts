/**
 * Measuring on a noisy machine: alternate what is compared, several rounds, and take each one's best. The best round is
 * the one least disturbed; ratios of bests repeat to a few per cent where means do not.
 */
export interface Case {
  readonly name: string
  /** Runs `count` times what is measured. */
  run(count: number): void
}

/** Nanoseconds for one, the best of `rounds`, in the order given. */
export function measure(cases: readonly Case[], count: number, rounds = 7): number[] {
  const best = cases.map(() => Infinity)
  for (let round = 0; round < rounds; round++) {
    cases.forEach(({ run }, i) => {
      const start = process.hrtime.bigint()
      run(count)
      const each = Number(process.hrtime.bigint() - start) / count
      best[i] = Math.min(best[i]!, each)
    })
  }
  return best
}

/** Rows of text, the first column to the left, the others to the right. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  for (const row of rows) {
    const cells = row.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!),
    )
    console.log(cells.join('  ').trimEnd())
  }
}
