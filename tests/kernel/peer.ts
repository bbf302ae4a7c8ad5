/**
 * A host at the other end of a cable, as a process of its own in a network of its own:
 *
 *   peer.ts LINK ADDRESS/BITS serve PORT            takes one TCP connection
 *   peer.ts LINK ADDRESS/BITS send HOST PORT MIB    opens one and sends
 *
 * Prints `ready` once it is in its network; then wants the link moved there and a line on stdin. Prints
 * `done BYTES SHA256` of what it sent or took.
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { enterOwnNetwork, ip } from './own-network.ts'

const [link = '', address = '', role, ...rest] = process.argv.slice(2)
const hash = createHash('sha256')
let bytes = 0

function note(chunk: Buffer): void {
  hash.update(chunk)
  bytes += chunk.length
}

function finish(): void {
  console.log(`done ${bytes} ${hash.digest('hex')}`)
  process.exit(0)
}

async function send(host: string, port: number, mebibytes: number): Promise<void> {
  const socket = connect(port, host)
  await once(socket, 'connect')
  const chunk = randomBytes(1 << 20)
  for (let i = 0; i < mebibytes; i++) {
    chunk.writeUInt32LE(i, 4 * i)
    const part = Buffer.from(chunk)
    note(part)
    if (!socket.write(part)) await once(socket, 'drain')
  }
  socket.end()
  socket.resume() // until the other end has closed, too
  await once(socket, 'close')
  finish()
}

function serve(port: number): void {
  createServer((socket: Socket) => {
    socket.on('data', note)
    socket.on('close', finish)
  }).listen(port, () => console.log('serving'))
}

enterOwnNetwork()
console.log('ready')
await once(process.stdin, 'data')
ip(`link set ${link} up`)
ip(`addr add ${address} dev ${link}${address.includes(':') ? ' nodad' : ''}`)
if (role === 'serve') serve(Number(rest[0]))
else await send(rest[0]!, Number(rest[1]), Number(rest[2]))
