/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests to a Site without a network, for the tests of the site layer.
 */
#ifndef COAX_TESTS_SITE_H
#define COAX_TESTS_SITE_H

#include <coax/coax.h>
#include "harness.h"
#include "rcu.h"
#include "site/responder.h"

/* One request, how it is answered, and what is logged meanwhile. */
struct asked {
	struct coax_responder responder;
	struct coax_responder_ops ops;
	struct coax_message draft; /* the request while it is built */
	int answers;
	struct asked *later; /* what it was deferred to */
	bool no_room;	     /* refuse to defer */
	bool blocks;	     /* bodies may come and leave in blocks */
	bool incomplete;     /* gathering answers 2.31 */
	int gathered;
	bool gathered_streaming;
	uint64_t gathered_body_max;
	bool observing; /* observers are kept */
	int accepted;
	struct coax_logger logger;
	int lines[COAX_LOG_ERROR + 1];
	char line[1024]; /* the last */
	uint8_t draft_bytes[4096];
	uint8_t response_bytes[4096];
};

static inline struct asked *asked_of(struct coax_responder *responder)
{
	return caa_container_of(responder, struct asked, responder);
}

static inline void asked_log(void *arg, enum coax_log_level level, const char *name,
			     const char *line)
{
	struct asked *asked = arg;

	(void)name;
	asked->lines[level]++;
	snprintf(asked->line, sizeof(asked->line), "%s", line);
}

static inline void asked_respond(struct coax_responder *responder)
{
	__atomic_add_fetch(&asked_of(responder)->answers, 1, __ATOMIC_RELEASE);
}

static struct coax_responder *asked_defer(struct coax_responder *responder);

/* Puts nothing together, but counts; the test sets responder.part. */
static inline bool asked_gather(struct coax_responder *responder, bool streaming, uint64_t body_max)
{
	struct asked *asked = asked_of(responder);

	asked->gathered++;
	asked->gathered_streaming = streaming;
	asked->gathered_body_max = body_max;
	if (asked->incomplete)
		coax_responder_refuse(responder, COAX_CONTINUE, "");
	return !asked->incomplete;
}

static inline struct coax_observer *asked_accept(struct coax_responder *responder,
						 coax_observer_ended_fn ended, void *arg)
{
	struct asked *asked = asked_of(responder);

	(void)ended;
	(void)arg;
	asked->accepted++;
	return (struct coax_observer *)asked;
}

static inline void asked_set_ops(struct asked *asked, bool may_defer)
{
	asked->ops = (struct coax_responder_ops){
		.respond = asked_respond,
		.defer = may_defer ? asked_defer : NULL,
		.gather = asked->blocks ? asked_gather : NULL,
		.accept = asked->observing ? asked_accept : NULL,
	};
	asked->responder.ops = &asked->ops;
}

/* Make what has been drafted the request, and begin the response. */
static inline void asked_ready(struct asked *asked)
{
	struct coax_responder *responder = &asked->responder;

	ASSERT_EQ(coax_message_parse(&responder->request, asked->draft.data, asked->draft.length),
		  0);
	ASSERT_EQ(coax_message_start(&responder->response, asked->response_bytes,
				     sizeof(asked->response_bytes), COAX_TYPE_ACK, COAX_EMPTY,
				     0x1234, "tok", 3),
		  0);
	asked_set_ops(asked, true);
	responder->logger = &asked->logger;
	ASSERT_EQ(coax_address_parse(&responder->remote, "192.0.2.1:40000", 0), 0);
	ASSERT_EQ(coax_address_parse(&responder->local, "192.0.2.2:5683", 0), 0);
}

static struct coax_responder *asked_defer(struct coax_responder *responder)
{
	struct asked *asked = asked_of(responder);
	struct asked *later;

	if (asked->no_room)
		return NULL;
	later = calloc(1, sizeof(*later));
	ASSERT_TRUE(later);
	later->draft = asked->draft;
	memcpy(later->draft_bytes, asked->draft_bytes, sizeof(later->draft_bytes));
	later->draft.data = later->draft_bytes;
	later->logger =
		(struct coax_logger){.write = asked_log, .arg = later, .from = COAX_LOG_DEBUG};
	later->blocks = asked->blocks;
	later->responder = *responder;
	asked_ready(later);
	asked_set_ops(later, false);
	asked->later = later;
	return &later->responder;
}

/* Begin a request for `path`, percent-encoded, with its query if any. */
static inline void ask(struct asked *asked, uint8_t code, const char *path)
{
	memset(asked, 0, sizeof(*asked));
	asked->logger =
		(struct coax_logger){.write = asked_log, .arg = asked, .from = COAX_LOG_DEBUG};
	ASSERT_EQ(coax_message_start(&asked->draft, asked->draft_bytes, sizeof(asked->draft_bytes),
				     COAX_TYPE_CON, code, 0x1234, "tok", 3),
		  0);
	ASSERT_EQ(coax_uri_path_add_options(path, &asked->draft), 0);
}

static inline void ask_option(struct asked *asked, uint16_t number, const void *value,
			      size_t length)
{
	ASSERT_EQ(coax_message_add(&asked->draft, number, value, length), 0);
}

static inline void ask_uint(struct asked *asked, uint16_t number, uint32_t value)
{
	ASSERT_EQ(coax_message_add_uint(&asked->draft, number, value), 0);
}

static inline void ask_payload(struct asked *asked, const char *payload)
{
	ASSERT_EQ(coax_message_set_payload(&asked->draft, payload, strlen(payload)), 0);
}

/* Put the request to the Site. Returns the response's code; 0.00: not answered yet. */
static inline uint8_t ask_site(struct asked *asked, struct coax_site *site)
{
	asked_ready(asked);
	rcu_read_lock();
	coax_site_render(site, &asked->responder);
	rcu_read_unlock();
	EXPECT_LE(asked->answers, 1);
	return coax_message_code(&asked->responder.response);
}

/* The whole of the above for a request without options of its own. */
static inline uint8_t ask_plainly(struct asked *asked, struct coax_site *site, uint8_t code,
				  const char *path)
{
	ask(asked, code, path);
	return ask_site(asked, site);
}

/* The length of the body that the response has instead of a payload; 0: it has none. */
static inline uint64_t asked_body_length(const struct asked *asked)
{
	return asked->responder.has_body ? asked->responder.body.length : 0;
}

/* The response's payload as text. Valid until the next call. */
static inline const char *asked_payload(const struct asked *asked)
{
	static char text[4096];
	size_t length;
	const uint8_t *payload = coax_message_payload(&asked->responder.response, &length);

	snprintf(text, sizeof(text), "%.*s", (int)length, payload ? (const char *)payload : "");
	return text;
}

static inline bool asked_has(const struct asked *asked, uint16_t number)
{
	struct coax_option option;

	return coax_message_find(&asked->responder.response, number, &option);
}

#endif
