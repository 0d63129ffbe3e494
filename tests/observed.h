/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server with a resource that can be observed, over real sockets, and observers who know just
 * enough CoAP to take part.
 */
#ifndef COAX_TEST_OBSERVED_H
#define COAX_TEST_OBSERVED_H

#include "harness.h"
#include "client.h"
#include "context.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <coax/coax.h>

/* `value`: its state, as text "value 7". */
static struct observed {
	struct coax_site *site;
	struct coax_resource *resource;
	struct coax_context *context;
	atomic_int value;
	atomic_int code; /* of renderings; 0: 2.05 */
	atomic_int renderings;
	atomic_int body_size; /* 0: only the text */
} observed;

static inline void observed_get(struct coax_responder *responder, void *arg)
{
	int code = atomic_load(&observed.code);
	size_t size = (size_t)atomic_load(&observed.body_size);
	static __thread char body[8192];
	int length;

	(void)arg;
	atomic_fetch_add(&observed.renderings, 1);
	memset(body, '.', sizeof(body));
	length = snprintf(body, sizeof(body), "value %d", atomic_load(&observed.value));
	coax_responder_set_payload(responder, body, size ? size : (size_t)length);
	coax_respond(responder, code ? (uint8_t)code : COAX_CONTENT);
}

/* The next state, of which observers are told. */
static inline void observed_change(void)
{
	atomic_fetch_add(&observed.value, 1);
	coax_resource_changed(observed.resource);
}

/* Retransmissions within milliseconds, where a test does not want them at all: `patient`. */
static const struct coax_tuning observed_hasty = {.ack_timeout_ms = 30, .max_retransmit = 2};
static const struct coax_tuning observed_patient = {.ack_timeout_ms = 20000};

static inline void observed_serve(const struct coax_tuning *tuning, unsigned int workers)
{
	observed.context = context_open((struct coax_context_options){
		.site = observed.site, .workers = workers, .tuning = *tuning});
}

static inline void observed_start_with(const struct coax_resource_options *options,
				       const struct coax_tuning *tuning, unsigned int workers)
{
	ASSERT_EQ(coax_site_create(&observed.site), 0);
	ASSERT_EQ(coax_site_add(observed.site, options, &observed.resource), 0);
	observed_serve(tuning, workers);
}

static inline void observed_start(const struct coax_tuning *tuning, unsigned int workers,
				  enum coax_reliability notifications)
{
	const struct coax_resource_options options = {
		.path = "state",
		.get = observed_get,
		.observable = true,
		.notifications = notifications,
	};

	observed_start_with(&options, tuning, workers);
}

static inline void observed_end(void)
{
	coax_context_shutdown(observed.context);
	coax_site_destroy(observed.site);
}

static inline struct coax_context_stats observed_stats(void)
{
	struct coax_context_stats stats;

	coax_context_stats_read(observed.context, &stats);
	return stats;
}

/* A response to trigger with. */
static inline void observed_given(struct coax_message *m, uint8_t *buffer, size_t size,
				  uint8_t code, const char *text)
{
	coax_message_start(m, buffer, size, COAX_TYPE_CON, code, 0, NULL, 0);
	coax_message_set_payload(m, text, strlen(text));
}

#define COUNTED(field) ((int)observed_stats().field)

/* Wait for something to become true; the time limit is that of the test. */
#define WAIT_FOR(condition)                                                      \
	do {                                                                     \
		while (!(condition))                                             \
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); \
	} while (0)

static inline int observed_open(void)
{
	int fd = client_open("127.0.0.1", coax_context_port(observed.context));

	ASSERT_GE(fd, 0);
	return fd;
}

/* Start it as most tests want it, for a first client. */
static inline int observed_begin(void)
{
	observed_start(&observed_patient, 1, COAX_RELIABILITY_DEFAULT);
	return observed_open();
}

/* What came last, and what is in it. */
struct told {
	uint8_t bytes[2048];
	struct coax_message m;
	bool has_number;
	uint32_t number; /* Observe */
	char text[64];	 /* the payload's beginning, up to the first dot */
};

static inline bool told_parse(struct told *told, ssize_t length)
{
	const uint8_t *payload;
	size_t size;

	if (length < 0)
		return false;
	ASSERT_EQ(coax_message_parse(&told->m, told->bytes, (size_t)length), 0);
	told->has_number = coax_message_find_uint(&told->m, COAX_OBSERVE, &told->number);
	payload = coax_message_payload(&told->m, &size);
	snprintf(told->text, sizeof(told->text), "%.*s", (int)size,
		 payload ? (const char *)payload : "");
	told->text[strcspn(told->text, ".")] = 0;
	return true;
}

/* The next message, or false when there is none within CLIENT_PATIENCE_MS. */
static inline bool told_next(int fd, struct told *told)
{
	return told_parse(told, client_receive(fd, told->bytes, sizeof(told->bytes)));
}

static inline void answer_empty(int fd, const struct told *told, enum coax_type type)
{
	const uint8_t empty[] = {(uint8_t)(COAX_VERSION << 6 | type << 4), 0, told->bytes[2],
				 told->bytes[3]};

	ASSERT_EQ(send(fd, empty, sizeof(empty), 0), (ssize_t)sizeof(empty));
}

/* The same, acknowledged if it wants to be. */
static inline bool told_acknowledged(int fd, struct told *told)
{
	if (!told_next(fd, told))
		return false;
	if (coax_message_type(&told->m) == COAX_TYPE_CON)
		answer_empty(fd, told, COAX_TYPE_ACK);
	return true;
}

static inline uint8_t told_token(const struct told *told)
{
	return coax_message_token_length(&told->m) ? *coax_message_token(&told->m) : 0;
}

static inline int told_type(const struct told *told)
{
	return (int)coax_message_type(&told->m);
}

#define NO_OBSERVE (-1)

/* A request of this code, with a token of one byte. Piggybacked responses are all there are. */
static inline void request(int fd, uint8_t code, uint8_t token, int observe, const char *path,
			   const char *payload, struct told *told)
{
	static uint16_t id;
	uint8_t buffer[256];
	struct coax_message m;

	coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, code, ++id, &token, 1);
	if (observe >= 0)
		coax_message_add_uint(&m, COAX_OBSERVE, (uint32_t)observe);
	coax_message_add_string(&m, COAX_URI_PATH, path);
	if (payload)
		coax_message_set_payload(&m, payload, strlen(payload));
	ASSERT_EQ(send(fd, m.data, m.length, 0), (ssize_t)m.length);
	ASSERT_TRUE(told_next(fd, told));
	ASSERT_EQ(coax_message_id(&told->m), id);
	ASSERT_EQ(told_type(told), COAX_TYPE_ACK);
}

static inline void ask_for(int fd, uint8_t token, int observe, struct told *told)
{
	request(fd, COAX_GET, token, observe, "state", NULL, told);
}

/* Nothing has come that was not asked for: a ping's answer is the next. */
static inline void expect_silence(int fd)
{
	static const uint8_t ping[] = {0x40, 0, 0xfe, 0xed};
	uint8_t reply[2048];

	ASSERT_EQ(client_ask(fd, ping, sizeof(ping), reply, sizeof(reply)), 4);
	EXPECT_EQ(reply[0], 0x70);
}

/* section 3.4 */
static inline bool is_newer(uint32_t number, uint32_t than)
{
	return number != than && ((number - than) & 0xffffff) < 0x800000;
}

#endif
