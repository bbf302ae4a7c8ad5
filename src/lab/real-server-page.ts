/** What client and real server of the lab agree on: the page's size, and the headers that say who answered whom. */
export const SERVER_HEADER = 'x-real-server'
export const CLIENT_HEADER = 'x-client-address'
export const PAGE_BYTES = 8192
