/* badptr reads, writes and copies through wild pointers. */
#include "../c/weir.h"

static volatile uintptr_t wild = 0xFFFF0000; /* far above any memory limit; volatile, so that it is not judged at compile time */

static void weir_event(const struct weir_event *e)
{
	if (e->op != WEIR_HTTP_REQUEST)
		return;
	struct weir_bytes query = weir_request(e).query;
	if (weir_is(query, "write"))
		*(volatile uint64_t *)wild = 1;
	if (weir_is(query, "read"))
		weir_respond(e->session, 200, 0, (const void *)wild, 100);
	if (weir_is(query, "copy"))
		memmove(weir_out, (const void *)wild, sizeof weir_out);
	if (weir_is(query, "fill"))
		memset((void *)wild, 1, 1 << 20);
	weir_respond(e->session, 200, WEIR_CLOSES, "innocent\n", 9);
}
