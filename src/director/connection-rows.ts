/**
 * The connection table as a long listing, a row as JSON for each: a million of them in under a second.
 */
import { IpTexts } from '../base/ip-texts.ts'
import { JsonText } from '../base/json-text.ts'
import * as tables from '../dataplane/tables.ts'
import { expiresS, listedPortOf, liveConnections, localOf, protocolOf, stateOf } from './listing.ts'

/** Every live connection and template, in the table's order, as a `ConnectionRow`. */
export function* connectionRows(): Generator<JsonText> {
  const texts = new IpTexts()
  for (const line of liveConnections()) yield new JsonText(rowOf(line, texts))
}

function rowOf(line: tables.Connection, texts: IpTexts): string {
  const server = tables.servers.row(line.server)
  const local = localOf(line)
  const client = texts.of(line.client0, line.client1, line.client2, line.client3)
  const virtual = texts.of(line.virtual0, line.virtual1, line.virtual2, line.virtual3)
  const real = texts.of(server.address0, server.address1, server.address2, server.address3)
  const { clientPort, virtualPort } = line
  const between = `"${protocolOf(line)}","${stateOf(line)}",${expiresS(line)},"${client}",${clientPort}`
  const row = `${between},"${virtual}",${virtualPort},"${real}",${listedPortOf(server, line)}`
  return local === null ? `[${row}]` : `[${row},"${local.address}",${local.port}]`
}
