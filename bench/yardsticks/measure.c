// Nanoseconds a frame of XDP programs, in turns, under BPF_PROG_TEST_RUN.
//
//   measure YARDSTICKS.o ROUNDS REPEAT CPU FLOWS NAME=PINNED…  prints a line of JSON for each measurement
//
// Every iteration runs `make` (yardsticks.bpf.c), which writes a fresh frame of the next flow and tail-calls the
// candidate: the yardsticks, and every program pinned in bpffs that is named. Time is this thread's CPU time; what `make`
// with an empty program takes is in the output as `send` and `pass`. A candidate's flows are opened by a SYN each before
// they are measured with ACKs. `new` is a SYN of a flow that was never seen. With FLOWS connections at most; below a million none are
// opened.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CANDIDATES_MAX 16
#define SYN 2
#define ACK 16

struct order { __u64 next, flows, first; __u32 destination; __u16 port; __u8 flags, unused; };
struct server { __u32 address; __u16 port, weight; __u8 mac[8]; };
struct service_key { __u32 address; __u16 port, protocol; };

static struct { const char *name; int fd; } candidates[CANDIDATES_MAX];
static int count, order_map, candidate_map, make;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double cpu_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static double run(int fd, __u64 flows, __u64 first, __u32 destination, __u8 flags, __u32 repeat, __u32 *result)
{
	struct order order = { 0, flows, first, destination, htons(80), flags, 0 };
	__u32 zero = 0;
	char frame[60] = { 0 };
	if (bpf_map_update_elem(order_map, &zero, &order, 0)) fail("order");
	if (bpf_map_update_elem(candidate_map, &zero, &fd, 0)) fail("candidate");
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof frame, .repeat = repeat);
	double before = cpu_ns();
	if (bpf_prog_test_run_opts(make, &options)) fail("test run");
	*result = options.retval;
	return (cpu_ns() - before) / repeat;
}

static void measure(const char *scenario, __u64 flows, __u32 destination, __u8 flags, __u32 repeat, int rounds)
{
	static __u64 unseen = 1ull << 23;
	int is_new = flags == SYN;
	__u32 result;
	for (int i = 0; i < count && !is_new; i++) {
		run(candidates[i].fd, flows, 0, destination, SYN, flows, &result);
		run(candidates[i].fd, flows, 0, destination, flags, flows > repeat ? flows : repeat, &result);
	}
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < count; i++) {
			double ns = run(candidates[i].fd, is_new ? 1ull << 40 : flows, is_new ? unseen : 0, destination, flags, repeat, &result);
			printf("{\"scenario\":\"%s\",\"candidate\":\"%s\",\"ns\":%.2f,\"result\":%u}\n", scenario, candidates[i].name, ns, result);
		}
		unseen += repeat; // the same ones for each candidate: tables are their own
		fflush(stdout);
	}
}

int main(int words, char **word)
{
	if (words < 6) return fprintf(stderr, "measure YARDSTICKS.o ROUNDS REPEAT CPU FLOWS NAME=PINNED...\n"), 2;
	int rounds = atoi(word[2]), most = atoi(word[5]);
	__u32 repeat = atoi(word[3]), zero = 0, vip = inet_addr("10.200.1.1"), service = 1;
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(atoi(word[4]), &one);
	if (sched_setaffinity(0, sizeof one, &one)) fail("affinity");
	struct bpf_object *object = bpf_object__open_file(word[1], 0);
	if (!object) fail("yardsticks");
	// A program array takes only programs that are to be attached alike.
	struct bpf_program *program;
	bpf_object__for_each_program(program, object) bpf_program__set_expected_attach_type(program, 0);
	if (bpf_object__load(object)) fail("yardsticks");
	order_map = bpf_object__find_map_fd_by_name(object, ".bss.order");
	candidate_map = bpf_object__find_map_fd_by_name(object, "candidate");
	make = bpf_program__fd(bpf_object__find_program_by_name(object, "make"));
	const char *own[] = { "send", "pass", "nat", "tunnel" };
	for (int i = 0; i < 4; i++) {
		candidates[count].name = own[i];
		candidates[count++].fd = bpf_program__fd(bpf_object__find_program_by_name(object, own[i]));
	}
	for (int i = 6; i < words && count < CANDIDATES_MAX; i++) {
		char *path = strchr(word[i], '=');
		if (!path) return fprintf(stderr, "NAME=PINNED, not %s\n", word[i]), 2;
		*path++ = 0;
		candidates[count].name = word[i];
		if ((candidates[count++].fd = bpf_obj_get(path)) < 0) fail(path);
	}
	struct service_key key = { vip, htons(80), 6 };
	bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "services"), &key, &service, 0);
	for (__u32 i = 0; i < 100; i++) {
		struct server server = { htonl(0x0a640001 + i), htons(8080), 1, { 2, 0, 0, 0, 1, i } };
		bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "servers"), &i, &server, 0);
	}
	static __u16 ring[65536];
	for (int i = 0; i < 65536; i++) ring[i] = rand() % 100;
	bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, ".bss.ring"), &zero, ring, 0);
	measure("not a VIP", 1, inet_addr("10.200.9.9"), ACK, repeat, rounds);
	measure("1 flow", 1, vip, ACK, repeat, rounds);
	if (most >= 10000) measure("10k flows", 10000, vip, ACK, repeat, rounds);
	if (most >= 100000) measure("100k flows", 100000, vip, ACK, repeat, rounds);
	if (most < 1000000) return 0;
	measure("1M flows", 1000000, vip, ACK, repeat, rounds);
	// Half a million in all: above one and a half of them neighbourhoods are full, and what is refused costs nothing.
	__u32 fresh = 500000 / (rounds < 1 ? 1 : rounds);
	measure("new flows", 1ull << 40, vip, SYN, repeat / 4 < fresh ? repeat / 4 : fresh, rounds);
	return 0;
}
