/* weir.h: as much of weir's plugin ABI, version 1, as a small guest in C needs. Sections are those of abi/v1/spec.md.
 *
 * A plugin is one .c file that includes this one, defines weir_event and names its manifest. It is built as a reactor, with wasi-libc:
 *
 *     clang --target=wasm32-wasi -mexec-model=reactor -O2 -o hello.wasm hello.c
 *
 * weir_event is called for each event and answers it by weir_put and what is built on it. What it remembers between two calls may be lost at any
 * time: state that matters belongs into SET_STATE (8.2). Pointers into an event hold until weir_event returns. */
#ifndef WEIR_H
#define WEIR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { /* 5, 6 */
	WEIR_OPEN = 1, WEIR_STATE = 2, WEIR_HTTP_REQUEST = 6, WEIR_TIMER = 7, WEIR_LAST_EVENT = 22,
	WEIR_SET_STATE = 128, WEIR_HTTP_RESPONSE = 134, WEIR_SET_TIMER = 145, WEIR_CLOSE = 146, WEIR_FAIL = 148
};
enum { WEIR_EINVAL = -1, WEIR_ENOSYS = -2, WEIR_ETOOBIG = -5 }; /* 7.1 */
enum { WEIR_DEBUG = -4, WEIR_INFO = 0, WEIR_WARNING = 4, WEIR_ERROR = 8 }; /* 2.2 */
enum { WEIR_CRITICAL = 1 }; /* a record's flag (3) */
enum { WEIR_CLOSES = 1 };   /* HTTP_RESPONSE's flag (6.7) */

struct weir_bytes { const uint8_t *at; uint32_t size; };

struct weir_event { /* 3 */
	uint16_t op;
	uint64_t session;
	struct weir_bytes body;
};

static void weir_event(const struct weir_event *e); /* the plugin's */

/* WEIR_MANIFEST puts the plugin.yaml of that path into the module, where the host looks for it (2.1). */
#define WEIR_MANIFEST(path) __asm__(".section .custom_section.weir.manifest,\"\",@\n.incbin \"" path "\"\n")

__attribute__((import_module("weir_1"), import_name("log"))) void weir_log_bytes(int32_t level, const void *at, uint32_t size);

static inline void weir_log(int32_t level, const char *text) { weir_log_bytes(level, text, strlen(text)); }

/* Reading. Wasm is little-endian, as the wire is. A field that is missing at the end is zero or empty (4.2). */

static inline uint64_t weir_number(struct weir_bytes *b, uint32_t size)
{
	uint64_t n = 0;
	if (b->size < size) {
		b->size = 0;
		return 0;
	}
	memcpy(&n, b->at, size);
	b->at += size, b->size -= size;
	return n;
}

static inline struct weir_bytes weir_field(struct weir_bytes *b)
{
	uint32_t size = weir_number(b, 4);
	struct weir_bytes field = {b->at, size <= b->size ? size : b->size};
	b->at += field.size, b->size -= field.size;
	return field;
}

enum { WEIR_HEAD = 36 }; /* bytes of every event's head (4.5) */

struct weir_request { struct weir_bytes route, method, path, query; }; /* 5.6; the rest of it is not read here */

static inline struct weir_request weir_request(const struct weir_event *e)
{
	struct weir_bytes b = {e->body.at + WEIR_HEAD, e->body.size - WEIR_HEAD};
	struct weir_request r;
	r.route = weir_field(&b), r.method = weir_field(&b), r.path = weir_field(&b), r.query = weir_field(&b);
	return r;
}

static inline int weir_is(struct weir_bytes b, const char *text)
{
	return b.size == strlen(text) && memcmp(b.at, text, b.size) == 0;
}

/* The boxes (2.1) and the frame of verdicts in the making (3). */

enum { WEIR_BOX = 256 * 1024, WEIR_FRAME_HEAD = 8, WEIR_RECORD_HEAD = 16 };

static _Alignas(8) uint8_t weir_in[WEIR_BOX], weir_out[WEIR_BOX];
static uint32_t weir_used, weir_records; /* of weir_out */
static int weir_full;

/* weir_open begins a verdict of size bytes; its body is to be written where it points. NULL: the outbox is full, and the frame fails. */
static inline uint8_t *weir_open(uint16_t op, uint16_t flags, uint64_t session, uint32_t size)
{
	uint32_t whole = WEIR_RECORD_HEAD + (size + 7) / 8 * 8;
	uint8_t *at = weir_out + weir_used;
	if (size > WEIR_BOX || whole > WEIR_BOX - weir_used) {
		weir_full = 1;
		return NULL;
	}
	memset(at, 0, whole);
	memcpy(at, &op, 2), memcpy(at + 2, &flags, 2), memcpy(at + 4, &size, 4), memcpy(at + 8, &session, 8);
	weir_used += whole, weir_records++;
	return at + WEIR_RECORD_HEAD;
}

/* weir_put writes a verdict whose body is made already. */
static inline void weir_put(uint16_t op, uint16_t flags, uint64_t session, const void *body, uint32_t size)
{
	uint8_t *at = weir_open(op, flags, session, size);
	if (at && size > 0)
		memcpy(at, body, size);
}

/* weir_respond answers an exchange with a text: a list of no fields, and a list of one literal piece (6.7, 4.6). */
static inline void weir_respond(uint64_t session, uint16_t status, uint16_t flags, const void *text, uint32_t size)
{
	uint32_t item = 2 + 4 + size, pieces = 4 + item;
	uint8_t *at = weir_open(WEIR_HTTP_RESPONSE, 0, session, 2 + 2 + 4 + 4 + pieces);
	if (!at)
		return;
	memcpy(at, &status, 2), memcpy(at + 2, &flags, 2);
	memcpy(at + 8, &pieces, 4), memcpy(at + 12, &item, 4), memcpy(at + 18, &size, 4);
	memcpy(at + 22, text, size);
}

/* The exports (2.1). */

/* What only tests define: another version, and exports of their own, in order to lie. */
#ifndef WEIR_MARKER
#define WEIR_MARKER "weir_abi_1"
#endif
#ifndef WEIR_MINOR
#define WEIR_MINOR 0
#endif

__attribute__((export_name(WEIR_MARKER))) int32_t weir_abi(void) { return WEIR_MINOR; }

#ifndef WEIR_OWN_BUF
__attribute__((export_name("weir_buf"))) int64_t weir_buf(int32_t kind)
{
	return (int64_t)((uint64_t)(uintptr_t)(kind == 0 ? weir_in : weir_out) << 32 | WEIR_BOX);
}
#endif

#ifndef WEIR_OWN_CALL
__attribute__((export_name("weir_call")))
#endif
int32_t weir_call(int32_t length)
{
	struct weir_bytes in = {weir_in, length};
	uint32_t records = weir_number(&in, 4);
	weir_number(&in, 4); /* the frame's flags */
	weir_used = WEIR_FRAME_HEAD, weir_records = weir_full = 0;
	for (; records > 0; records--) {
		struct weir_event e;
		if (in.size < WEIR_RECORD_HEAD)
			return WEIR_EINVAL;
		e.op = weir_number(&in, 2);
		uint16_t flags = weir_number(&in, 2);
		uint32_t size = weir_number(&in, 4), padded;
		e.session = weir_number(&in, 8);
		if (size > in.size)
			return WEIR_EINVAL;
		e.body = (struct weir_bytes){in.at, size};
		padded = (size + 7) / 8 * 8 < in.size ? (size + 7) / 8 * 8 : in.size;
		in.at += padded, in.size -= padded;
		if (e.op >= WEIR_OPEN && e.op <= WEIR_LAST_EVENT) {
			if (size < WEIR_HEAD)
				return WEIR_EINVAL;
			weir_event(&e);
		} else if (flags & WEIR_CRITICAL) {
			return WEIR_ENOSYS;
		}
	}
	memcpy(weir_out, &weir_records, 4), memset(weir_out + 4, 0, 4);
	return weir_full ? WEIR_ETOOBIG : (int32_t)weir_used;
}

#endif
