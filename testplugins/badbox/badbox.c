/* badbox says that its boxes are where it has no memory. */
#define WEIR_OWN_BUF
#include "../c/weir.h"

static void weir_event(const struct weir_event *e)
{
	if (e->op != WEIR_HTTP_REQUEST)
		return;
	weir_respond(e->session, 200, WEIR_CLOSES, "innocent\n", 9);
}

__attribute__((export_name("weir_buf"))) int64_t boxes(int32_t kind)
{
	return (int64_t)((uint64_t)(0xFFF00000 + 0x40000 * (uint64_t)kind) << 32 | WEIR_BOX);
}
