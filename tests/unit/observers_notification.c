// SPDX-License-Identifier: BSD-2-Clause
/*
 * A rendering as each observer gets it: its token and its number put in.
 */
#include "../harness.h"

#include <coax/option.h>
#include "clock.h"
#include "context/audience.h"

static struct coax_message response;
static uint8_t response_buffer[256];
static uint8_t written[512];
static struct coax_message m;

static void begin(uint8_t code)
{
	coax_message_start(&response, response_buffer, sizeof(response_buffer), COAX_TYPE_ACK, code,
			   0x1234, "rest", 4);
}

static void write_with(const struct coax_notification *notification, const char *token,
		       uint32_t number)
{
	size_t length = coax_notification_write(notification, (const uint8_t *)token, strlen(token),
						number, written);

	ASSERT_LE(length, coax_notification_size(notification, strlen(token)));
	ASSERT_EQ(coax_message_parse(&m, written, length), 0);
	ASSERT_EQ((size_t)coax_message_token_length(&m), strlen(token));
	EXPECT_MEMEQ(coax_message_token(&m), token, strlen(token));
}

TEST("the number stands between the options, in as few bytes as it takes")
{
	static const struct {
		uint32_t number;
		uint32_t length;
	} cases[] = {{0, 0},	   {1, 1},	  {0xff, 1},	  {0x100, 2},	 {0xffff, 2},
		     {0x10000, 3}, {0xffffff, 3}, {0x1000000, 0}, {0x10000ff, 1}};
	struct coax_notification *notification;

	for (int etag = 0; etag < 2; etag++) {
		begin(COAX_CONTENT);
		if (etag)
			coax_message_add(&response, COAX_ETAG, "etag", 4);
		coax_message_add_uint(&response, COAX_OBSERVE, 99);
		coax_message_add_uint(&response, COAX_CONTENT_FORMAT, COAX_FORMAT_JSON);
		coax_message_add_uint(&response, COAX_MAX_AGE, 5);
		coax_message_set_payload(&response, "{}", 2);
		notification = coax_notification_create(&response, false);
		ASSERT_TRUE(notification != NULL);
		EXPECT_FALSE(notification->last);
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct coax_option option;
			uint32_t number;
			size_t length;

			write_with(notification, i % 2 ? "token678" : "", cases[i].number);
			EXPECT_EQ(coax_message_code(&m), COAX_CONTENT);
			ASSERT_TRUE(coax_message_find(&m, COAX_OBSERVE, &option));
			EXPECT_EQ(option.length, cases[i].length);
			EXPECT_EQ(coax_option_uint(&option), cases[i].number & 0xffffff);
			EXPECT_EQ(coax_message_find(&m, COAX_ETAG, &option), etag);
			ASSERT_TRUE(coax_message_find_uint(&m, COAX_CONTENT_FORMAT, &number));
			EXPECT_EQ(number, (uint32_t)COAX_FORMAT_JSON);
			ASSERT_TRUE(coax_message_find_uint(&m, COAX_MAX_AGE, &number));
			EXPECT_EQ(number, 5U);
			EXPECT_MEMEQ(coax_message_payload(&m, &length), "{}", 2);
			EXPECT_EQ(length, 2U);
		}
		coax_notification_put(notification);
	}
}

TEST("what was fetched says what is left of its Max-Age when it is sent, in the same bytes")
{
	struct coax_notification *notification;
	struct coax_option option;
	struct timespec now;

	begin(COAX_CONTENT);
	ASSERT_EQ(coax_fresh_reserve(&response, 300), 0);
	coax_message_set_payload(&response, "{}", 2);
	notification = coax_notification_create(&response, false);
	ASSERT_TRUE(notification != NULL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	for (uint64_t left = 0; left < 300; left += 23) {
		notification->fresh_until = ((uint64_t)now.tv_sec + left) * NS_PER_SEC +
					    (uint64_t)now.tv_nsec + NS_PER_SEC / 2;
		write_with(notification, "token678", 0x1234);
		ASSERT_TRUE(coax_message_find(&m, COAX_MAX_AGE, &option));
		EXPECT_EQ(option.length, 2U);
		EXPECT_EQ(coax_option_uint(&option), left);
	}
	coax_notification_put(notification);
}

TEST("a notification may have nothing but its number")
{
	struct coax_notification *notification;
	struct coax_option option;

	begin(COAX_VALID);
	notification = coax_notification_create(&response, false);
	ASSERT_TRUE(notification != NULL);
	write_with(notification, "a", 0x123456);
	ASSERT_TRUE(coax_message_find(&m, COAX_OBSERVE, &option));
	EXPECT_EQ(coax_option_uint(&option), 0x123456U);
	EXPECT_EQ(m.length, 9U);
	coax_notification_put(notification);
}

TEST("the last one has no number, and what is unsuccessful is the last")
{
	static const uint8_t codes[] = {COAX_CONTENT, COAX_NOT_FOUND, COAX_SERVICE_UNAVAILABLE};

	for (int i = 0; i < 3; i++) {
		struct coax_notification *notification;
		struct coax_option option;
		size_t length;

		begin(codes[i]);
		coax_message_add_uint(&response, COAX_OBSERVE, 5);
		coax_message_add_uint(&response, COAX_MAX_AGE, 5);
		coax_message_set_payload(&response, "why", 3);
		notification = coax_notification_create(&response, i == 0);
		ASSERT_TRUE(notification != NULL);
		EXPECT_TRUE(notification->last);
		write_with(notification, "ab", 7);
		EXPECT_EQ(coax_message_code(&m), codes[i]);
		EXPECT_FALSE(coax_message_find(&m, COAX_OBSERVE, &option));
		EXPECT_TRUE(coax_message_find(&m, COAX_MAX_AGE, &option));
		EXPECT_MEMEQ(coax_message_payload(&m, &length), "why", 3);
		coax_notification_put(notification);
	}
}

TEST("an observer takes as much memory as the header states")
{
	EXPECT_LE(sizeof(struct coax_member) + sizeof(struct coax_peer), 400U);
	printf("# member %zu, peer %zu, audience %zu, share %zu, notification %zu\n",
	       sizeof(struct coax_member), sizeof(struct coax_peer), sizeof(struct coax_audience),
	       sizeof(struct coax_share), sizeof(struct coax_notification));
}

TEST_MAIN()
