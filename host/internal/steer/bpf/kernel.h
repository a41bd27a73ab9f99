/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* What the programs use of the kernel's interface (include/uapi/linux/bpf.h, which never changes it), so that building them needs clang alone. */
#pragma once

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;

#define SEC(name) __attribute__((section(name), used))
/* A map's definition is a struct that is never filled: the loader reads the types of its members. */
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name

enum { SK_DROP, SK_PASS };
enum { AF_INET = 2, AF_INET6 = 10 };
enum { IPPROTO_TCP = 6, IPPROTO_UDP = 17 };

/* enum bpf_map_type, and flags of a map's creation */
enum { BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_MAP_TYPE_LPM_TRIE = 11, BPF_MAP_TYPE_SOCKMAP = 15 };
enum { BPF_F_NO_PREALLOC = 1 };

struct bpf_sock;

/* Helpers, by their numbers in enum bpf_func_id. */
static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_sk_release)(void *sock) = (void *)86;
static long (*const bpf_sk_assign)(void *ctx, void *sk, __u64 flags) = (void *)124;

struct bpf_sk_lookup {
	union {
		struct bpf_sock *sk;
		__u64 cookie;
	};
	__u32 family;
	__u32 protocol;
	__u32 remote_ip4;    /* network byte order, as all addresses here */
	__u32 remote_ip6[4];
	__u16 remote_port;   /* network byte order */
	__u16 : 16;
	__u32 local_ip4;
	__u32 local_ip6[4];
	__u32 local_port;    /* host byte order */
	__u32 ingress_ifindex;
};
