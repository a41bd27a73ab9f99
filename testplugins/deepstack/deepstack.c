/* deepstack recurses with frames of 32 KiB: the stack that C keeps in memory runs into everything else. */
#include "../c/weir.h"

static volatile int sum;

#pragma clang diagnostic ignored "-Winfinite-recursion"
__attribute__((noinline)) static int down(int n)
{
	volatile uint8_t room[32 << 10];
	room[n % sizeof room] = n;
	return down(n + 1) + room[(n + 1) % sizeof room];
}

static void weir_event(const struct weir_event *e)
{
	if (e->op != WEIR_HTTP_REQUEST)
		return;
	if (weir_is(weir_request(e).query, "sin"))
		sum = down(1);
	weir_respond(e->session, 200, WEIR_CLOSES, "innocent\n", 9);
}
