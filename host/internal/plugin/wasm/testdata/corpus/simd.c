// Vectors, bulk operations, indirect calls and recursion in C, for comparing metered with plain.
// Build: clang --target=wasm32 -O2 -msimd128 -mbulk-memory -nostdlib -Wl,--no-entry -Wl,--export-dynamic -o simd.wasm simd.c
#include <wasm_simd128.h>

#define EXPORT __attribute__((visibility("default")))
typedef unsigned int u32;
typedef unsigned long long u64;

static u32 words[4096];
static float floats[1024];

static void fill(u32 seed) {
	for (u32 i = 0; i < 4096; i++)
		words[i] = seed = seed * 1664525 + 1013904223;
	for (u32 i = 0; i < 1024; i++)
		floats[i] = (float)(int)words[i] / 65536.0f;
}

static u64 lanes(u32 seed) {
	v128_t sum = wasm_i32x4_splat(seed), product = wasm_f32x4_splat(1.5f);
	for (u32 i = 0; i < 4096; i += 4) {
		v128_t v = wasm_v128_load(&words[i]);
		v128_t mixed = wasm_i8x16_shuffle(v, sum, 3, 18, 1, 16, 7, 22, 5, 20, 11, 26, 9, 24, 15, 30, 13, 28);
		sum = wasm_i32x4_add(sum, wasm_v128_xor(mixed, wasm_i32x4_shl(v, i & 31)));
		sum = wasm_v128_bitselect(sum, wasm_i16x8_mul(v, mixed), wasm_i8x16_gt(v, mixed));
		wasm_v128_store(&words[i], wasm_u8x16_avgr(sum, v));
	}
	for (u32 i = 0; i < 1024; i += 4) {
		v128_t f = wasm_v128_load(&floats[i]);
		product = wasm_f32x4_add(wasm_f32x4_mul(product, wasm_f32x4_const(0.5f, 0.25f, 2.0f, 0.75f)), wasm_f32x4_sqrt(wasm_f32x4_abs(f)));
		product = wasm_f32x4_pmin(product, wasm_f32x4_convert_i32x4(wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_ceil(f))));
	}
	return wasm_i64x2_extract_lane(sum, 0) ^ wasm_i64x2_extract_lane(sum, 1) ^ wasm_i32x4_extract_lane(product, 2) ^
	       wasm_i8x16_bitmask(sum) ^ (u64)wasm_i16x8_all_true(product) << 40;
}

static u64 scalar(u32 seed) {
	u64 h = 14695981039346656037ull ^ seed;
	for (u32 i = 0; i < 4096; i++)
		h = (h ^ words[i]) * 1099511628211ull;
	return h;
}

static u64 __attribute__((noinline)) depth(u32 n) { return n == 0 ? 1 : n % 3 == 0 ? depth(n - 1) * 31 + words[n & 4095] : depth(n - 1) ^ n; }

static u64 bulk(u32 seed) {
	__builtin_memset(words, (int)seed, 4096);
	__builtin_memcpy((char *)words + 4096, (char *)words + 1, 2000 + (seed & 255));
	__builtin_memmove((char *)words + 4000, (char *)words + 3900, 3000);
	return scalar(seed);
}

static u64 (*const steps[])(u32) = {lanes, scalar, depth, bulk};

EXPORT u64 run(u32 seed) {
	fill(seed);
	u64 result = 0;
	for (u32 i = 0; i < 16; i++)
		result = result * 31 + steps[(seed >> i) & 3]((seed * (i + 1)) % 2000);
	return result;
}

EXPORT u32 grow(u32 pages) {
	u32 before = (u32)__builtin_wasm_memory_grow(0, pages);
	if (before != -1u)
		__builtin_memset((void *)(before << 16), 0x5a, pages << 16);
	return before;
}
