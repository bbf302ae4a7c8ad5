import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { tcpFrame } from '../../wire/flow.ts'
import { readPcap, writePcap } from '../../wire/pcap.ts'
import { TcpFlag } from '../../wire/tcp.ts'
import { Failure } from './exit.ts'
import { describe as describeReplay } from './replay.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-replay-'))
after(() => rmSync(folder, { recursive: true }))

const at = (name: string) => join(folder, name)

function write(name: string, contents: string | Uint8Array): string {
  writeFileSync(at(name), contents)
  return at(name)
}

const RULES = write('rules', '-A -t 10.0.0.100:80 -s rr\n-a -t 10.0.0.100:80 -r 10.0.1.11:80 -m\n')
const FRAMES = 300
const CAPTURE = writePcap(
  Array.from({ length: FRAMES }, (_, i) => {
    const to = i % 3 === 2 ? '10.0.0.100:81' : '10.0.0.100:80'
    const bytes = tcpFrame(`10.0.0.10:${1000 + i}`, to, { flags: TcpFlag.syn })
    return { seconds: i, nanoseconds: 0, bytes, originalLength: bytes.length }
  }),
)
const IN = write('in.pcap', CAPTURE)

/** The command as a shell runs it, compiled or not. */
function start(...args: string[]) {
  const here = fileURLToPath(import.meta.url)
  const program = join(here, '../..', `sluice${extname(here)}`)
  return spawn(process.execPath, [...process.execArgv, program, 'replay', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

describe('sluice replay', () => {
  it('prints a line a frame and writes those that left, whatever stands there', async () => {
    const target = write('target.pcap', 'an older file')
    symlinkSync(target, at('out.pcap'))
    const child = start('--rules', RULES, '--in', IN, '--out', at('out.pcap'))
    const closed = once(child, 'close')
    const [printed, complaints] = await Promise.all([textOf(child.stdout), textOf(child.stderr)])
    assert.deepEqual(await closed, [0, null], complaints)
    const reports = printed
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.equal(reports.length, FRAMES)
    assert.deepEqual(
      reports
        .slice(0, 3)
        .map(({ frame, verdict, reason, server }) => [frame, verdict, reason, server]),
      [
        [1, 'send', 'toServer', '10.0.1.11:80'],
        [2, 'send', 'toServer', '10.0.1.11:80'],
        [3, 'pass', 'noService', null],
      ],
    )
    const out = readPcap(readFileSync(target))
    assert.ok('frames' in out)
    assert.equal(out.frames.length, 200)
    assert.ok(lstatSync(at('out.pcap')).isSymbolicLink())
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith('.part')),
      [],
    )
  })

  it('goes on when nobody reads its lines any more', async () => {
    const child = start('--rules', RULES, '--in', IN, '--out', at('unread.pcap'))
    child.stdout.destroy()
    const complaints = textOf(child.stderr)
    assert.deepEqual(await once(child, 'close'), [0, null], await complaints)
    assert.ok(existsSync(at('unread.pcap')))
  })
})

const cut = CAPTURE.subarray(0, CAPTURE.length - 5)
const otherLink = CAPTURE.slice()
otherLink[20] = 113

const WRONG: readonly {
  what: string
  args: Readonly<Record<string, string>>
  status?: number
  message: string
}[] = [
  {
    what: 'a file that is not there',
    args: { in: at('none.pcap') },
    message: `cannot read ${at('none.pcap')}: there is no such file or folder`,
  },
  {
    what: 'a file that is no pcap file',
    args: { in: RULES },
    message: `${RULES}: the file does not begin as a pcap file does (at byte 0)`,
  },
  {
    what: 'a pcap file that was cut short',
    args: { in: write('cut.pcap', cut) },
    message: `${at('cut.pcap')}: the file ends inside a frame (at byte ${cut.length})`,
  },
  {
    what: 'another link type',
    args: { in: write('cooked.pcap', otherLink) },
    message: `${at('cooked.pcap')}: link type 113 is not Ethernet (1) (at byte 20)`,
  },
  {
    what: 'to write over the capture',
    args: { in: at('kept.pcap') },
    message: `--in and --out are one file, ${at('kept.pcap')}: write to another`,
  },
  {
    what: 'rules that are none',
    args: { rules: write('bad', '-A -t 10.0.0.100:80\n-a -t 10.0.0.100:80 -r nowhere\nhello') },
    message:
      `${at('bad')}:2:24: illegal real server address[:port] specified\n` +
      `${at('bad')}:3:1: a rule begins with -A, -a or -P`,
  },
  {
    what: 'rules that the director refuses',
    args: { rules: write('twice', '-A -t 10.0.0.100:80\n\n-A -t 10.0.0.100:80') },
    message: `${at('twice')}:3: service tcp 10.0.0.100:80 exists already`,
  },
  {
    what: 'a LAN that is none',
    args: { lan: write('lan.json', '{"interfaces": [{"name": "eth0"}]}') },
    message:
      `${at('lan.json')}:1:17: write the addresses of this interface, as ["10.0.0.1/24"]\n` +
      `${at('lan.json')}:1:17: "mac": is missing; ` +
      'write the MAC address of one station, as "02:00:00:00:00:01"',
  },
  {
    what: 'the kernel engine',
    args: { engine: 'kernel' },
    status: 77,
    message: 'the kernel engine cannot replay yet: use --engine v8',
  },
]

describe('sluice replay refuses', () => {
  for (const { what, args, status = 2, message } of WRONG) {
    it(`${what}, and leaves OUT as it was`, async () => {
      const out = write('kept.pcap', 'as it was')
      const options = Object.entries({ rules: RULES, in: IN, out, ...args })
      const command = new Command()
      describeReplay(command)
      const words = options.flatMap(([name, value]) => [`--${name}`, value])
      await assert.rejects(command.parseAsync(words, { from: 'user' }), (error: unknown) => {
        assert.ok(error instanceof Failure, String(error))
        assert.deepEqual([error.status, error.message], [status, message])
        return true
      })
      assert.equal(readFileSync(out, 'utf8'), 'as it was')
    })
  }
})
