/**
 * A value that is JSON already: made by hand where there are a million of them and `JSON.stringify` would take longer
 * than all else.
 */
export class JsonText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** The JSON of a value, as JSON.stringify gives it, or as it was made by hand. */
export function jsonOf(value: unknown): string {
  return value instanceof JsonText ? value.text : JSON.stringify(value)
}
