/**
 * The parameters that each call takes. What passes here has the right shape; whether it can be done, the director says.
 */
import type { ServiceKey } from '../director/model.ts'
import type { CallName, Calls, ListedChange } from './protocol.ts'
import {
  address,
  array,
  boolean,
  integer,
  nullable,
  object,
  oneOf,
  refuseShape,
  text,
  type Shape,
} from './shape.ts'

const U32 = 0xffffffff
/** What the kernel's own `int` takes, of weights and thresholds. */
const INT_MAX = 0x7fffffff
/** 31 days, ipvsadm's own bound of all times. */
const SECONDS_MAX = 31 * 24 * 3600

const port = integer(0, 0xffff)
const serverKey = object({ address, port })
const addressedService = object(
  { protocol: oneOf('tcp', 'udp', 'sctp'), address, port },
  { lastPort: port },
)
const markedService = object({ firewallMark: integer(0, U32), family: oneOf(4, 6) })

const serviceKey: Shape<ServiceKey> = (value, path) => {
  const isMarked = typeof value === 'object' && value !== null && 'firewallMark' in value
  return isMarked ? markedService(value, path) : addressedService(value, path)
}

const serviceSettings = object({
  scheduler: text,
  schedulerFlags: integer(0, 7),
  persistenceTimeoutS: integer(0, SECONDS_MAX),
  netmask: integer(0, U32),
  onePacket: boolean,
  persistenceEngine: nullable(text),
})

const serverSettings = object({
  forwarding: oneOf('masquerade', 'local', 'tunnel', 'direct', 'fullnat'),
  weight: integer(0, INT_MAX),
  upperThreshold: integer(0, U32),
  lowerThreshold: integer(0, U32),
  tunnel: object({
    type: oneOf('ipip', 'gue', 'gre'),
    port,
    checksum: oneOf('none', 'checksum', 'remote-checksum'),
  }),
})

const seconds = integer(0, SECONDS_MAX)
const nothing = object({})
const service = object({ service: serviceKey })
const maybeService = object({}, { service: serviceKey })
const serviceWithSettings = object({ service: serviceKey, settings: serviceSettings })
const server = object({ service: serviceKey, server: serverKey })
const serverWithSettings = object({
  service: serviceKey,
  server: serverKey,
  settings: serverSettings,
})
const syncRole = oneOf('master', 'backup')
const local = object({ service: serviceKey, address })

const table = object({ table: integer(1, Number.MAX_SAFE_INTEGER) })
const listed = object({
  line: integer(1, Number.MAX_SAFE_INTEGER),
  call: oneOf(
    'service.flush',
    'service.add',
    'service.edit',
    'service.delete',
    'server.add',
    'server.edit',
    'server.delete',
    'local.add',
    'local.delete',
  ),
  with: (value) => value,
})
/** A call in a list, with parameters as that call takes them. */
const listedChange: Shape<ListedChange> = (value, path) => {
  const change = listed(value, path)
  const parameters = PARAMETERS[change.call](change.with, `${path}.with`)
  return { ...change, with: parameters } as ListedChange
}

const ports: Shape<readonly [number, number]> = (value, path) => {
  if (!Array.isArray(value) || value.length !== 2) refuseShape(path, 'is no pair of ports')
  const [first, last] = value as unknown[]
  return [port(first, `${path}[0]`), port(last, `${path}[1]`)]
}

const markRule = object({
  mark: integer(1, U32),
  protocol: nullable(oneOf('tcp', 'udp', 'sctp')),
  source: nullable(text),
  destination: nullable(text),
  sourcePorts: nullable(ports),
  destinationPorts: nullable(ports),
})

const PARAMETERS: { readonly [N in CallName]: Shape<Calls[N]['with']> } = {
  status: nothing,
  'ipvs.version': nothing,
  'service.list': maybeService,
  'service.add': serviceWithSettings,
  'service.edit': serviceWithSettings,
  'service.delete': service,
  'service.zero': maybeService,
  'service.flush': nothing,
  'server.add': serverWithSettings,
  'server.edit': serverWithSettings,
  'server.delete': server,
  'local.add': local,
  'local.delete': local,
  'local.list': maybeService,
  'table.begin': nothing,
  'table.put': object({
    table: integer(1, Number.MAX_SAFE_INTEGER),
    changes: array(listedChange),
  }),
  'table.commit': table,
  'mark.list': nothing,
  'mark.set': object({ rules: array(markRule) }),
  'mark.add': object({ rules: array(markRule) }, { at: integer(1, U32) }),
  'mark.delete': object({ rule: markRule }),
  'sysctl.list': nothing,
  'sysctl.set': object({ name: text, value: integer(-U32, U32) }),
  'connection.list': nothing,
  'timeouts.get': nothing,
  'timeouts.set': object({ tcp: seconds, tcpFin: seconds, udp: seconds }),
  'sync.list': nothing,
  'sync.start': object({
    role: syncRole,
    interface: text,
    syncId: integer(0, 255),
    maxLength: integer(0, 0xffff),
    group: nullable(address),
    port,
    ttl: integer(0, 255),
  }),
  'sync.stop': object({ role: syncRole }),
  explain: object({ client: serverKey, virtual: serverKey, protocol: oneOf('tcp', 'udp', 'sctp') }),
}

/** The parameters as the call takes them. Throws ControlError EINVAL: `with.server.port: …`. */
export function checkParameters<N extends CallName>(
  name: N,
  parameters: unknown,
): Calls[N]['with'] {
  return PARAMETERS[name](parameters ?? {}, 'with')
}
