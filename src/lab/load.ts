/**
 * Program: the client of the demonstration.
 *
 *   node load.js VIP HTTP-PORT UDP-PORT [NEW KEPT UDP PAUSE-MS]
 *
 * Asks the VIP again and again, several at a time, until it is told to stop: HTTP requests each over a connection of
 * its own, HTTP requests over connections that are kept, and UDP flows of three datagrams. A line on stdin names the
 * phase that begins; the line `stop`, or the end of stdin, lets it finish what is under way and end. On stdout goes
 * one `RequestResult` a line. Nothing is tried twice: what fails is a failure.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { isIPv6, type Socket as TcpSocket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { CLIENT_HEADER, PAGE_BYTES, SERVER_HEADER } from './real-server-page.ts'
import type { RequestKind, RequestResult } from './request-result.ts'
import { SLOWNESS } from './slowness.ts'

const PATIENCE_MS = 5000 * SLOWNESS
const DATAGRAMS_PER_FLOW = 3
/** Each of so many HTTP requests is an upload, of more than fits one segment. */
const UPLOAD_EVERY = 5
/**
 * Connections and flows have ports of their own, one after the other. The system would sooner or later take one again,
 * and to the director that would be the old connection: it goes where that went, and is not counted anew.
 */
const FIRST_PORT = 10_000
const UPLOAD = Buffer.alloc(16_384, 'x')

const [vip = '', httpPort, echoPort, ...told] = process.argv.slice(2)
/** How many ask at a time, and how long each pauses between two requests. */
const [newWorkers, keptWorkers, udpWorkers, pauseMs] =
  told.length === 0 ? [6, 6, 3, 8] : (told.map(Number) as [number, number, number, number])
let phase = ''
let isStopping = false
let connections = 0
let requests = 0
let ports = 0

interface Connection {
  readonly connection: number
  readonly openedIn: string
}
const opened = new WeakMap<TcpSocket, Connection>()

function openConnection(openedIn = phase): Connection {
  return { connection: ++connections, openedIn }
}

function takePort(): number {
  return FIRST_PORT + ports++
}

function report(result: RequestResult): void {
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

/** One HTTP request, over the connection of the agent or, without one, over one of its own. */
async function askHttp(kind: RequestKind, agent?: Agent): Promise<void> {
  const openedIn = phase
  const isUpload = ++requests % UPLOAD_EVERY === 0
  const connecting = agent === undefined ? { agent: false, localPort: takePort() } : { agent }
  const options = { host: vip, port: Number(httpPort), signal: patience(), ...connecting }
  const asked = isUpload
    ? request({ ...options, method: 'POST', path: '/upload' })
    : request({ ...options, path: '/' })
  let connection: Connection | undefined
  asked.once('socket', (socket) => {
    connection = opened.get(socket) ?? openConnection(openedIn)
    opened.set(socket, connection)
  })
  try {
    asked.end(isUpload ? UPLOAD : undefined)
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    let bytes = 0
    for await (const chunk of answer) bytes += (chunk as Buffer).length
    const { [SERVER_HEADER]: server, [CLIENT_HEADER]: seen } = answer.headers
    if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`)
    if (!isUpload && bytes !== PAGE_BYTES) throw new Error(`${bytes} bytes of ${PAGE_BYTES}`)
    report({ kind, ...connection!, server: String(server), seen: String(seen) })
  } catch (error) {
    asked.destroy()
    report({ kind, ...(connection ?? openConnection(openedIn)), error: reason(error) })
  }
}

/** A UDP flow: datagrams one after the other from one port. Connected, so that only the VIP's answers count. */
async function askUdp(): Promise<void> {
  const connection = openConnection()
  const socket = createSocket(isIPv6(vip) ? 'udp6' : 'udp4')
  try {
    socket.bind(takePort())
    await once(socket, 'listening')
    socket.connect(Number(echoPort), vip)
    await once(socket, 'connect')
    for (let count = 0; count < DATAGRAMS_PER_FLOW; count++) await askDatagram(socket, connection)
  } finally {
    socket.close()
  }
}

async function askDatagram(socket: Socket, connection: Connection): Promise<void> {
  const text = String(++requests)
  try {
    socket.send(text)
    const [message] = (await once(socket, 'message', { signal: patience() })) as [Buffer]
    const answer = JSON.parse(message.toString()) as {
      server: string
      client: string
      text: string
    }
    if (answer.text !== text) throw new Error(`answer to ${answer.text} instead of ${text}`)
    report({ kind: 'udp', ...connection, server: answer.server, seen: answer.client })
  } catch (error) {
    report({ kind: 'udp', ...connection, error: reason(error) })
  }
}

function patience(): AbortSignal {
  return AbortSignal.timeout(PATIENCE_MS)
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'AbortError') return `no answer in ${PATIENCE_MS / 1000} s`
  return 'code' in error ? String(error.code) : error.message
}

/** `count` workers, each asking, pausing and asking again until the end. */
function work(count: number, ask: () => () => Promise<void>): Promise<void>[] {
  return Array.from({ length: count }, async () => {
    const askOnce = ask()
    while (!isStopping) {
      await askOnce()
      await sleep(pauseMs)
    }
  })
}

async function main(): Promise<void> {
  const agents: Agent[] = []
  const keep = () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, localPort: takePort() })
    agents.push(agent)
    return () => askHttp('kept', agent)
  }
  let workers: Promise<void>[] = []
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'stop') break
    phase = line
    if (workers.length > 0) continue
    workers = [
      ...work(keptWorkers, keep),
      ...work(newWorkers, () => () => askHttp('new')),
      ...work(udpWorkers, () => askUdp),
    ]
  }
  isStopping = true
  await Promise.all(workers)
  for (const agent of agents) agent.destroy()
  process.stdin.destroy()
}

await main()
