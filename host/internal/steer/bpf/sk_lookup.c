// SPDX-License-Identifier: MIT OR GPL-2.0
// Runs for each look-up of a listening TCP socket or an unconnected UDP socket in its network namespace. A port without a rule costs two array reads.

#include "kernel.h"

// GENERATIONS rule sets stand in the maps: one in force, one being written. The number in force counts up, its lowest bit chooses.
#define GENERATIONS 2
#define PORTS       65536
#define PROTOCOLS   2

#define DESTINATIONS 1024    // chosen: a listener and a protocol each
#define RULES        (1 << 18) // chosen: both generations together; memory is taken as they come

#define RULE_DROP 1 // refuse, instead of falling through, while no socket stands

// APART keeps the compiler from joining two counters' code with a computed offset, which the verifier allows to programs with CAP_PERFMON only.
#define APART(name) asm volatile("# " name ::: "memory")

struct rule_key {
	__u32 prefixlen; // in bits, from generation on: 32 and the address's
	__u8 generation; // 0 or 1
	__u8 family;     // AF_INET or AF_INET6
	__u16 class;     // as in port_class
	__u32 address[4]; // network byte order; IPv4 in the first word
};

struct rule {
	__u32 destination;
	__u32 flags;
};

struct counters {
	__u64 lookups;
	__u64 misses;
	__u64 errors;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} active SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GENERATIONS * PROTOCOLS * PORTS);
	__type(key, __u32);
	__type(value, __u16);
} port_class SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, RULES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct rule_key);
	__type(value, struct rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, DESTINATIONS * 2);
	__type(key, __u32);
	__type(value, __u64); // 64 bits, so that user space reads a socket's cookie
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DESTINATIONS);
	__type(key, __u32);
	__type(value, struct counters);
} stats SEC(".maps");

static inline __attribute__((always_inline)) struct rule *find(struct bpf_sk_lookup *ctx)
{
	__u32 zero = 0, index = 0;
	struct rule_key key = {};

	if (ctx->protocol == IPPROTO_UDP)
		index = PORTS;
	else if (ctx->protocol != IPPROTO_TCP)
		return 0;
	__u32 *generation = bpf_map_lookup_elem(&active, &zero);
	if (!generation)
		return 0;
	key.generation = *generation % GENERATIONS;
	index += key.generation * PROTOCOLS * PORTS + (ctx->local_port & (PORTS - 1));

	__u16 *class = bpf_map_lookup_elem(&port_class, &index);
	if (!class || !*class)
		return 0;
	key.class = *class;
	key.family = ctx->family;
	if (key.family == AF_INET) {
		key.prefixlen = 32 + 32;
		key.address[0] = ctx->local_ip4;
	} else {
		key.prefixlen = 32 + 128;
		key.address[0] = ctx->local_ip6[0];
		key.address[1] = ctx->local_ip6[1];
		key.address[2] = ctx->local_ip6[2];
		key.address[3] = ctx->local_ip6[3];
	}
	return bpf_map_lookup_elem(&rules, &key);
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	struct rule *rule = find(ctx);
	if (!rule)
		return SK_PASS;

	__u32 destination = rule->destination;
	int otherwise = rule->flags & RULE_DROP ? SK_DROP : SK_PASS;
	struct counters *counters = bpf_map_lookup_elem(&stats, &destination);
	if (!counters)
		return otherwise;
	counters->lookups++;

	__u32 slot = destination * 2 + (ctx->family == AF_INET6);
	struct bpf_sock *sk = bpf_map_lookup_elem(&sockets, &slot);
	if (!sk) {
		counters->misses++;
		APART("misses");
		return otherwise;
	}
	long err = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	if (err) {
		counters->errors++;
		APART("errors");
		return otherwise;
	}
	return SK_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
