/**
 * What stands between the outer IP header and the packet in the tunnel, read: nothing, GRE, or GUE behind UDP.
 *
 *   protocol 4, 41   nothing
 *   protocol 47      GRE version 0, with or without checksum                  RFC 2784
 *   protocol 17      GUE version 0 with or without remote checksum offload, or version 1, which is no header at all
 *
 * Keys, sequence numbers, control messages and other options are refused: no director sends them, and what they would
 * ask of us we do not do. UDP's own checksum is the caller's to verify, or to have verified (`tunnel.isSummed`).
 */
import { u16, u32, type u8 } from '../../subset/integers.ts'
import type { Packet } from '../../subset/packet.ts'
import { EtherType } from '../../wire/ethernet.ts'
import { Gre, GreFlag } from '../../wire/gre.ts'
import {
  Gue,
  GUE_CONTROL,
  GUE_FLAG_PRIVATE,
  GUE_LENGTH_MASK,
  GUE_PRIVATE_REMOTE_CHECKSUM,
  GueRemoteChecksum,
} from '../../wire/gue.ts'
import { Protocol } from '../../wire/ip-protocol.ts'
import { OPENED, Outcome } from './outcome.ts'
import type { Tunnel } from './tunnel.ts'

const GRE_BYTES = 4
const GRE_SUMMED_BYTES = 8
const GUE_BYTES = 4
const GUE_PRIVATE_BYTES = 12

const greAt = Gre.cursor()
const gueAt = Gue.cursor()
const remoteAt = GueRemoteChecksum.cursor()

/** Reads what lies at `tunnel.begin` behind a header that announced `protocol`: OPENED, and `tunnel` tells of it. */
export function openEnvelope(packet: Packet, tunnel: Tunnel, protocol: u8): u32 {
  let outcome: u32 = Outcome.malformed
  if (protocol === Protocol.ipip || protocol === Protocol.ipv6) {
    tunnel.kind = Outcome.ipip
    tunnel.start = tunnel.begin
    tunnel.family = protocol === Protocol.ipip ? 4 : 6
    outcome = OPENED
  } else if (protocol === Protocol.gre) outcome = openGre(packet, tunnel)
  else if (protocol === Protocol.udp) outcome = openGue(packet, tunnel)
  if (outcome !== OPENED) return outcome
  return tunnel.start > tunnel.end ? Outcome.malformed : OPENED
}

function openGre(packet: Packet, tunnel: Tunnel): u32 {
  tunnel.kind = Outcome.gre
  const gre = greAt.at(packet, tunnel.begin)
  if (gre === null || u32(tunnel.begin + GRE_BYTES) > tunnel.end) return Outcome.malformed
  const flags: u16 = gre.flagsAndVersion
  if (flags !== 0 && flags !== GreFlag.checksum) return Outcome.otherTunnel
  if (gre.protocol === EtherType.ipv4) tunnel.family = 4
  else if (gre.protocol === EtherType.ipv6) tunnel.family = 6
  else return Outcome.otherTunnel
  if (flags === 0) {
    tunnel.start = u32(tunnel.begin + GRE_BYTES)
    return OPENED
  }
  tunnel.start = u32(tunnel.begin + GRE_SUMMED_BYTES)
  tunnel.isSummed = 1
  tunnel.sumStart = tunnel.begin
  return OPENED
}

function openGue(packet: Packet, tunnel: Tunnel): u32 {
  tunnel.kind = Outcome.gue
  const gue = gueAt.at(packet, tunnel.begin)
  if (gue === null || u32(tunnel.begin + GUE_BYTES) > tunnel.end) return Outcome.malformed
  const control: u8 = gue.control
  const version: u8 = control >>> 6
  if (version === 1) return openDirect(tunnel, control >>> 4)
  if (version !== 0 || (control & GUE_CONTROL) !== 0) return Outcome.otherTunnel
  if (gue.protocol === Protocol.ipip) tunnel.family = 4
  else if (gue.protocol === Protocol.ipv6) tunnel.family = 6
  else return Outcome.otherTunnel
  const bytes: u32 = GUE_BYTES + 4 * (control & GUE_LENGTH_MASK)
  tunnel.start = u32(tunnel.begin + bytes)
  if (tunnel.start > tunnel.end) return Outcome.malformed
  if (gue.flags === 0) return bytes === GUE_BYTES ? OPENED : Outcome.otherTunnel
  if (gue.flags !== GUE_FLAG_PRIVATE || bytes !== GUE_PRIVATE_BYTES) return Outcome.otherTunnel
  return openPrivate(packet, tunnel)
}

/** Version 1: the packet's first nibble, 4 or 6, is all there is. */
function openDirect(tunnel: Tunnel, version: u8): u32 {
  if (version !== 4 && version !== 6) return Outcome.otherTunnel
  tunnel.family = version
  tunnel.start = tunnel.begin
  return OPENED
}

function openPrivate(packet: Packet, tunnel: Tunnel): u32 {
  const remote = remoteAt.at(packet, u32(tunnel.begin + GUE_BYTES))
  if (remote === null) return Outcome.malformed
  if (remote.privateFlags !== GUE_PRIVATE_REMOTE_CHECKSUM) return Outcome.otherTunnel
  tunnel.isRemote = 1
  tunnel.remoteStart = u16(remote.start)
  tunnel.remoteOffset = u16(remote.offset)
  return OPENED
}
