import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findFamily, genericBody, parseGeneric } from './generic-netlink.ts'
import { NetlinkProtocol, NetlinkSocket } from './netlink.ts'

describe('generic netlink', () => {
  it('has families by name', () => {
    const socket = NetlinkSocket.open(NetlinkProtocol.generic)
    assert.equal(findFamily(socket, 'nlctrl'), 16)
    assert.equal(findFamily(socket, 'no-such-family'), undefined)
    socket.close()
  })

  it('has a command before the attributes', () => {
    const body = genericBody(7, 2).u32(3, 0x01020304).finish()
    assert.deepEqual([...body], [7, 2, 0, 0, 8, 0, 3, 0, 4, 3, 2, 1])
    assert.equal(parseGeneric({ body })?.u32(3), 0x01020304)
    assert.equal(parseGeneric({ body: body.subarray(0, 3) }), undefined)
    assert.equal(parseGeneric({ body: body.subarray(0, 10) }), undefined)
  })
})
