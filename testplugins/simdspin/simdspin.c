/* simdspin runs for ever in a loop of vector instructions. */
#include <wasm_simd128.h>

#include "../c/weir.h"

static volatile int lane;

static void spin(void)
{
	v128_t a = wasm_i32x4_splat(lane), b = wasm_i32x4_const(1, 2, 3, 4);
	while (!wasm_v128_any_true(wasm_i32x4_eq(a, wasm_i32x4_splat(0))) || lane == 0)
		a = wasm_v128_or(wasm_i32x4_add(a, b), wasm_i32x4_splat(1));
	lane = wasm_i32x4_extract_lane(a, 0);
}

static void weir_event(const struct weir_event *e)
{
	if (e->op != WEIR_HTTP_REQUEST)
		return;
	if (weir_is(weir_request(e).query, "sin"))
		spin();
	weir_respond(e->session, 200, WEIR_CLOSES, "innocent\n", 9);
}
