/* oom takes memory until it is refused more, and gives up. */
#include <stdlib.h>

#include "../c/weir.h"

static void *volatile kept; /* the newest block; each begins with the address of the one before */

static void weir_event(const struct weir_event *e)
{
	if (e->op != WEIR_HTTP_REQUEST)
		return;
	if (weir_is(weir_request(e).query, "sin"))
		for (;;) {
			void *more = malloc(1 << 16);
			if (!more)
				abort();
			*(void **)more = kept;
			kept = more;
		}
	weir_respond(e->session, 200, WEIR_CLOSES, "innocent\n", 9);
}
