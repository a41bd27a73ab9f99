/* longrecord says that a verdict is longer than the frame that it stands in. */
#include "../c/weir.h"

static void weir_event(const struct weir_event *e)
{
	if (e->op != WEIR_HTTP_REQUEST)
		return;
	if (weir_is(weir_request(e).query, "sin")) {
		uint32_t size = 1 << 20;
		uint8_t *body = weir_open(WEIR_HTTP_RESPONSE, 0, e->session, 8);
		memcpy(body - WEIR_RECORD_HEAD + 4, &size, 4);
		return;
	}
	weir_respond(e->session, 200, WEIR_CLOSES, "innocent\n", 9);
}
