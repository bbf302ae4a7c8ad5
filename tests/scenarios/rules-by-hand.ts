/**
 * Short ways to write rules, for tests: what `ipvsadm` would have written, with its defaults.
 */
import type {
  ServerKey,
  ServerSettings,
  ServiceKey,
  ServiceSettings,
} from '../../src/director/model.ts'
import type { Rule } from '../../src/replay/rule.ts'

/** `-A`, with wlc unless told otherwise. */
export function serviceRule(
  service: ServiceKey,
  settings: Partial<ServiceSettings> = {},
  line = 1,
): Rule {
  const defaults = {
    scheduler: 'wlc',
    schedulerFlags: 0,
    persistenceTimeoutS: 0,
    netmask: 'address' in service && service.address.includes(':') ? 128 : 0xffffffff,
    onePacket: false,
    persistenceEngine: null,
  }
  return { call: 'service.add', with: { service, settings: { ...defaults, ...settings } }, line }
}

/** `-a`, masquerading with weight 1 unless told otherwise. */
export function serverRule(
  service: ServiceKey,
  server: ServerKey,
  settings: Partial<ServerSettings> = {},
  line = 1,
): Rule {
  const defaults: ServerSettings = {
    forwarding: 'masquerade',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    tunnel: { type: 'ipip', port: 0, checksum: 'none' },
  }
  const whole = { ...defaults, ...settings }
  return { call: 'server.add', with: { service, server, settings: whole }, line }
}

/** `-P`: a local address of a FULLNAT service. */
export function localRule(service: ServiceKey, address: string, line = 1): Rule {
  return { call: 'local.add', with: { service, address }, line }
}
