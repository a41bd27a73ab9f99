/* scribble writes over all of its own memory: boxes, globals and stack. */
#define WEIR_OWN_CALL
#include "../c/weir.h"

static int sinned;

static void weir_event(const struct weir_event *e)
{
	if (e->op != WEIR_HTTP_REQUEST)
		return;
	if (weir_is(weir_request(e).query, "sin"))
		sinned = 1;
	weir_respond(e->session, 200, WEIR_CLOSES, "innocent\n", 9);
}

__attribute__((export_name("weir_call"))) int32_t answer(int32_t length)
{
	int32_t size = weir_call(length);
	if (sinned)
		memset((void *)4, 0xFF, __builtin_wasm_memory_size(0) * 65536 - 4);
	return size;
}
