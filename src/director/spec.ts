/**
 * What was asked for, in words of the pool: the settings of a service and of each of its servers. They stand with the
 * server list, so that an edit switches all of it at once; the rows that the packet path reads follow, and whoever
 * adopts the tables writes them once more.
 *
 *   a server's words   weight · last weight above 0 · upper and lower threshold · forwarding, tunnel · tunnel port
 */
import { ServiceFlag } from '../dataplane/tables.ts'
import * as tables from '../dataplane/tables.ts'
import { SchedulerId } from '../dataplane/schedule.ts'
import { TICKS_PER_SECOND } from '../subset/clock.ts'
import type { ServerSettings, ServiceSettings, Tunnel } from './model.ts'

export const SERVER_SPEC_WORDS = 6

/** A service's settings as its pool header and row hold them. */
export interface ServiceSpec {
  readonly scheduler: number
  readonly flags: number
  /** Ticks. */
  readonly persistence: number
  readonly netmask: number
}

const SCHEDULER_FLAGS =
  ServiceFlag.schedulerFlag1 | ServiceFlag.schedulerFlag2 | ServiceFlag.schedulerFlag3

export function serviceSpec(settings: ServiceSettings): ServiceSpec {
  return {
    scheduler: SchedulerId[settings.scheduler as keyof typeof SchedulerId],
    flags:
      ServiceFlag.hashed |
      (settings.persistenceTimeoutS > 0 ? ServiceFlag.persistent : 0) |
      (settings.onePacket ? ServiceFlag.onePacket : 0) |
      (settings.persistenceEngine === null ? 0 : ServiceFlag.sip) |
      (settings.schedulerFlags << 3),
    persistence: settings.persistenceTimeoutS * TICKS_PER_SECOND,
    netmask: settings.netmask,
  }
}

const SCHEDULERS = new Map(Object.entries(SchedulerId).map(([name, id]) => [id as number, name]))

export function settingsOfService(spec: ServiceSpec): ServiceSettings {
  const scheduler = SCHEDULERS.get(spec.scheduler)
  if (scheduler === undefined) throw new RangeError(`no scheduler has the number ${spec.scheduler}`)
  return {
    scheduler,
    schedulerFlags: (spec.flags & SCHEDULER_FLAGS) >> 3,
    persistenceTimeoutS: spec.persistence / TICKS_PER_SECOND,
    netmask: spec.netmask,
    onePacket: (spec.flags & ServiceFlag.onePacket) !== 0,
    persistenceEngine: (spec.flags & ServiceFlag.sip) === 0 ? null : 'sip',
  }
}

export const FORWARDING: Readonly<Record<ServerSettings['forwarding'], number>> = {
  masquerade: tables.Forwarding.masquerade,
  local: tables.Forwarding.local,
  tunnel: tables.Forwarding.tunnel,
  direct: tables.Forwarding.direct,
  fullnat: tables.Forwarding.fullnat,
}
const FORWARDING_NAMES = namesOf(FORWARDING)

const TUNNEL_TYPE_NAMES = namesOf(tables.TunnelType)

export const TUNNEL_FLAGS: Readonly<Record<Tunnel['checksum'], number>> = {
  none: 0,
  checksum: tables.TunnelFlag.checksum,
  'remote-checksum': tables.TunnelFlag.remoteChecksum,
}
const TUNNEL_CHECKSUM_NAMES = namesOf(TUNNEL_FLAGS)

function namesOf<Name extends string>(numbers: Readonly<Record<Name, number>>): Map<number, Name> {
  return new Map(Object.entries(numbers).map(([name, number]) => [number as number, name as Name]))
}

/** What was asked for of a server, and what of its past counts. */
export interface ServerSpec {
  readonly settings: ServerSettings
  readonly lastWeight: number
}

/** Its SERVER_SPEC_WORDS words, from `words[at]` on. */
export function writeServerSpec(
  { settings, lastWeight }: ServerSpec,
  words: Uint32Array,
  at: number,
): void {
  const { weight, upperThreshold, lowerThreshold, forwarding, tunnel } = settings
  const method =
    FORWARDING[forwarding] |
    (tables.TunnelType[tunnel.type] << 8) |
    (TUNNEL_FLAGS[tunnel.checksum] << 16)
  words[at] = weight
  words[at + 1] = lastWeight
  words[at + 2] = upperThreshold
  words[at + 3] = lowerThreshold
  words[at + 4] = method
  words[at + 5] = tunnel.port
}

/** Throws RangeError for words that nobody can have written. */
export function readServerSpec(words: readonly number[]): ServerSpec {
  const [weight, lastWeight, upperThreshold, lowerThreshold, method, port] = words as Six
  const forwarding = FORWARDING_NAMES.get(method & 0xff)
  const type = TUNNEL_TYPE_NAMES.get((method >>> 8) & 0xff)
  const checksum = TUNNEL_CHECKSUM_NAMES.get(method >>> 16)
  if (forwarding === undefined || type === undefined || checksum === undefined) {
    throw new RangeError(`no forwarding method is written ${method}`)
  }
  const tunnel = { type, port, checksum }
  return {
    lastWeight,
    settings: { forwarding, weight, upperThreshold, lowerThreshold, tunnel },
  }
}

type Six = [number, number, number, number, number, number]
