/* hello answers GET /hello-c with the query that it was asked with: the smallest plugin in C. */
#include "weir.h"

WEIR_MANIFEST("plugin.yaml");

static const char greeting[] = "hello from C";

static void weir_event(const struct weir_event *e)
{
	char text[256];
	uint32_t size = sizeof greeting - 1;
	if (e->op != WEIR_HTTP_REQUEST)
		return;
	struct weir_request r = weir_request(e);
	memcpy(text, greeting, size);
	if (r.query.size > 0 && r.query.size < sizeof text - size - 2) {
		memcpy(text + size, ", ", 2), size += 2;
		memcpy(text + size, r.query.at, r.query.size), size += r.query.size;
	}
	text[size++] = '\n';
	weir_respond(e->session, 200, 0, text, size);
}
