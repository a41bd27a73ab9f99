/* hostile calls whatever the host gives it with whatever arguments the query holds: it is the hand of host/hostile_test.go.
 *
 * The query is a list of calls, each of five numbers of 32 bits: which function, and up to four arguments. The answer is what they returned, as text. */
#include "../c/weir.h"

#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) int32_t wasi_##name

WASI(args_get)(uint32_t, uint32_t);
WASI(args_sizes_get)(uint32_t, uint32_t);
WASI(environ_get)(uint32_t, uint32_t);
WASI(environ_sizes_get)(uint32_t, uint32_t);
WASI(clock_res_get)(uint32_t, uint32_t);
WASI(clock_time_get)(uint32_t, uint64_t, uint32_t);
WASI(fd_write)(uint32_t, uint32_t, uint32_t, uint32_t);
WASI(fd_read)(uint32_t, uint32_t, uint32_t, uint32_t);
WASI(fd_prestat_get)(uint32_t, uint32_t);
WASI(path_open)(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint64_t, uint64_t, uint32_t, uint32_t);
WASI(poll_oneoff)(uint32_t, uint32_t, uint32_t, uint32_t);
WASI(random_get)(uint32_t, uint32_t);
WASI(sched_yield)(void);
WASI(sock_send)(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
__attribute__((noreturn, import_module("wasi_snapshot_preview1"), import_name("proc_exit"))) void wasi_proc_exit(uint32_t);

enum { /* as in hostile_test.go */
	LOG, ARGS_GET, ARGS_SIZES, ENVIRON_GET, ENVIRON_SIZES, CLOCK_RES, CLOCK_TIME, FD_WRITE, FD_READ, PRESTAT, PATH_OPEN, POLL, RANDOM, YIELD, SOCK_SEND, EXIT,
	GROW, FILL, STORE, REPEAT
};

static uint32_t do_one(const uint32_t c[5])
{
	switch (c[0]) {
	case LOG: weir_log_bytes(c[1], (const void *)(uintptr_t)c[2], c[3]); return 0;
	case ARGS_GET: return wasi_args_get(c[1], c[2]);
	case ARGS_SIZES: return wasi_args_sizes_get(c[1], c[2]);
	case ENVIRON_GET: return wasi_environ_get(c[1], c[2]);
	case ENVIRON_SIZES: return wasi_environ_sizes_get(c[1], c[2]);
	case CLOCK_RES: return wasi_clock_res_get(c[1], c[2]);
	case CLOCK_TIME: return wasi_clock_time_get(c[1], c[2], c[3]);
	case FD_WRITE: return wasi_fd_write(c[1], c[2], c[3], c[4]);
	case FD_READ: return wasi_fd_read(c[1], c[2], c[3], c[4]);
	case PRESTAT: return wasi_fd_prestat_get(c[1], c[2]);
	case PATH_OPEN: return wasi_path_open(c[1], c[2], c[3], c[4], c[1], c[2], c[3], c[4], c[4]);
	case POLL: return wasi_poll_oneoff(c[1], c[2], c[3], c[4]);
	case RANDOM: return wasi_random_get(c[1], c[2]);
	case YIELD: return wasi_sched_yield();
	case SOCK_SEND: return wasi_sock_send(c[1], c[2], c[3], c[4], c[4]);
	case EXIT: wasi_proc_exit(c[1]);
	case GROW: return __builtin_wasm_memory_grow(0, c[1]);
	case FILL: memset((void *)(uintptr_t)c[1], c[3], c[2]); return 0;
	case STORE: *(volatile uint32_t *)(uintptr_t)c[1] = c[2]; return 0;
	}
	return 0;
}

/* append writes a number in decimal. */
static char *append(char *at, uint32_t n)
{
	char digits[10];
	int i = 0;
	do
		digits[i++] = '0' + n % 10;
	while ((n /= 10) > 0);
	while (i > 0)
		*at++ = digits[--i];
	*at++ = ' ';
	return at;
}

static void weir_event(const struct weir_event *e)
{
	char text[1024], *at = text;
	if (e->op != WEIR_HTTP_REQUEST)
		return;
	struct weir_bytes query = weir_request(e).query;
	uint32_t c[5], times = 1;
	while (query.size >= sizeof c) {
		uint32_t result = 0;
		for (int i = 0; i < 5; i++)
			c[i] = weir_number(&query, 4);
		if (c[0] == REPEAT) { /* the next call that many times */
			times = c[1];
			continue;
		}
		for (; times > 0; times--)
			result = do_one(c);
		times = 1;
		if (at < text + sizeof text - 12)
			at = append(at, result);
	}
	weir_respond(e->session, 200, WEIR_CLOSES, text, at - text);
}
