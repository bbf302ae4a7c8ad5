/**
 * A small picture of a mode's packet path: who sends what to whom, with the addresses in use.
 *
 *   client                    director                  server1
 *     │ 10.1.0.2 → 10.1.0.100   │                         │
 *     ├────────────────────────►│                         │
 */
import { addressOf, type Mode } from './modes.ts'

/** From one column to another, with up to two lines above the arrow. */
interface Step {
  readonly from: number
  readonly to: number
  readonly says: readonly string[]
}

const [AT_CLIENT, AT_DIRECTOR, AT_SERVER] = [0, 1, 2]
const COLUMNS = 3
const WIDTH = 34
const INDENT = '    '

export function drawMode(mode: Mode): string[] {
  const server = mode.servers[0]!
  const names = ['client', 'director', server.name]
  const director = mode.hosts.find(({ name }) => name === 'director')!
  const addresses = [mode.client, `VIP ${mode.vip}`, serverTitle(mode)]
  return [
    title(names),
    title(addresses),
    ...stepsOf(mode, addressOf(director), addressOf(server)).flatMap(drawStep),
  ].map((line) => `${INDENT}${line}`.trimEnd())
}

function serverTitle({ servers, directReply }: Mode): string {
  const own = addressOf(servers[0]!)
  return directReply === undefined ? own : `${own}, and the VIP`
}

function stepsOf(mode: Mode, dip: string, rip: string): Step[] {
  const { client, vip, locals } = mode
  const request = arrow(AT_CLIENT, AT_DIRECTOR, client, vip)
  const directReply = arrow(AT_SERVER, AT_CLIENT, vip, client)
  const reply = arrow(AT_DIRECTOR, AT_CLIENT, vip, client)
  const steps: Record<Mode['name'], Step[]> = {
    nat: [
      request,
      arrow(AT_DIRECTOR, AT_SERVER, client, rip),
      arrow(AT_SERVER, AT_DIRECTOR, rip, client),
      reply,
    ],
    dr: [
      request,
      arrow(AT_DIRECTOR, AT_SERVER, client, vip, "to the server's MAC address"),
      directReply,
    ],
    tun: [
      request,
      arrow(AT_DIRECTOR, AT_SERVER, client, vip, `inside ${dip} → ${rip}`),
      directReply,
    ],
    fullnat: [
      request,
      arrow(AT_DIRECTOR, AT_SERVER, locals[0] ?? dip, rip),
      arrow(AT_SERVER, AT_DIRECTOR, rip, locals[0] ?? dip),
      reply,
    ],
  }
  return steps[mode.name]
}

function arrow(from: number, to: number, source: string, target: string, more?: string): Step {
  const says = [`${source} → ${target}`]
  return { from, to, says: more === undefined ? says : [...says, more] }
}

function title(texts: readonly string[]): string {
  return texts.map((text) => text.padEnd(WIDTH)).join('')
}

/** Its words, then its arrow; the other columns' lines go on. */
function drawStep({ from, to, says }: Step): string[] {
  const [left, right] = from < to ? [from, to] : [to, from]
  const span = (right - left) * WIDTH - 1
  const line = `${'─'.repeat(span - 1)}`
  const body = from < to ? `├${line}►│` : `│◄${line}┤`
  return [
    ...says.map((text) => drawLine(left, right, `│ ${text.padEnd(span - 1)}│`)),
    drawLine(left, right, body),
  ]
}

function drawLine(left: number, right: number, middle: string): string {
  const idle = `│${' '.repeat(WIDTH - 1)}`
  return idle.repeat(left) + middle + `${' '.repeat(WIDTH - 1)}│`.repeat(COLUMNS - 1 - right)
}
