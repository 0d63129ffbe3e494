// SPDX-License-Identifier: BSD-2-Clause
/* Responses with what was fetched from another origin: RFC 7252 section 5.7.1. */
#include <time.h>
#include <linux/types.h>
#include <coax/maps.h>
#include "../site.h"

#define SECOND 1000000000ULL

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* What the handler does. */
static struct {
	uint64_t age; /* ns */
	uint32_t max_age;
	int own_max_age; /* -1: none; before it says that it is fetched */
	bool defers;
	uint8_t error; /* 0: none */
	uint64_t needed_until;
} how;

static void handle(struct coax_responder *responder, void *arg)
{
	struct coax_message *m = coax_responder_response(responder);

	(void)arg;
	how.needed_until = coax_responder_needed_until(responder);
	if (how.own_max_age >= 0)
		coax_message_add_uint(m, COAX_MAX_AGE, (uint32_t)how.own_max_age);
	coax_message_set_payload(m, "body", 4);
	ASSERT_EQ(coax_responder_set_fetched(responder, now() - how.age, how.max_age), 0);
	if (how.defers) {
		ASSERT_TRUE(coax_responder_defer(responder));
		return;
	}
	if (how.error)
		coax_respond_error(responder, how.error, "the origin said so");
	else
		coax_respond(responder, COAX_CONTENT);
}

static struct coax_site *make_site(void)
{
	const struct coax_resource_options options = {
		.path = "f", .get = handle, .cacheable = true};
	struct coax_site *site;

	how.own_max_age = -1;
	how.age = SECOND / 2;
	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	return site;
}

/* The bytes of the one Max-Age option, as they leave. */
static size_t max_age_of(struct asked *asked, uint8_t bytes[4])
{
	struct coax_option_iterator it;
	struct coax_option option;
	size_t length = 0, count = 0;

	coax_responder_write_max_age(&asked->responder);
	it = coax_options_begin(&asked->responder.response);
	while (coax_options_next(&it, &option)) {
		if (option.number != COAX_MAX_AGE)
			continue;
		ASSERT_LE(option.length, 4U);
		length = option.length;
		memcpy(bytes, option.value, length);
		count++;
	}
	EXPECT_EQ(count, 1U);
	return length;
}

TEST("Max-Age is what is left of it, in as many bytes as the origin's value takes")
{
	static const struct {
		uint32_t max_age;
		uint32_t age; /* and a half */
		size_t length;
		uint8_t bytes[4];
	} cases[] = {
		{60, 0, 1, {59}},
		{10, 8, 1, {1}},
		{10, 9, 1, {0}},
		{255, 5, 1, {249}},
		{256, 0, 2, {0, 255}},
		{258, 9, 2, {0, 248}},
		{0x10000, 10, 3, {0, 0xff, 0xf5}},
		{0x1000000, 4, 4, {0, 0xff, 0xff, 0xfb}},
		{0xffffffff, 0, 4, {0xff, 0xff, 0xff, 0xfe}},
	};
	struct coax_site *site = make_site();
	struct asked asked;
	uint8_t bytes[4];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		how.max_age = cases[i].max_age;
		how.age = cases[i].age * SECOND + SECOND / 2;
		EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "f"), COAX_CONTENT);
		EXPECT_EQ(max_age_of(&asked, bytes), cases[i].length);
		EXPECT_MEMEQ(bytes, cases[i].bytes, cases[i].length);
		EXPECT_STREQ(asked_payload(&asked), "body");
	}
	coax_site_destroy(site);
}

TEST("what is no longer fresh says 0, and is not published; what is fresh is, until then")
{
	struct coax_site *site = make_site();
	struct asked asked;
	uint8_t bytes[4];
	uint64_t until;

	how.max_age = 10;
	how.age = 10 * SECOND;
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "f"), COAX_CONTENT);
	EXPECT_EQ(max_age_of(&asked, bytes), 1U);
	EXPECT_EQ(bytes[0], 0);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));

	how.age = 3 * SECOND;
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "f"), COAX_CONTENT);
	max_age_of(&asked, bytes);
	EXPECT_TRUE(coax_responder_publishable(&asked.responder));
	until = coax_responder_fresh_until(&asked.responder);
	EXPECT_LE(until, now() + 7 * SECOND);
	EXPECT_GT(until, now() + 6 * SECOND);
	coax_site_destroy(site);
}

TEST("a Max-Age of 0 from the origin stays one, without any byte")
{
	struct coax_site *site = make_site();
	struct asked asked;
	uint8_t bytes[4];

	how.max_age = 0;
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "f"), COAX_CONTENT);
	EXPECT_EQ(max_age_of(&asked, bytes), 0U);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));
	coax_site_destroy(site);
}

TEST("it replaces a Max-Age that was there")
{
	struct coax_site *site = make_site();
	struct asked asked;
	uint8_t bytes[4];

	how.max_age = 60;
	how.own_max_age = 3600;
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "f"), COAX_CONTENT);
	EXPECT_EQ(max_age_of(&asked, bytes), 1U);
	EXPECT_EQ(bytes[0], 59);
	coax_site_destroy(site);
}

TEST("an error of what was fetched is not one of our own, which the kernel may repeat for ever")
{
	struct coax_site *site = make_site();
	struct asked asked;

	how.max_age = 60;
	how.error = COAX_NOT_FOUND;
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "f"), COAX_NOT_FOUND);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));
	coax_site_destroy(site);
}

TEST("an error, and a response that is begun afresh, know nothing of it")
{
	struct coax_site *site = make_site();
	struct asked asked;

	how.max_age = 60;
	how.error = COAX_GATEWAY_TIMEOUT;
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "f"), COAX_GATEWAY_TIMEOUT);
	EXPECT_FALSE(asked_has(&asked, COAX_MAX_AGE));
	EXPECT_EQ(coax_responder_fresh_until(&asked.responder), COAX_NEVER);

	how.defers = true;
	ask_plainly(&asked, site, COAX_GET, "f");
	ASSERT_TRUE(asked.later);
	coax_respond(&asked.later->responder, COAX_CONTENT);
	EXPECT_FALSE(asked_has(asked.later, COAX_MAX_AGE));
	EXPECT_EQ(coax_responder_fresh_until(&asked.later->responder), COAX_NEVER);
	free(asked.later);
	coax_site_destroy(site);
}

TEST("a client's request needs what is fresh now, a renewal what is fresh for longer than that")
{
	struct coax_site *site = make_site();
	struct asked asked;
	uint64_t before = now();

	how.max_age = 60;
	ask_plainly(&asked, site, COAX_GET, "f");
	EXPECT_GE(how.needed_until, before);
	EXPECT_LE(how.needed_until, now());

	how.defers = true;
	ask(&asked, COAX_GET, "f");
	asked.responder.needed_until = before + 9 * SECOND;
	ask_site(&asked, site);
	EXPECT_EQ(how.needed_until, before + 9 * SECOND);
	ASSERT_TRUE(asked.later);
	EXPECT_EQ(coax_responder_needed_until(&asked.later->responder), before + 9 * SECOND);
	coax_respond(&asked.later->responder, COAX_CONTENT);
	free(asked.later);
	coax_site_destroy(site);
}

TEST("once it is answered, a request is not fetched for any more")
{
	struct coax_site *site = make_site();
	struct asked asked;

	how.max_age = 60;
	ask_plainly(&asked, site, COAX_GET, "f");
	EXPECT_EQ(coax_responder_set_fetched(&asked.responder, now(), 60), -EINVAL);
	coax_site_destroy(site);
}

TEST_MAIN()
