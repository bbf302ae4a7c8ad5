/**
 * What is a Call-ID: messages that Linux 6.1's ip_vs_pe_sip took or dropped (tests/goldens/conn-sip.jsonl has them as
 * frames), and what it took them for.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { findCallId } from './call-id.ts'

const CASES: readonly (readonly [string, string, string | undefined])[] = [
  ['as usual', 'INVITE sip:x SIP/2.0\r\nCall-ID: call-1@x\r\n\r\n', 'call-1@x'],
  ['compact', 'INVITE sip:x SIP/2.0\r\ni: call-1@x\r\n\r\n', 'call-1@x'],
  ['in any case', 'X\r\nCALL-id:a\r\n', 'a'],
  ['lines that end with LF', 'X\nCall-ID: a\n\n', 'a'],
  ['lines that end with CR', 'X\rCall-ID: cr\r\n', 'cr'],
  ['a blank before the colon', 'X\r\nCall-ID : sp\r\n\r\n', 'sp'],
  ['it goes on in the next line', 'X\r\nCall-ID:\r\n a\r\n', 'a'],
  ['more in the next line', 'X\r\nCall-ID: a\r\n b\r\n\r\n', 'a'],
  ['in the body', 'X\r\n\r\nCall-ID: body\r\n', 'body'],
  ['as long as may be', `X\r\nCall-ID: ${'x'.repeat(255)}\r\n`, 'x'.repeat(255)],
  ['longer', `X\r\nCall-ID: ${'x'.repeat(256)}\r\n`, undefined],
  ['blanks behind it', 'X\r\nCALL-id:   spaced \r\n\r\n', undefined],
  ['a tab in it', 'X\r\nCall-ID: t\tb\r\n\r\n', undefined],
  ['nothing', 'X\r\nCall-ID: \r\nCSeq: 1\r\n', undefined],
  ['no domain', 'X\r\nCall-ID: a@\r\n', undefined],
  ['no domain, but another', 'X\r\nCall-ID: a@\r\ni: b\r\n', 'b'],
  ['the message ends with it', 'X\r\nCall-ID: end', undefined],
  ['in the first line', 'Call-ID: first-line\r\n\r\n', undefined],
  ['a line that goes on', 'X\r\n Call-ID: a\r\n', undefined],
  ['another header that begins so', 'X\r\nCall-ID-X: a\r\n', undefined],
  ['another compact one', 'X\r\nid: a\r\n', undefined],
  ['no SIP', 'no sip at all', undefined],
  ['no message', '', undefined],
]

for (const [what, message, wanted] of CASES) {
  it(what, () => {
    const found = findCallId(Buffer.from(message, 'latin1'))
    assert.equal(found && Buffer.from(found).toString('latin1'), wanted)
  })
}
