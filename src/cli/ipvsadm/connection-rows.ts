/**
 * `ipvsadm -L -c -n` out of the rows as the daemon sends them, byte by byte: a million of them in a moment.
 *
 *     ["tcp","ESTABLISHED",899.992,"10.0.0.10",40000,"10.0.0.100",80,"192.168.10.11",80]
 *     TCP 14:59  ESTABLISHED 10.0.0.10:40000    10.0.0.100:80      192.168.10.11:80
 *
 * Says what formatConnections says of the same rows (director/model.ts, ConnectionRow); a test holds them together.
 */
import { writeInteger } from '../../base/ascii.ts'
import { ControlError } from '../../control/control-error.ts'
import { connectionTitles, WIDTHS } from './connections.ts'

const [OPEN, CLOSE, COMMA, QUOTE] = [0x5b, 0x5d, 0x2c, 0x22]
const BACKSLASH = 0x5c
const ENGINE = Buffer.from(',null,0,"sip","')
const [BLANK, NEWLINE, COLON, DOT, ZERO] = [0x20, 0x0a, 0x3a, 0x2e, 0x30]
/** Capital letters lack it. */
const SMALL = 0x20
const [PROTOCOL, EXPIRY, STATE, ENDPOINT] = WIDTHS

/** The whole listing, in pieces. Throws ControlError EPROTO where what came are no rows. */
export function formatRows(parts: readonly Buffer[]): Buffer[] {
  const lines = new RowLines()
  const pieces = parts.map((part) => lines.format(part))
  const titles = connectionTitles(false, lines.hasLocal).map((line) => `${line}\n`)
  return [Buffer.from(titles.join('')), ...pieces]
}

class RowLines {
  /** There was a FULLNAT connection. */
  hasLocal = false
  #rows: Buffer = EMPTY
  #at = 0
  #lines: Buffer = EMPTY
  #end = 0
  /** Where the column begins that is being written. */
  #column = 0

  format(rows: Buffer): Buffer {
    const roomNeeded = rows.length * GROWTH_MAX
    if (this.#lines.length < roomNeeded) this.#lines = Buffer.allocUnsafeSlow(roomNeeded)
    this.#rows = rows
    this.#at = 0
    this.#end = 0
    this.#column = 0
    while (this.#at < rows.length) {
      if (this.#at > 0) this.#expect(COMMA)
      this.#takeRow()
    }
    return Buffer.from(this.#lines.subarray(0, this.#end))
  }

  #takeRow(): void {
    this.#expect(OPEN)
    this.#copyText(SMALL)
    this.#fill(PROTOCOL)
    this.#expect(COMMA)
    const state = this.#at
    this.#skipText()
    this.#expect(COMMA)
    this.#takeExpiry()
    const behind = this.#at
    this.#at = state
    this.#copyText(0)
    this.#fill(STATE)
    this.#at = behind
    this.#takeEndpoint()
    this.#fill(ENDPOINT)
    this.#takeEndpoint()
    this.#fill(ENDPOINT)
    this.#takeEndpoint()
    if (this.#rows[this.#at] === COMMA && this.#rows[this.#at + 1] !== QUOTE) this.#skipEngine()
    else if (this.#rows[this.#at] === COMMA) {
      this.hasLocal = true
      this.#fill(ENDPOINT)
      this.#takeEndpoint()
    }
    this.#expect(CLOSE)
    this.#lines[this.#end++] = NEWLINE
    this.#column = this.#end
  }

  /** `,null,0,"sip","a call's"`: the engine that a template is for is not listed here. */
  #skipEngine(): void {
    for (const letter of ENGINE) this.#expect(letter)
    for (let byte = this.#rows[this.#at]; byte !== QUOTE; byte = this.#rows[++this.#at]) {
      if (byte === undefined) refuse()
      if (byte === BACKSLASH) this.#at++
    }
    this.#at++
  }

  /** `,"10.0.0.10",40000`; a new column begins. */
  #takeEndpoint(): void {
    const [rows, lines] = [this.#rows, this.#lines]
    this.#expect(COMMA)
    this.#column = this.#end
    const isIpv6 = this.#textHas(COLON)
    if (isIpv6) lines[this.#end++] = OPEN
    this.#copyText(0)
    if (isIpv6) lines[this.#end++] = CLOSE
    lines[this.#end++] = COLON
    this.#expect(COMMA)
    for (let byte = rows[this.#at]!; isDigit(byte); byte = rows[++this.#at]!) {
      lines[this.#end++] = byte
    }
  }

  /** `899.992` becomes `14:59`. */
  #takeExpiry(): void {
    const [rows, lines] = [this.#rows, this.#lines]
    let seconds = 0
    for (let byte = rows[this.#at]!; isDigit(byte); byte = rows[++this.#at]!) {
      seconds = seconds * 10 + byte - ZERO
    }
    if (rows[this.#at] === DOT) while (isDigit(rows[++this.#at]!));
    const minutes = Math.floor(seconds / 60)
    this.#column = this.#end
    if (minutes < 10) lines[this.#end++] = ZERO
    this.#end = writeInteger(lines, this.#end, minutes)
    lines[this.#end++] = COLON
    if (seconds % 60 < 10) lines[this.#end++] = ZERO
    this.#end = writeInteger(lines, this.#end, seconds % 60)
    this.#fill(EXPIRY)
  }

  /** A text without its quotes; `less` is taken from each letter. */
  #copyText(less: number): void {
    const [rows, lines] = [this.#rows, this.#lines]
    this.#expect(QUOTE)
    for (let byte = rows[this.#at]!; byte !== QUOTE; byte = rows[++this.#at]!) {
      if (byte === undefined) refuse()
      lines[this.#end++] = byte - less
    }
    this.#at++
  }

  #skipText(): void {
    this.#expect(QUOTE)
    this.#at = this.#rows.indexOf(QUOTE, this.#at) + 1
    if (this.#at === 0) refuse()
  }

  /** Is the byte in the text that begins here? */
  #textHas(wanted: number): boolean {
    const rows = this.#rows
    for (let i = this.#at + 1; i < rows.length && rows[i] !== QUOTE; i++) {
      if (rows[i] === wanted) return true
    }
    return false
  }

  /** Blanks up to the column's width, and one. The next begins. */
  #fill(width: number): void {
    const lines = this.#lines
    const until = this.#column + width
    while (this.#end < until) lines[this.#end++] = BLANK
    lines[this.#end++] = BLANK
    this.#column = this.#end
  }

  #expect(byte: number): void {
    if (this.#rows[this.#at] !== byte) refuse()
    this.#at++
  }
}

const EMPTY = Buffer.alloc(0)
/** A row of 51 bytes, the shortest, becomes a line of 75; each longer one grows less. */
const GROWTH_MAX = 2

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= ZERO + 9
}

function refuse(): never {
  throw new ControlError('EPROTO', 'the daemon sent what are no connections')
}
