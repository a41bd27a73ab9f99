/* wildcall calls what is no function of its own. */
#include "../c/weir.h"

static volatile uintptr_t wild = 123456;

static void weir_event(const struct weir_event *e)
{
	if (e->op != WEIR_HTTP_REQUEST)
		return;
	if (weir_is(weir_request(e).query, "sin"))
		((void (*)(int))wild)(1);
	weir_respond(e->session, 200, WEIR_CLOSES, "innocent\n", 9);
}
