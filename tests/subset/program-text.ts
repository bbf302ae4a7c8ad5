/**
 * Programs in one text, with what is to be said about them on the line that it is about.
 *
 *     === src/dataplane/a.ts
 *     export function half(a: u32): u32 {
 *       return a / 2 // error: a division that makes fractions
 */

/** The files of a program, each with its lines where they stand in the .txt. */
export function filesOf(
  text: string,
  runtime: Iterable<readonly [string, string]>,
): Map<string, string> {
  const files = new Map(runtime)
  let path: string | undefined
  text.split('\n').forEach((line, index) => {
    const named = /^=== (\S+)$/.exec(line)?.[1]
    if (named !== undefined) {
      path = named
      files.set(path, '\n'.repeat(index + 1))
    } else if (path !== undefined) files.set(path, `${files.get(path)!}${line}\n`)
  })
  return files
}

/** `line: message` for all that is to be said. */
export function expectedOf(text: string): string[] {
  return text.split('\n').flatMap((line, index) => {
    const messages = /\/\/ error: (.*)$/.exec(line)?.[1]?.split(' | ') ?? []
    return messages.map((message) => `${index + 1}: ${message}`)
  })
}
