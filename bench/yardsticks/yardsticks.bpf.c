// What Sluice's packet path is measured against: load balancers in C that do IPVS's work in XDP and nothing else.
//
// They are yardsticks, not parts of Sluice: one table, IPv4, TCP, no options, no fragments, no ICMP. bench/kernel.ts has
// them compiled (clang -target bpf) and measure.c runs them beside ours, in one process, in turns.
//
//   make        writes a fresh frame of flow number i, whatever happened to the one before, and tail-calls a candidate
//   send, pass  the price of `make` itself, with XDP_TX and with XDP_PASS
//   nat         own flat table, TCP states, last use, counters of service and server, weight, schedule and insert on a miss
//   tunnel      the same, and IP-in-IP instead of translation
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define INLINE static __always_inline
#define FRAME 60
#define BUCKETS (1u << 20)
#define RING 65536
#define SERVERS 4096

char _license[] SEC("license") = "GPL";

// ---- the frames

struct order {
	__u64 next, flows, first;
	__u32 destination;
	__u16 port;
	__u8 flags, unused;
};
volatile struct order order SEC(".bss.order");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} candidate SEC(".maps");

INLINE __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

SEC("xdp") int make(struct xdp_md *ctx)
{
	long length = (long)ctx->data_end - (long)ctx->data;
	if (length != FRAME && bpf_xdp_adjust_head(ctx, length - FRAME)) return XDP_ABORTED;
	char *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (data + FRAME > end) return XDP_ABORTED;
	__u64 flow = order.next;
	order.next = flow + 1 >= order.flows ? 0 : flow + 1;
	flow += order.first;
	__u32 source = bpf_htonl(0x0a000000 | (flow & 0xffffff)), destination = order.destination;
	*(__u64 *)data = 0x0202000000000a02ull; // to 02:0a:00:00:00:00
	*(__u32 *)(data + 8) = 0x0b000000;
	*(__u16 *)(data + 12) = bpf_htons(ETH_P_IP);
	*(__u32 *)(data + 14) = 0x2e000045; // 46 bytes
	*(__u32 *)(data + 18) = 0x00400000; // DF
	*(__u16 *)(data + 22) = 64 | IPPROTO_TCP << 8;
	__u32 sum = 0x0045 + 0x2e00 + 0x0040 + (64 | IPPROTO_TCP << 8);
	sum += (source & 0xffff) + (source >> 16) + (destination & 0xffff) + (destination >> 16);
	*(__u16 *)(data + 24) = ~fold(sum);
	*(__u32 *)(data + 26) = source;
	*(__u32 *)(data + 30) = destination;
	*(__u16 *)(data + 34) = bpf_htons(1024 + (flow >> 24));
	*(__u16 *)(data + 36) = order.port;
	*(__u64 *)(data + 38) = 0x1122334455667788ull;
	*(__u16 *)(data + 46) = 0x0050 | order.flags << 8;
	*(__u16 *)(data + 48) = 0xffff;
	*(__u32 *)(data + 50) = 0xbeef;
	bpf_tail_call(ctx, &candidate, 0);
	return XDP_ABORTED;
}
SEC("xdp") int send(struct xdp_md *ctx) { return XDP_TX; }
SEC("xdp") int pass(struct xdp_md *ctx) { return XDP_PASS; }

// ---- the load balancer

struct connection { // two to a cache line
	__u64 addresses, ports;
	__u32 server_address;
	__u16 server_port, state;
	__u32 used;
	__u16 service, server;
};
struct bucket { struct connection at[2]; };
struct bucket table[BUCKETS] SEC(".bss.table") __attribute__((aligned(64)));
__u16 ring[RING] SEC(".bss.ring"); // servers, in the order they take turns

struct server { __u32 address; __u16 port, weight; __u8 mac[8]; };
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SERVERS);
	__type(key, __u32);
	__type(value, struct server);
} servers SEC(".maps");

struct service_key { __u32 address; __u16 port, protocol; };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct service_key);
	__type(value, __u32);
} services SEC(".maps");

struct counter { __u64 packets, bytes; };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * SERVERS);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

// next state by state and event: SYN, other, FIN, RST
const volatile __u8 next_state[16][4] = { { 1, 2, 3, 4 }, { 1, 2, 3, 4 }, { 2, 2, 3, 4 }, { 3, 2, 3, 4 },
	{ 4, 2, 3, 4 }, { 5, 2, 3, 4 }, { 6, 2, 3, 4 }, { 7, 2, 3, 4 }, { 8, 2, 3, 4 } };

INLINE __u32 hash(__u64 a, __u64 b)
{
	__u64 x = a * 0x9e3779b97f4a7c15ull + b;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ull;
	return x >> 40;
}

INLINE int count(__u32 row, __u64 bytes)
{
	struct counter *counter = bpf_map_lookup_elem(&counters, &row);
	if (!counter) return 0;
	counter->packets++;
	counter->bytes += bytes;
	return 1;
}

INLINE int translate(struct ethhdr *eth, struct iphdr *ip, struct tcphdr *tcp, struct connection *to, const __u8 *mac)
{
	__u32 was = ip->daddr, is = to->server_address;
	__u32 delta = (~was & 0xffff) + (~was >> 16) + (is & 0xffff) + (is >> 16);
	__u32 ports = (__u16)~tcp->dest + to->server_port;
	ip->check = ~fold((__u16)~ip->check + delta);
	tcp->check = ~fold((__u16)~tcp->check + delta + ports);
	ip->daddr = is;
	tcp->dest = to->server_port;
	__builtin_memcpy(eth->h_source, eth->h_dest, 6);
	__builtin_memcpy(eth->h_dest, mac, 6);
	return XDP_TX;
}

INLINE int encapsulate(struct xdp_md *ctx, __u32 destination)
{
	char *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 length = end - data - 14 + 20;
	if (bpf_xdp_adjust_head(ctx, -20)) return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + 54 > end) return XDP_DROP;
	*(__u64 *)data = *(__u64 *)(data + 20);
	*(__u32 *)(data + 8) = *(__u32 *)(data + 28);
	*(__u16 *)(data + 12) = bpf_htons(ETH_P_IP);
	__u32 *outer = (void *)(data + 14), source = 0x010010ac;
	outer[0] = 0x45 | bpf_htons(length) << 16;
	outer[1] = 0;
	outer[2] = 64 | IPPROTO_IPIP << 8;
	outer[3] = source;
	outer[4] = destination;
	__u32 sum = 0x45 + bpf_htons(length) + (64 | IPPROTO_IPIP << 8) + (source & 0xffff) + (source >> 16);
	*(__u16 *)(data + 24) = ~fold(sum + (destination & 0xffff) + (destination >> 16));
	return XDP_TX;
}

INLINE int balance(struct xdp_md *ctx, int is_tunnel)
{
	char *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 length = end - data;
	if (data + 54 > end) return XDP_PASS;
	struct ethhdr *eth = (void *)data;
	struct iphdr *ip = (void *)(data + 14);
	struct tcphdr *tcp = (void *)(data + 34);
	if (eth->h_proto != bpf_htons(ETH_P_IP) || *(__u8 *)ip != 0x45 || ip->protocol != IPPROTO_TCP) return XDP_PASS;
	if (ip->frag_off & bpf_htons(0x3fff)) return XDP_PASS;
	__u64 addresses = *(__u64 *)&ip->saddr, ports = *(__u32 *)tcp | (__u64)ip->protocol << 32;
	__u8 flags = ((__u8 *)tcp)[13];
	__u32 event = flags & 4 ? 3 : flags & 2 ? 0 : flags & 1 ? 2 : 1, now = bpf_jiffies64();
	__u32 place = hash(addresses, ports);
	struct bucket *bucket = &table[place & (BUCKETS - 1)];
	struct connection *to;
	if (bucket->at[0].addresses == addresses && bucket->at[0].ports == ports) to = &bucket->at[0];
	else if (bucket->at[1].addresses == addresses && bucket->at[1].ports == ports) to = &bucket->at[1];
	else {
		struct service_key key = { ip->daddr, tcp->dest, ip->protocol };
		__u32 *service = bpf_map_lookup_elem(&services, &key);
		if (!service) return XDP_PASS;
		__u32 row = ring[(place >> 4 ^ (__u32)ports) & (RING - 1)];
		struct server *chosen = bpf_map_lookup_elem(&servers, &row);
		if (!chosen) return XDP_DROP;
		to = bucket->at[0].used <= bucket->at[1].used ? &bucket->at[0] : &bucket->at[1];
		to->addresses = addresses;
		to->server_address = chosen->address;
		to->server_port = chosen->port;
		to->state = 0;
		to->service = *service;
		to->server = row;
		to->ports = ports;
	}
	to->state = next_state[to->state & 15][event];
	to->used = now;
	__u32 row = to->server;
	struct server *server = bpf_map_lookup_elem(&servers, &row);
	if (!server || !server->weight) return XDP_DROP;
	if (!count(row, length) || !count(SERVERS + to->service, length)) return XDP_DROP;
	return is_tunnel ? encapsulate(ctx, to->server_address) : translate(eth, ip, tcp, to, server->mac);
}
SEC("xdp") int nat(struct xdp_md *ctx) { return balance(ctx, 0); }
SEC("xdp") int tunnel(struct xdp_md *ctx) { return balance(ctx, 1); }
