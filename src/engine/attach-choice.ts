/**
 * Where the packet path is to sit on an interface, in the order in which the places are tried, and why.
 *
 * XDP in the driver is the fastest place, and the right one on network cards. On virtual devices it is not: there
 * frames come large and with unfinished checksums, which tc keeps and XDP must do without (veth then has a tenth of its
 * bulk throughput). XDP behind the driver ("generic") has the disadvantages of both: only for those who ask for it.
 */

export type AttachWish = 'auto' | 'xdp' | 'tc'
export type Place = 'xdp' | 'xdp generic' | 'tc'

export interface PlaceChoice {
  readonly places: readonly Place[]
  readonly why: string
}

/** `kind`: of the virtual device, undefined for hardware. */
export function choosePlaces(wish: AttachWish, kind: string | undefined): PlaceChoice {
  if (wish === 'tc') return { places: ['tc'], why: 'as asked for' }
  if (wish === 'xdp') {
    const why = kind === undefined ? 'as asked for' : `as asked for; ${priceOf(kind)}`
    return { places: ['xdp', 'xdp generic'], why }
  }
  if (kind !== undefined) {
    return { places: ['tc'], why: `${kind} is a virtual device: segmentation offload stays` }
  }
  return { places: ['xdp', 'tc'], why: 'a network card' }
}

/** XDP sees neither what a frame stands for nor that its checksum is unfinished: a wrong one would leave. */
function priceOf(kind: string): string {
  const finish = 'the other end must finish checksums itself: ethtool -K … tx off'
  return `${kind} has no segmentation offload then, and ${finish}`
}
