/**
 * This host made ready for its VIPs, and made as it was before.
 *
 *   journal ── what a killed run left ──► undo what is no longer wanted, take over the rest
 *   plan    ── what is missing        ──► write it into the journal, then make it
 *   undo    ── in the opposite order, except what somebody else has changed since
 *
 * Everything here is synchronous, so that `undo` also works in a process that is about to exit.
 */
import { listAddresses } from '../kernel/netlink/address.ts'
import { listLinks } from '../kernel/netlink/link.ts'
import type { NetlinkSocket } from '../kernel/netlink/netlink.ts'
import { listRoutes, Table } from '../kernel/netlink/route.ts'
import { hasSysctl, readSysctl } from '../kernel/sysctl.ts'
import { isInForce, isSameTarget, LOOPBACK_INDEX, makeChange, undoChange } from './change.ts'
import type { Change } from './change.ts'
import type { Journal } from './journal.ts'
import { planSetup, type Facts, type Plan, type Wish } from './plan.ts'

/** One of our changes, and whether it was found in the journal. */
export interface Done {
  readonly change: Change
  readonly isTakenOver: boolean
}

/** One change at the end: undone, or left because it was no longer ours. */
export interface Undone {
  readonly change: Change
  readonly isUndone: boolean
}

export class Setup {
  readonly #netlink: NetlinkSocket
  readonly #journal: Journal
  readonly #done: Done[] = []

  constructor(netlink: NetlinkSocket, journal: Journal) {
    this.#netlink = netlink
    this.#journal = journal
  }

  /** Ours, in the order in which they were made. */
  get done(): readonly Done[] {
    return this.#done
  }

  /** What would have to change, were there nothing of an earlier run. Throws KernelError. */
  plan(wish: Wish): Plan {
    return planSetup(wish, withoutChanges(readFacts(this.#netlink), this.#leftovers()))
  }

  /** Makes the changes of the plan, or takes them over. Throws KernelError; what was done until then is in `done`. */
  carryOut(plan: Plan): void {
    const leftovers = this.#leftovers()
    const isWanted = (old: Change) => plan.changes.some((change) => isSameTarget(change, old))
    for (const old of [...leftovers].reverse()) {
      if (!isWanted(old)) undoChange(old, this.#netlink)
    }
    for (const change of plan.changes) {
      const old = leftovers.find((leftover) => isSameTarget(leftover, change))
      if (old === undefined) this.#make(change)
      else this.#done.push({ change: old, isTakenOver: true })
    }
  }

  /** The last one first; a refused one does not keep the others. Throws the first KernelError at the end. */
  undo(): Undone[] {
    const undone: Undone[] = []
    const errors: unknown[] = []
    for (let last = this.#done.pop(); last !== undefined; last = this.#done.pop()) {
      const { change } = last
      try {
        undone.push({ change, isUndone: undoChange(change, this.#netlink) })
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
    return undone
  }

  #make(change: Change): void {
    this.#journal.add(change)
    makeChange(change, this.#netlink)
    this.#done.push({ change, isTakenOver: false })
  }

  /** What an earlier run did not undo and is still so; of two entries about the same thing the later one. */
  #leftovers(): Change[] {
    const found = this.#journal.read().filter((change) => isInForce(change, this.#netlink))
    return found.filter(
      (change, i) => !found.slice(i + 1).some((later) => isSameTarget(later, change)),
    )
  }
}

function readFacts(netlink: NetlinkSocket): Facts {
  return {
    links: listLinks(netlink),
    addresses: listAddresses(netlink),
    routes: listRoutes(netlink, [Table.main]),
    setting: (name) => (hasSysctl(name) ? readSysctl(name) : undefined),
  }
}

/** The facts as they were before these changes. */
function withoutChanges(facts: Facts, changes: readonly Change[]): Facts {
  const isOurs = (ip: string) =>
    changes.some((change) => change.kind === 'address' && change.ip === ip)
  return {
    ...facts,
    addresses: facts.addresses.filter(
      ({ ip, interfaceIndex }) => interfaceIndex !== LOOPBACK_INDEX || !isOurs(ip),
    ),
    setting: (name) => {
      const change = changes.find((one) => one.kind === 'setting' && one.name === name)
      return change?.kind === 'setting' ? change.before : facts.setting(name)
    },
  }
}
