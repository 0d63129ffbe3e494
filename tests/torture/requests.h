/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests: mostly sensible ones, some with something odd, some damaged, and half of them what
 * somebody else has asked before.
 */
#ifndef COAX_TEST_REQUESTS_H
#define COAX_TEST_REQUESTS_H

#include <coax/coax.h>
#include "../chance.h"

#define RESOURCES 11
#define BYTES_MAX 160
#define FORMER	  512 /* requests that are sent again as another's */

/* What the resources are: their ETags are made of it. */
static uint8_t versions[RESOURCES];

static void add_etag(struct coax_message *m, uint8_t version)
{
	const uint8_t etag[2] = {0xe7, version};

	coax_message_add(m, COAX_ETAG, etag, sizeof(etag));
}

static void add_path(struct coax_message *m)
{
	static const char *const paths[] = {
		"a",  "a",    "b/c", "q",   "q",  "sub",	  "sub/x", "n",
		"/",  "e",    "if",  "s0",  "s1", "s2",		  "s3",	   "no",
		"a/", "a%2f", "big", "big", "f",  "no/such/path", "big/q", ".well-known/core",
	};

	coax_uri_path_add_options(paths[pick(sizeof(paths) / sizeof(paths[0]))], m);
}

static void add_oddity(struct coax_message *m)
{
	static const uint16_t odd[] = {COAX_IF_MATCH,
				       COAX_IF_NONE_MATCH,
				       COAX_OBSERVE,
				       COAX_URI_PORT,
				       COAX_MAX_AGE,
				       COAX_BLOCK2,
				       COAX_BLOCK1,
				       COAX_SIZE2,
				       COAX_SIZE1,
				       COAX_HOP_LIMIT,
				       COAX_ECHO,
				       COAX_NO_RESPONSE,
				       COAX_PROXY_URI,
				       COAX_PROXY_SCHEME,
				       COAX_CONTENT_FORMAT,
				       COAX_REQUEST_TAG,
				       9,
				       65,
				       66,
				       2048,
				       65001,
				       65535};
	uint8_t value[4] = {(uint8_t)pick(256), (uint8_t)pick(256), (uint8_t)pick(4), 1};

	coax_message_add(m, odd[pick(sizeof(odd) / sizeof(odd[0]))], value, pick(5));
}

static void add_block(struct coax_message *m)
{
	const struct coax_block block = {
		.number = pick(8) ? pick(12) : pick(1 << 16),
		.more = !pick(8),
		.exponent = (uint8_t)(pick(4) ? 6 - pick(3) : pick(7)),
	};

	coax_message_add_block(m, pick(16) ? COAX_BLOCK2 : COAX_BLOCK1, &block);
}

static void add_something(struct coax_message *m)
{
	static const char *const hosts[] = {"", "a", "example.org"};
	static const char *const queries[] = {
		"",	    "x",
		"x=1",	    "rt=*",
		"href=/a*", "one-that-is-long-and-differs-late=1",
		"x",	    "one-that-is-long-and-differs-late=2",
	};

	switch (pick(10)) {
	case 0:
	case 1:
		coax_message_add_uint(m, COAX_ACCEPT, pick(3) ? COAX_FORMAT_TEXT_PLAIN : pick(300));
		break;
	case 2:
	case 3:
		add_etag(m, (uint8_t)(versions[pick(RESOURCES)] - pick(2)));
		break;
	case 4:
	case 5:
		coax_message_add_string(m, COAX_URI_QUERY, queries[pick(8)]);
		break;
	case 6:
		coax_message_add_string(m, COAX_URI_HOST, hosts[pick(3)]);
		break;
	case 7:
	case 8:
		add_block(m);
		break;
	default:
		add_oddity(m);
	}
}

static size_t damage(uint8_t *bytes, size_t length)
{
	switch (pick(4)) {
	case 0:
		return pick((uint32_t)length + 1);
	case 1:
		for (uint32_t i = 0; i < 1 + pick(3); i++)
			bytes[pick((uint32_t)length)] ^= (uint8_t)(1 << pick(8));
		return length;
	case 2:
		/* What says the most. */
		bytes[pick(2)] ^= (uint8_t)(1 << pick(8));
		return length;
	default:
		for (uint32_t i = 0; i < 1 + pick(4) && length < BYTES_MAX; i++)
			bytes[length++] = pick(2) ? COAX_PAYLOAD_MARKER : (uint8_t)pick(256);
		return length;
	}
}

/* What is asked most often, and by many. */
static struct former {
	uint8_t code;
	size_t length;
	uint8_t rest[BYTES_MAX];
} former[FORMER];
static uint32_t former_count;

static void remember(const struct coax_message *m)
{
	struct former *one = &former[former_count < FORMER ? former_count++ : pick(FORMER)];
	const uint8_t *rest = coax_message_rest(m, &one->length);

	one->code = coax_message_code(m);
	memcpy(one->rest, rest, one->length);
}

static enum coax_type pick_type(void)
{
	return (enum coax_type)(pick(8) ? pick(2) : pick(4));
}

static size_t ask_as_another(uint8_t *bytes, uint16_t id, const uint8_t *token)
{
	const struct former *one = &former[pick(former_count)];
	struct coax_message m;

	coax_message_start(&m, bytes, BYTES_MAX, pick_type(), one->code, id, token, pick(9));
	memcpy(bytes + m.length, one->rest, one->length);
	return m.length + one->length;
}

static size_t make_request(uint8_t *bytes, uint16_t id)
{
	static const uint8_t codes[] = {
		COAX_GET, COAX_GET,   COAX_GET,	  COAX_GET,   COAX_GET,	  COAX_GET,    COAX_GET,
		COAX_GET, COAX_GET,   COAX_GET,	  COAX_GET,   COAX_GET,	  COAX_PUT,    COAX_POST,
		COAX_PUT, COAX_FETCH, COAX_FETCH, COAX_EMPTY, COAX_EMPTY, COAX_DELETE, COAX_IPATCH,
		9,	  31,	      0x45,	  0x20,	      0x65,	  0xc3,	       0xe1};
	uint8_t token[20];
	struct coax_message m;

	for (size_t i = 0; i < sizeof(token); i++)
		token[i] = (uint8_t)pick(256);
	if (former_count > 32 && pick(2))
		return ask_as_another(bytes, id, token);

	coax_message_start(&m, bytes, BYTES_MAX, pick_type(), codes[pick(sizeof(codes))], id, token,
			   pick(32) ? pick(9) : pick(sizeof(token)));
	if (coax_message_code(&m) == COAX_EMPTY && pick(4))
		return pick(4) ? 4 : m.length;
	add_path(&m);
	for (uint32_t i = pick(3); i > 0; i--)
		add_something(&m);
	if (!pick(20) || (coax_message_code(&m) == COAX_FETCH && pick(4)))
		coax_message_set_payload(&m, token, 1 + pick(8));
	if (pick(6) == 0)
		return damage(bytes, m.length);
	/* Few enough to be asked again before the next change. */
	if (coax_message_code(&m) == COAX_GET || coax_message_code(&m) == COAX_FETCH || !pick(8))
		remember(&m);
	return m.length;
}

#endif
