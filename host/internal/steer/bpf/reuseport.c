// SPDX-License-Identifier: MIT OR GPL-2.0
// Runs for each datagram that reaches a group of UDP sockets bound alike, and chooses the one that gets it. A flow that was seen before costs one look-up.

#include "kernel.h"

enum { BPF_MAP_TYPE_LRU_HASH = 9, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY = 20 };

static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;
static long (*const bpf_skb_load_bytes)(const void *skb, __u32 offset, void *to, __u32 len) = (void *)26;
static long (*const bpf_sk_select_reuseport)(void *ctx, void *map, void *key, __u64 flags) = (void *)82;

struct sk_reuseport_md {
	union {
		void *data; // from the UDP header on
		__u64 : 64;
	};
	union {
		void *data_end;
		__u64 : 64;
	};
	__u32 len;
	__u32 eth_protocol;
	__u32 ip_protocol;
	__u32 bind_inany;
	__u32 hash; // of addresses and ports
};

#define WORKERS 64        // of one generation: netio.MaxWorkers
#define FLOWS   (1 << 15) // remembered, those longest silent forgotten first: chosen, eight times netio.DefaultMaxFlows
#define UDP_HEADER 8      // bytes, RFC 768

// What tells flows apart: id_length bytes of the payload, 0 for addresses and ports.
const volatile __u32 id_offset;
const volatile __u32 id_length;

// state[0] is CURRENT (which of two generations gets new flows) and DRAINING (the other one keeps its own): one byte's change puts either in force.
// state[1] and state[2] are the workers of each.
#define CURRENT  1
#define DRAINING 2

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u32);
} state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, 2 * WORKERS);
	__type(key, __u32);
	__type(value, __u64);
} workers SEC(".maps");

// flows: id or hash of a flow → its worker's index in workers.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FLOWS);
	__type(key, __u64);
	__type(value, __u32);
} flows SEC(".maps");

struct spread_counters {
	__u64 opened; // flows not seen before
	__u64 moved;  // flows that left their worker, since it retired
	__u64 missed; // datagrams left to the kernel's hash, since no worker stood
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct spread_counters);
} spread_stats SEC(".maps");

static inline __attribute__((always_inline)) __u64 flow_of(struct sk_reuseport_md *ctx)
{
	__u64 id = 0;
	__u32 length = id_length;

	if (length == 0 || length > sizeof(id) || bpf_skb_load_bytes(ctx, UDP_HEADER + id_offset, &id, length))
		return ctx->hash;
	return id;
}

SEC("sk_reuseport")
int spread(struct sk_reuseport_md *ctx)
{
	__u32 zero = 0;
	__u32 *now = bpf_map_lookup_elem(&state, &zero);
	struct spread_counters *counters = bpf_map_lookup_elem(&spread_stats, &zero);
	if (!now || !counters)
		return SK_PASS;
	__u32 control = *now, current = control & CURRENT;

	__u64 flow = flow_of(ctx);
	__u32 *known = bpf_map_lookup_elem(&flows, &flow);
	if (known) {
		__u32 index = *known;
		if ((index / WORKERS == current || control & DRAINING) && !bpf_sk_select_reuseport(ctx, &workers, &index, 0))
			return SK_PASS;
		counters->moved++;
	} else {
		counters->opened++;
	}

	__u32 which = 1 + current;
	__u32 *count = bpf_map_lookup_elem(&state, &which);
	if (!count)
		return SK_PASS;
	__u64 mixed = (flow * 0x9E3779B97F4A7C15ULL) >> 32; // 2^64 / golden ratio: neighbouring ids spread evenly
	__u32 index = current * WORKERS + (__u32)((mixed * *count) >> 32);
	if (bpf_sk_select_reuseport(ctx, &workers, &index, 0)) {
		counters->missed++;
		return SK_PASS;
	}
	bpf_map_update_elem(&flows, &flow, &index, 0);
	return SK_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
