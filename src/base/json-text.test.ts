import assert from 'node:assert/strict'
import { it } from 'node:test'
import { jsonOf, JsonText } from './json-text.ts'

it('what was made by hand stays as it is, all else becomes JSON', () => {
  assert.equal(jsonOf(new JsonText('["10.0.0.1",  80]')), '["10.0.0.1",  80]')
  assert.equal(jsonOf(['10.0.0.1', { port: 80 }]), '["10.0.0.1",{"port":80}]')
})
