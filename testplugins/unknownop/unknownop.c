/* unknownop answers with a verdict that no host knows: one to skip each time, one that must not be skipped as its sin. */
#include "../c/weir.h"

enum { UNKNOWN = 247 };

static void weir_event(const struct weir_event *e)
{
	if (e->op != WEIR_HTTP_REQUEST)
		return;
	weir_put(UNKNOWN, weir_is(weir_request(e).query, "sin") ? WEIR_CRITICAL : 0, e->session, "what", 4);
	weir_respond(e->session, 200, WEIR_CLOSES, "innocent\n", 9);
}
