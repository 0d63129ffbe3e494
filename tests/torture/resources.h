/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resources of all kinds that the two halves may answer for. What they say depends on what has
 * happened to them.
 */
#ifndef COAX_TEST_RESOURCES_H
#define COAX_TEST_RESOURCES_H

#include <time.h>
#include <coax/coax.h>
#include "../harness.h"

#define RESOURCES	14
#define BYTES_MAX	160 /* of a request */
#define BIG_BODY	3000
#define FETCHED_MAX_AGE 600 /* said by what was fetched alone: others say more, or nothing */

/* What the resources are: their ETags are made of it. */
static uint8_t versions[RESOURCES];
static struct coax_resource *resources[RESOURCES];

static void add_etag(struct coax_message *m, uint8_t version)
{
	const uint8_t etag[2] = {0xe7, version};

	coax_message_add(m, COAX_ETAG, etag, sizeof(etag));
}

static uint64_t clock_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void versioned(struct coax_responder *responder, void *arg)
{
	uint8_t *version = arg;
	struct coax_message *m = coax_responder_response(responder);
	char body[64];

	add_etag(m, *version);
	coax_message_add_uint(m, COAX_CONTENT_FORMAT, COAX_FORMAT_TEXT_PLAIN);
	coax_message_set_payload(m, body, (size_t)sprintf(body, "%*d", *version % 50, *version));
	coax_respond(responder, COAX_CONTENT);
}

static void replace(struct coax_responder *responder, void *arg)
{
	uint8_t *version = arg;

	++*version;
	coax_resource_changed(resources[version - versions]);
	coax_respond(responder, COAX_CHANGED);
}

/* Says the query that was asked. */
static void query(struct coax_responder *responder, void *arg)
{
	struct coax_message *m = coax_responder_response(responder);
	char text[256] = "";

	(void)arg;
	coax_uri_compose_path(coax_responder_request(responder), text, sizeof(text));
	coax_message_set_payload(m, text, strlen(text));
	coax_respond(responder, COAX_CONTENT);
}

/* Not cacheable: another answer each time, which the kernel half must never repeat. */
static void counter(struct coax_responder *responder, void *arg)
{
	static unsigned int count;
	char body[16];

	(void)arg;
	coax_message_set_payload(coax_responder_response(responder), body,
				 (size_t)sprintf(body, "%u", ++count));
	coax_respond(responder, COAX_CONTENT);
}

static void large(struct coax_responder *responder, void *arg)
{
	static uint8_t body[COAX_PAYLOAD_MAX];

	coax_message_add_uint(coax_responder_response(responder), COAX_MAX_AGE, 3600);
	coax_message_set_payload(coax_responder_response(responder), body, *(const size_t *)arg);
	coax_respond(responder, COAX_CONTENT);
}

/* Larger than a message, it leaves in blocks: told by a hash... */
static void big(struct coax_responder *responder, void *arg)
{
	const uint8_t *version = arg;
	uint8_t body[BIG_BODY];

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i / 16 + *version);
	coax_responder_set_payload(responder, body, sizeof(body) - *version % 50);
	coax_respond(responder, COAX_CONTENT);
}

/* ... or by an ETag of the resource's own. */
static void big_with_etag(struct coax_responder *responder, void *arg)
{
	add_etag(coax_responder_response(responder), *(const uint8_t *)arg);
	big(responder, arg);
}

/* Says what was asked for in the payload, and how often that has changed; to some, at length. */
static void fetch(struct coax_responder *responder, void *arg)
{
	const uint8_t *version = arg;
	char text[BIG_BODY];
	size_t length;
	const uint8_t *payload = coax_message_payload(coax_responder_request(responder), &length);
	int width = length % 4 == 3 ? BIG_BODY - BYTES_MAX : 1;

	length = (size_t)snprintf(text, sizeof(text), "%*u: %.*s", width, *version, (int)length,
				  payload ? (const char *)payload : "");
	coax_responder_set_payload(responder, text, length);
	coax_respond(responder, COAX_CONTENT);
}

/* As a proxy has it from another origin: Max-Age is what is left. A PUT fetches it anew. */
static void say_fetched(struct coax_responder *responder, uint8_t version)
{
	static uint64_t since[256];

	if (!since[version])
		since[version] = clock_now();
	coax_responder_set_fetched(responder, since[version], FETCHED_MAX_AGE);
}

static void fetched(struct coax_responder *responder, void *arg)
{
	say_fetched(responder, *(const uint8_t *)arg);
	versioned(responder, arg);
}

static void fetched_big(struct coax_responder *responder, void *arg)
{
	say_fetched(responder, *(const uint8_t *)arg);
	big_with_etag(responder, arg);
}

static void failing(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_respond_error(responder, COAX_CONFLICT, "not today");
}

static struct coax_site *create_site(void)
{
	static const size_t sizes[] = {0, 1, 63, 1024};
	const struct coax_resource_options all[] = {
		{.path = "a", .get = versioned, .put = replace, .cacheable = true},
		{.path = "b/c",
		 .get = versioned,
		 .post = replace,
		 .cacheable = true,
		 .format_count = 1},
		{.path = "q", .get = query, .cacheable = true, .cacheable_queries = true},
		{.path = "sub", .get = query, .cacheable = true, .subtree = true},
		{.path = "n", .get = counter},
		{.path = "", .get = versioned, .cacheable = true},
		{.path = "e", .get = failing, .cacheable = true},
		{.path = "if",
		 .get = versioned,
		 .put = replace,
		 .conditional = true,
		 .cacheable = true},
		{.path = "big", .get = big_with_etag, .put = replace, .cacheable = true},
		{.path = "big/q",
		 .get = big_with_etag,
		 .cacheable = true,
		 .cacheable_queries = true},
		{.path = "big/hash", .get = big, .put = replace, .cacheable = true},
		{.path = "f", .get = versioned, .fetch = fetch, .post = replace, .cacheable = true},
		{.path = "aged", .get = fetched, .put = replace, .cacheable = true},
		{.path = "aged/big", .get = fetched_big, .put = replace, .cacheable = true},
	};
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct coax_resource_options options = all[i];

		options.arg = &versions[i];
		ASSERT_EQ(coax_site_add(site, &options, &resources[i]), 0);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char path[8];
		struct coax_resource_options options = {
			.path = path, .get = large, .arg = (void *)&sizes[i], .cacheable = true};

		sprintf(path, "s%zu", i);
		ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	}
	return site;
}

/* What was missing is there, and goes again. */
static void come_or_go(struct coax_site *site)
{
	const struct coax_resource_options options = {
		.path = "come", .get = query, .cacheable = true};
	static struct coax_resource *there;

	if (there) {
		coax_site_remove(site, there);
		there = NULL;
	} else {
		ASSERT_EQ(coax_site_add(site, &options, &there), 0);
	}
}

#endif
