/**
 * A frame as the packet path gets it, with room to grow at both ends.
 */
import { Packet } from '../../src/subset/packet.ts'

/** Bytes of room at either end, unless told otherwise. */
export const ROOM = 64

/** A packet around a copy of the frame. */
export function packetOf(frame: Uint8Array, ingress = 0, room = ROOM): Packet {
  const memory = new Uint8Array(room + frame.length + room)
  memory.set(frame, room)
  const packet = new Packet()
  packet.point(new DataView(memory.buffer), room, frame.length, 0, memory.length)
  packet.ingress = ingress
  return packet
}

/** The frame as it is now. */
export function frameOf({ bytes, start, length }: Packet): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, length).slice()
}
