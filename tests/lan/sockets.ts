/**
 * Sockets of Node's own on hosts of a lab: this process speaks for client and servers alike.
 *
 * A socket belongs to the network namespace its thread is in when the kernel makes it. Node makes one a turn
 * of its loop later wherever it looks a name up, as it does with addresses, too; not with a lookup that answers now.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, isIPv6, type Server, type Socket } from 'node:net'
import type { Host } from '../../src/lab/host.ts'

/** How long an answer may take on a machine that is busy with other things. */
const PATIENCE_MS = 10_000

/** A name that Node looks up, as it does with no address of a connection. */
const THERE = 'there'

type Found = (error: Error | null, address: string, family: number) => void

/** Of `THERE`, and of any address itself, at once. */
function lookupOf(there: string): (name: string, options: unknown, found: Found) => void {
  return (name, _options, found) => {
    const ip = name === THERE ? there : name
    found(null, ip, isIPv6(ip) ? 6 : 4)
  }
}

function patience(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(PATIENCE_MS) }
}

/** Resolves when the connection is open. Rejects with what the system says: ECONNREFUSED, … */
export async function connectTcp(host: Host, ip: string, port: number): Promise<Socket> {
  const family = isIPv6(ip) ? 6 : 4
  const options = { host: THERE, port, family, autoSelectFamily: false, lookup: lookupOf(ip) }
  const socket = host.run(() => connect(options))
  await once(socket, 'connect', patience())
  return socket
}

/** Every connection is answered by `serve`. On all addresses of the host. */
export async function listenTcp(
  host: Host,
  port: number,
  serve: (socket: Socket) => void,
): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    serve(socket)
  })
  const listening = once(server, 'listening', patience())
  host.run(() => server.listen(port))
  await listening
  return server
}

/** A UDP socket on that address of the host and, unless 0, port. Errors of its peers reach 'error'. */
export async function bindUdp(host: Host, ip: string, port = 0): Promise<UdpSocket> {
  const family = isIPv6(ip) ? 6 : 4
  const socket = createSocket({ type: `udp${family}`, lookup: lookupOf(ip) })
  const listening = once(socket, 'listening', patience())
  host.run(() => socket.bind(port, ip))
  await listening
  return socket
}

/** A UDP socket that only hears that one peer, and learns of errors on the way to it. */
export async function connectUdp(
  host: Host,
  from: string,
  to: string,
  port: number,
): Promise<UdpSocket> {
  const socket = await bindUdp(host, from)
  const connected = once(socket, 'connect', patience())
  socket.connect(port, to)
  await connected
  return socket
}

/** Sends it, once, on a connected socket; resolves to the next datagram that comes. Rejects with the system's error. */
export async function askUdp(socket: UdpSocket, data: Uint8Array | string): Promise<Buffer> {
  socket.send(data)
  const [answer] = (await once(socket, 'message', patience())) as [Buffer]
  return answer
}

/** Sends it all and ends; resolves to all that came until the other side ended. */
export async function exchangeTcp(socket: Socket, data: Uint8Array | string): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.end(data)
  await once(socket, 'end', patience())
  socket.destroy()
  return Buffer.concat(chunks)
}

/** Resolves to the code of the socket's next error. */
export async function failure(socket: UdpSocket): Promise<string> {
  try {
    // 'close' never comes: `once` ends with the error, or when patience does.
    await once(socket, 'close', patience())
    return 'closed'
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}
