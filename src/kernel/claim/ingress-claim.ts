/**
 * The ingress claim: an nftables table that keeps from the kernel's own stack what the engine takes.
 *
 * One table of the netdev family with the rules of claim-rules.ts, hooked at the ingress of each attached
 * interface, right behind the taps of packet sockets. This process's copy of its sets is `sets`, for `isClaimed`
 * (claim.ts); both change together.
 *
 * The table is owned by this object's netlink socket (NFT_TABLE_F_OWNER, Linux 5.12): nobody else can change
 * it, `nft flush ruleset` spares it, and when the process ends, however it ends, the kernel removes it and the
 * host has its frames back. Older kernels: the table stays after a crash until the next start removes it.
 */
import { writeNetworkRules } from './claim-network-rules.ts'
import { addClaimRules, CLAIM_CHAIN, claimSetNames } from './claim-rules.ts'
import { ClaimSets, NO_CLAIMS, type ClaimElement, type Claims } from './claim-sets.ts'
import { KernelError } from '../errno.ts'
import { jump } from '../nftables/nftables-expression.ts'
import { NftablesSocket } from '../nftables/nftables-socket.ts'

/** NFT_TABLE_F_OWNER */
const OWNER = 2
const NO_FLAGS = 0

export const CLAIM_TABLE_DEFAULT = 'sluice'

export class IngressClaim {
  readonly table: string
  readonly #socket: NftablesSocket
  #sets = new ClaimSets()
  #isOwner = false
  #isClosed = false

  private constructor(table: string, socket: NftablesSocket) {
    this.table = table
    this.#socket = socket
  }

  /**
   * Makes the table, without elements and interfaces. Throws KernelError: EPERM without CAP_NET_ADMIN, and
   * where another process has a table of that name; EOPNOTSUPP or EPROTONOSUPPORT where the kernel has no
   * nftables or not its netdev family.
   */
  static open(table: string = CLAIM_TABLE_DEFAULT): IngressClaim {
    const claim = new IngressClaim(table, NftablesSocket.open())
    try {
      claim.#create()
    } catch (error) {
      claim.#socket.close()
      throw isCode(error, 'EPERM') ? withOwnerHint(error as KernelError) : error
    }
    return claim
  }

  /** What is claimed now, for `isClaimed`. Read it anew after each change. */
  get sets(): ClaimSets {
    return this.#sets
  }

  /** Will the kernel remove the table when this process ends? */
  get isOwner(): boolean {
    return this.#isOwner
  }

  /**
   * From now on the interface's frames go through the claim. Without that interface: from Linux 6.16 on the
   * claim waits for it by name, before it throws KernelError ENOENT.
   */
  attach(interfaceName: string): void {
    const chain = chainOf(interfaceName)
    const transaction = this.#socket.begin(this.table)
    transaction.newIngressChain(chain, interfaceName)
    transaction.newRule(chain, [jump(CLAIM_CHAIN)])
    this.#socket.commit(transaction)
  }

  /** The opposite; nothing to do where the chain is gone, as older kernels remove it with its interface. */
  detach(interfaceName: string): void {
    const transaction = this.#socket.begin(this.table)
    transaction.deleteChain(chainOf(interfaceName))
    try {
      this.#socket.commit(transaction)
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error
    }
  }

  /** Claims these and no others, at once for all frames. On KernelError all is as before. */
  replace(claims: Claims): void {
    const sets = new ClaimSets()
    const elements = sets.add(claims)
    const transaction = this.#socket.begin(this.table)
    for (const set of claimSetNames()) transaction.flushSet(set)
    for (const [set, keys] of keysBySet(elements)) transaction.addElements(set, keys)
    writeNetworkRules(transaction, sets)
    this.#socket.commit(transaction)
    this.#sets = sets
  }

  /**
   * Adds claims, and removes some added before, at once. What was added twice stays until it is removed
   * twice. On KernelError all is as before.
   */
  update(added: Claims, removed: Claims = NO_CLAIMS): void {
    const appeared = this.#sets.add(added)
    const gone = this.#sets.remove(removed)
    const transaction = this.#socket.begin(this.table)
    for (const [set, keys] of keysBySet(appeared)) transaction.addElements(set, keys)
    for (const [set, keys] of keysBySet(gone)) transaction.removeElements(set, keys)
    if (hasNetworks(added) || hasNetworks(removed)) writeNetworkRules(transaction, this.#sets)
    if (transaction.size === 0) return
    try {
      this.#socket.commit(transaction)
    } catch (error) {
      this.#sets.add(removed)
      this.#sets.remove(added)
      throw error
    }
  }

  /** Removes the table: the kernel's own stack gets every frame again. Closing twice is harmless. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (!this.#isOwner) this.#delete()
    this.#socket.close()
  }

  /** Owned by us if the kernel can do that. */
  #create(): void {
    try {
      this.#createAnew(OWNER)
      this.#isOwner = true
    } catch (error) {
      if (!isCode(error, 'EOPNOTSUPP')) throw error
      this.#createAnew(NO_FLAGS)
    }
  }

  /** Over a table that nobody owns: left from an older kernel's crash. */
  #createAnew(flags: number): void {
    try {
      this.#createFresh(flags)
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error
      this.#delete()
      this.#createFresh(flags)
    }
  }

  #createFresh(flags: number): void {
    const transaction = this.#socket.begin(this.table)
    transaction.newTable(flags)
    addClaimRules(transaction)
    this.#socket.commit(transaction)
  }

  #delete(): void {
    const transaction = this.#socket.begin(this.table)
    transaction.deleteTable()
    this.#socket.commit(transaction)
  }
}

function chainOf(interfaceName: string): string {
  return `ingress_${interfaceName}`
}

/** To root the kernel refuses a table only if another process owns it. */
function withOwnerHint({ call, errno }: KernelError): KernelError {
  const hint =
    process.getuid?.() === 0
      ? 'another process holds it; does Sluice run in this network namespace already?'
      : 'it needs root (CAP_NET_ADMIN)'
  return new KernelError(call, errno, hint)
}

function hasNetworks({ networks = [] }: Claims): boolean {
  return networks.length > 0
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof KernelError && error.code === code
}

function keysBySet(elements: readonly ClaimElement[]): Map<string, Uint8Array[]> {
  const bySet = new Map<string, Uint8Array[]>()
  for (const { set, key } of elements) {
    const keys = bySet.get(set)
    if (keys === undefined) bySet.set(set, [key])
    else keys.push(key)
  }
  return bySet
}
