/**
 * `sluice replay`: recorded frames through the packet path, and what becomes of each.
 *
 * Nothing of this machine is looked at or changed but the files named.
 */
import { Option, type Command } from 'commander'
import { concatBytes } from '../../base/bytes.ts'
import {
  emitPcapFrame,
  emitPcapHeader,
  readPcap,
  type Pcap,
  type PcapFrame,
} from '../../wire/pcap.ts'
import { failureOf, readBytes, readRules } from '../input-file.ts'
import { LAN_HELP, readLanFile } from '../lan-file.ts'
import { LinePrinter } from '../line-printer.ts'
import { isSameFile, writeFileWhole } from '../output-file.ts'
import { Exit, Failure } from './exit.ts'

interface ReplayOptions {
  readonly rules: string
  readonly in: string
  readonly out: string
  readonly lan?: string
  readonly engine: 'v8' | 'kernel'
}

const HELP = `
For each frame of IN.pcap, in order, one line of JSON: its number, its time in seconds since the first, interface,
verdict (pass, drop, send, hold), reason, service, server, whether it opened a connection, the frame (in) and what
left (out, by interface egress) as tcpdump -e prints them. Time is the capture's: connections end as they would have.
${LAN_HELP}
A frame comes in by the interface whose MAC address it is sent to, else by the first one.

Without --lan there is one interface, "lan", and every address is on its link. Its MAC address is the one that the
first frame for a virtual address was sent to, its addresses are the first virtual one of each family. Neighbours are
the senders of the captured frames; others have the MAC address 02:00 and the last four bytes of their IP address.

A frame that is longer than the MTU stands for TCP segments of that size (segmentation offload), and leaves as it
came. What the capture cut off (tcpdump -s) counts as zeroes, and what leaves is cut in the same place.`

export function describe(command: Command): void {
  command
    .description('Run recorded frames through the packet path, and say what becomes of each.')
    .requiredOption(
      '--rules <file>',
      'services and servers, as `ipvsadm -Sn --extended` writes them',
    )
    .requiredOption('--in <file>', 'the frames: a pcap file of Ethernet frames')
    .requiredOption('--out <file>', 'where the frames that leave are written')
    .option('--lan <file>', 'the network, as JSON (see below)')
    .addOption(
      new Option('--engine <engine>', 'what runs the packet path')
        .choices(['v8', 'kernel'])
        .default('v8'),
    )
    .option('--json', 'one JSON object a line, which is the only form')
    .addHelpText('after', HELP)
    .action(replay)
}

async function replay(options: ReplayOptions): Promise<void> {
  if (options.engine === 'kernel') {
    throw new Failure(Exit.lacking, 'the kernel engine cannot replay yet: use --engine v8')
  }
  if (isSameFile(options.in, options.out)) {
    throw new Failure(Exit.usage, `--in and --out are one file, ${options.in}: write to another`)
  }
  const rules = readRules(options.rules)
  const lan = options.lan === undefined ? undefined : await readLanFile(options.lan)
  const capture = readCapture(options.in)
  const { replayFrames, worldFor } = await import('../../replay/replay.ts')
  const world = worldFor(capture, rules, lan)
  const { refused, problems } = world.furnish(rules)
  if (refused.length > 0) throw failureOf(options.rules, refused)
  if (problems.length > 0) throw new Failure(Exit.no, problems.join('\n'))
  const printer = new LinePrinter()
  const sent: PcapFrame[] = []
  for (const replayed of replayFrames(world, capture)) {
    if (replayed.sent !== null) sent.push(replayed.sent)
    await printer.print(JSON.stringify(replayed.report))
  }
  await printer.flush()
  writeFileWhole(options.out, captureParts(sent))
}

/** Throws Failure: no pcap file, cut short, or not of Ethernet frames. */
function readCapture(path: string): Pcap {
  const read = readPcap(readBytes(path))
  if (!('error' in read)) return read
  throw new Failure(Exit.usage, `${path}: ${read.error} (at byte ${read.offset})`)
}

const FRAMES_A_PART = 256

function* captureParts(frames: readonly PcapFrame[]): Generator<Uint8Array> {
  yield emitPcapHeader()
  for (let i = 0; i < frames.length; i += FRAMES_A_PART) {
    yield concatBytes(...frames.slice(i, i + FRAMES_A_PART).map(emitPcapFrame))
  }
}
