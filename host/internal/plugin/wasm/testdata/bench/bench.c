// The C half of the meter's workloads. Build: clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -Wl,--export-dynamic -o bench.wasm bench.c
#define EXPORT __attribute__((visibility("default")))

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

static u8 buffer[1 << 20];

EXPORT void prepare(void) {
	for (u32 i = 0; i < sizeof buffer; i++)
		buffer[i] = i % 188 == 0 ? 0x47 : (u8)(i * 2654435761u >> 24);
}

EXPORT u32 noop(void) { return 1; }

EXPORT u32 loop(void) {
	u32 x = 1;
	for (u32 i = 0; i < 1000000; i++)
		x = x * 1664525 + 1013904223 ^ i;
	return x;
}

EXPORT u32 sum(void) {
	u32 s = 0;
	const volatile u8 *p = buffer; // a byte a turn, as written
	for (u32 i = 0; i < sizeof buffer; i++)
		s += p[i];
	return s;
}

static u32 timestamps(const u8 *p, u32 n) {
	if (n < 19 || p[0] != 0 || p[1] != 0 || p[2] != 1)
		return 0;
	return p[9] << 22 | p[10] << 14 | p[11] << 7 | p[12];
}

// parse walks transport stream packets: headers, adaptation fields, clock references, beginnings of PES packets.
EXPORT u64 parse(void) {
	u64 seen = 0;
	static u8 counters[8192];
	for (u32 at = 0; at + 188 <= sizeof buffer; at += 188) {
		const u8 *p = buffer + at;
		if (p[0] != 0x47)
			return 0;
		u32 pid = (p[1] & 0x1f) << 8 | p[2], start = p[1] & 0x40, body = 4;
		if (p[3] & 0x20) {
			body += 1 + p[4];
			if (p[4] >= 7 && p[5] & 0x10)
				seen += (u64)p[6] << 25 | p[7] << 17 | p[8] << 9 | p[9] << 1 | p[10] >> 7;
		}
		if (p[3] & 0x10 && body < 188) {
			if (counters[pid] != (p[3] & 0xf))
				seen++;
			counters[pid] = (p[3] + 1) & 0xf;
			if (start)
				seen += timestamps(p + body, 188 - body);
		}
	}
	return seen;
}

static u32 __attribute__((noinline)) fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

EXPORT u32 recurse(void) {
	volatile u32 n = 20;
	return fib(n);
}
