/* oldabi speaks a major version that this host does not speak any more. */
#define WEIR_MARKER "weir_abi_0"
#include "../c/weir.h"

static void weir_event(const struct weir_event *e)
{
	if (e->op != WEIR_HTTP_REQUEST)
		return;
	weir_respond(e->session, 200, WEIR_CLOSES, "innocent\n", 9);
}
