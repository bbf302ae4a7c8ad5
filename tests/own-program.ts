/**
 * Starting a module of ours as a program of its own: compiled, or as TypeScript where this process runs with a loader.
 */
const isSource = import.meta.url.endsWith('.ts')

/** The URL of a module as it is here: `name` without extension, relative to `base`. */
export function moduleUrl(name: string, base: string): string {
  return new URL(`${name}${isSource ? '.ts' : '.js'}`, base).href
}

/** What Node needs before the program: the loader this process runs with, if any. */
export const loaderArguments: readonly string[] = process.execArgv.flatMap(
  (argument, index, all) =>
    ['--import', '--require'].includes(argument) ? [argument, all[index + 1] ?? ''] : [],
)
