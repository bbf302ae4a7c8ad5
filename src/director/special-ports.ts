/**
 * Services that take more than one port: on port 0, FTP's, on ranges. The packet path looks for each kind only where
 * there are some, which `settings` tell it.
 */
import { PORT_BLOCK_SIZES } from '../dataplane/limits.ts'
import { FTP_PORT } from '../dataplane/service.ts'
import { settings } from '../dataplane/tables.ts'
import { lastPortOf } from './entries.ts'
import type { ServiceKey, ServiceProtocol } from './model.ts'
import { cutPorts } from './service-index.ts'

interface Range {
  readonly port: number
  readonly lastPort: number
}

export class SpecialPorts {
  #portZero = 0
  #ftp = 0
  /** By protocol and address. */
  readonly #ranges = new Map<string, readonly Range[]>()
  /** How many blocks of each size there are. */
  readonly #blocks = new Array<number>(PORT_BLOCK_SIZES).fill(0)

  add(key: ServiceKey): void {
    this.#count(key, 1)
    this.tell()
  }

  remove(key: ServiceKey): void {
    this.#count(key, -1)
    this.tell()
  }

  /** Notes what is there already; `tell` follows. */
  note(key: ServiceKey): void {
    this.#count(key, 1)
  }

  #count(key: ServiceKey, change: 1 | -1): void {
    if ('firewallMark' in key) return
    const { port, protocol } = key
    const lastPort = lastPortOf(key)
    if (lastPort === 0) {
      if (port === 0) this.#portZero += change
      if (port === FTP_PORT && protocol === 'tcp') this.#ftp += change
      return
    }
    const others = (this.#ranges.get(placeOf(key)) ?? []).filter((other) => other.port !== port)
    const ranges = change > 0 ? [...others, { port, lastPort }] : others
    if (ranges.length > 0) this.#ranges.set(placeOf(key), ranges)
    else this.#ranges.delete(placeOf(key))
    for (const { bits } of cutPorts(port, lastPort)) this.#blocks[bits]! += change
  }

  /** Writes what there is for the packet path. */
  tell(): void {
    const common = settings.row(0)
    common.portZeroServices = this.#portZero
    common.ftpServices = this.#ftp
    common.portBlocks = this.#blocks.reduce(
      (sizes, count, bits) => (count > 0 ? sizes | (1 << bits) : sizes),
      0,
    )
  }

  /** The range that `port` lies in. */
  rangeAround(protocol: ServiceProtocol, address: string, port: number): Range | undefined {
    const ranges = this.#ranges.get(placeOf({ protocol, address }))
    return ranges?.find((range) => range.port <= port && port <= range.lastPort)
  }

  /** The range that shares a port with this one, '8000-8100'; undefined: none. A single port may lie in a range. */
  overlapWith(key: ServiceKey): string | undefined {
    if ('firewallMark' in key || lastPortOf(key) === 0) return undefined
    const others = this.#ranges.get(placeOf(key)) ?? []
    const other = others.find(({ port, lastPort }) => port <= key.lastPort! && lastPort >= key.port)
    return other && `${other.port}-${other.lastPort}`
  }
}

function placeOf({ protocol, address }: { protocol: string; address: string }): string {
  return `${protocol} ${address}`
}
