/* newerminor comes from a later minor version: it answers with an op and with a field that version 1.0 does not have. */
#define WEIR_MINOR 7
#include "../c/weir.h"

enum { NEWER_VERDICT = 200 };

static void weir_event(const struct weir_event *e)
{
	static const char tail[8] = "newer";
	uint16_t status = 200, flags = WEIR_CLOSES;
	uint8_t *body;
	if (e->op != WEIR_HTTP_REQUEST)
		return;
	weir_put(NEWER_VERDICT, 0, e->session, tail, sizeof tail);
	body = weir_open(WEIR_HTTP_RESPONSE, 0, e->session, 12 + sizeof tail); /* no fields, no pieces, then a field of a later minor */
	memcpy(body, &status, 2), memcpy(body + 2, &flags, 2);
	memcpy(body + 12, tail, sizeof tail);
}
