/**
 * The netlink socket of nftables: transactions go down, errors come back.
 *
 * The kernel does all of a transaction within the send, so its answers are there when that returns. It answers
 * each failed message and, because Transaction asks so, the last one in any case; answers carry the message's
 * sequence number, by which an error here says what failed. Follows net/netfilter/nfnetlink.c.
 *
 *      an answer:  0 length u32 | 4 type u16 = 2 | 8 sequence u32 | 16 error i32, negative or 0
 */
import { assert } from '../../base/assert.ts'
import { KernelError } from '../errno.ts'
import { bind, close, recv, sendto, setsockopt, socket } from '../ffi.ts'
import { Transaction } from './nftables-message.ts'

const AF_NETLINK = 16
const SOCK_RAW_CLOEXEC = 0x80003
const NETLINK_NETFILTER = 12
const SOL_SOCKET = 1
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const MSG_DONTWAIT = 0x40
const ANSWER = 2

/** A transaction is one datagram: room for 400 000 elements and more. */
const SEND_BUFFER = 64 << 20
/** Room for the answers, if every message of a large transaction fails. */
const RECEIVE_BUFFER = 4 << 20
const ANSWER_MAX = 64 << 10

/** struct sockaddr_nl with port 0: as a destination the kernel; as an own name, let it choose one. */
const KERNEL = Uint8Array.of(AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

function int32(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer)
}

export class NftablesSocket {
  readonly #fd: number
  #sequence = 1

  private constructor(fd: number) {
    this.#fd = fd
  }

  /** In the network namespace of this thread. Throws KernelError: EPROTONOSUPPORT without nfnetlink. */
  static open(): NftablesSocket {
    const fd = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER)
    const opened = new NftablesSocket(fd)
    try {
      setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, int32(SEND_BUFFER))
      setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, int32(RECEIVE_BUFFER))
      bind(fd, KERNEL)
    } catch (error) {
      close(fd)
      throw error
    }
    return opened
  }

  /** A transaction, empty, on the table. */
  begin(table: string): Transaction {
    return new Transaction(table, this.#sequence)
  }

  /** All of it or, with a KernelError that says what failed first, nothing. */
  commit(transaction: Transaction): void {
    this.#sequence = transaction.last + 2
    sendto(this.#fd, transaction.finish(), KERNEL)
    let isDone = false
    let failure: KernelError | undefined
    const answer = new Uint8Array(ANSWER_MAX)
    for (;;) {
      const length = recv(this.#fd, answer, MSG_DONTWAIT)
      if (length <= 0) break
      for (const { sequence, error } of readAnswers(answer.subarray(0, length))) {
        if (sequence === transaction.last) isDone = true
        if (error !== 0) failure ??= new KernelError(transaction.describe(sequence), -error)
      }
    }
    if (failure !== undefined) throw failure
    assert(isDone, 'the kernel acknowledges a transaction before the send returns')
  }

  /** What this socket owns is gone with it. */
  close(): void {
    close(this.#fd)
  }
}

/** Errors, and 0 for acknowledgements, in one datagram of the kernel's. */
export function readAnswers(datagram: Uint8Array): { sequence: number; error: number }[] {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length)
  const answers = []
  let at = 0
  while (at + 20 <= view.byteLength) {
    const length = view.getUint32(at, true)
    if (length < 16) break
    if (view.getUint16(at + 4, true) === ANSWER) {
      answers.push({ sequence: view.getUint32(at + 8, true), error: view.getInt32(at + 16, true) })
    }
    at += (length + 3) & ~3
  }
  return answers
}
