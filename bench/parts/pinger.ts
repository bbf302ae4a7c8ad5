/**
 * Sends a datagram to an echo every few milliseconds, as a program of its own: `pinger ADDRESS PORT`. For each line on
 * stdin it prints one: JSON {"sent", "answered", "medianMs", "worstMs"} of what was sent since the line before.
 *
 * A datagram that comes back late was held up somewhere; one that does not, within a second, was lost.
 */
import { createSocket } from 'node:dgram'
import { createInterface } from 'node:readline'

const INTERVAL_MS = 5
const LOST_MS = 1000

const [address = '', port = ''] = process.argv.slice(2)
const socket = createSocket('udp4')
const sentMs = new Map<number, number>()
let times: number[] = []
let sent = 0
let next = 0

socket.on('message', (message) => {
  const { text } = JSON.parse(message.toString()) as { text: string }
  const start = sentMs.get(Number(text))
  if (start === undefined) return
  sentMs.delete(Number(text))
  times.push(performance.now() - start)
})

const timer = setInterval(() => {
  sentMs.set(next, performance.now())
  socket.send(String(next), Number(port), address)
  next++
  sent++
}, INTERVAL_MS)

createInterface({ input: process.stdin })
  .on('line', () => setTimeout(report, LOST_MS))
  .on('close', () => {
    clearInterval(timer)
    socket.close()
  })

function report(): void {
  times.sort((a, b) => a - b)
  const answer = {
    sent,
    answered: times.length,
    medianMs: times[times.length >>> 1] ?? null,
    worstMs: times.at(-1) ?? null,
  }
  console.log(JSON.stringify(answer))
  sentMs.clear()
  times = []
  sent = 0
}
