/**
 * Many lines on stdout, no faster than they are read, and without complaint when nobody reads on (`| head`).
 */
const CHUNK = 1 << 16

export class LinePrinter {
  #text = ''
  #isRead = true

  constructor() {
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      this.#isRead = false
    })
  }

  async print(line: string): Promise<void> {
    this.#text += `${line}\n`
    if (this.#text.length >= CHUNK) await this.flush()
  }

  /** Afterwards all lines are with the reader, if there is one. */
  async flush(): Promise<void> {
    const text = this.#text
    this.#text = ''
    if (!this.#isRead) return
    // Called with an error, too, of which the listener above hears.
    await new Promise<void>((resolve) => process.stdout.write(text, () => resolve()))
  }
}
