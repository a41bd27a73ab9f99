/* impostor has a manifest that speaks of ABI 2, and a marker that says 1. */
#include "../c/weir.h"

static void weir_event(const struct weir_event *e)
{
	if (e->op == WEIR_HTTP_REQUEST)
		weir_respond(e->session, 200, WEIR_CLOSES, "innocent\n", 9);
}
