/**
 * Program: a UDP service that says who answered and whom it saw.
 *
 *   node udp-echo.js NAME ADDRESS PORT
 *
 * Each datagram is answered with a JSON line `{"server":NAME,"client":ADDRESS,"text":…}`, from the address it is bound
 * to: a server that answers for a VIP has to be bound to it, or the answer would come from an address of its own.
 */
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'

const [name, address, port] = process.argv.slice(2)
const socket = createSocket(isIPv6(address ?? '') ? 'udp6' : 'udp4')
socket.on('message', (message, { address: client, port: clientPort }) => {
  const answer = JSON.stringify({ server: name, client, text: message.toString() })
  socket.send(answer, clientPort, client)
})
socket.bind(Number(port), address)
