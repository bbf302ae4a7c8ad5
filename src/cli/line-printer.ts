/**
 * Many lines on stdout, no faster than they are read, and without complaint when nobody reads on (`| head`).
 */
import { once } from 'node:events'

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

  /** Afterwards all lines are with the reader, or on their way. */
  async flush(): Promise<void> {
    const text = this.#text
    this.#text = ''
    if (!this.#isRead || process.stdout.write(text)) return
    // 'close' comes when the reader has gone.
    await Promise.race([once(process.stdout, 'drain'), once(process.stdout, 'close')])
  }
}
