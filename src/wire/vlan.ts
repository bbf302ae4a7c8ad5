/**
 * VLAN tags — IEEE 802.1Q, and 802.1ad (two of them, "QinQ").
 *
 * A tag stands behind the two Ethernet addresses: the type before it says 0x8100 or 0x88a8, the type inside
 * it says what really follows.
 *
 *      +-----------+---+-------------------+---------------------------+
 *   0  | priority 3| D | VLAN id (12 bits) |           type            |
 *      +-----------+---+-------------------+---------------------------+
 *                    '- drop eligible
 */
import { header } from '../subset/struct.ts'

export const Vlan = header('vlan', { control: 'u16', type: 'u16' })

/** Of `control`: which VLAN. 0 means none, only a priority; 4095 is reserved. */
export const VLAN_ID_MASK = 0x0fff
