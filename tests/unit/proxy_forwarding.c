// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a proxy makes of messages (RFC 7252 section 5.7, RFC 8768), without a network.
 */
#include <coax/coax.h>
#include "../harness.h"
#include "proxy/forwarding.h"

static uint8_t bytes[2048];

static struct coax_message request(uint8_t method, const char *path)
{
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, bytes, sizeof(bytes), COAX_TYPE_CON, method, 0, "t", 1),
		  0);
	ASSERT_EQ(coax_uri_path_add_options(path, &m), 0);
	return m;
}

static struct coax_forwarding read_with(uint16_t number, const char *value)
{
	struct coax_message m = request(COAX_GET, "a/b?c");
	struct coax_forwarding forwarding;

	if (number)
		ASSERT_EQ(coax_message_add(&m, number, value, strlen(value)), 0);
	coax_forwarding_read(&forwarding, &m, 16);
	return forwarding;
}

TEST("a plain GET is shared; with conditions, protection or an unknown NoCacheKey option it is not")
{
	EXPECT_TRUE(read_with(0, "").shared);
	EXPECT_TRUE(read_with(COAX_ETAG, "e").shared);
	EXPECT_TRUE(read_with(COAX_ACCEPT, "").shared);
	EXPECT_TRUE(read_with(COAX_ECHO, "e").shared);
	EXPECT_TRUE(read_with(2048, "x").shared);
	EXPECT_FALSE(read_with(COAX_IF_MATCH, "e").shared);
	EXPECT_FALSE(read_with(COAX_IF_NONE_MATCH, "").shared);
	EXPECT_FALSE(read_with(9, "oscore").shared);
	EXPECT_FALSE(read_with(2076, "x").shared);
}

TEST("requests that change something are never shared, nor is a GET with a payload")
{
	struct coax_forwarding forwarding;
	struct coax_message m;

	for (uint8_t method = COAX_GET; method <= COAX_IPATCH; method++) {
		m = request(method, "a");
		coax_forwarding_read(&forwarding, &m, 16);
		EXPECT_EQ(forwarding.shared, method == COAX_GET || method == COAX_FETCH);
	}
	m = request(COAX_GET, "a");
	coax_message_set_payload(&m, "x", 1);
	coax_forwarding_read(&forwarding, &m, 16);
	EXPECT_FALSE(forwarding.shared);
}

TEST("hops are counted down, and the last one is refused")
{
	EXPECT_EQ(read_with(0, "").hop_limit, 16);
	EXPECT_EQ(read_with(COAX_HOP_LIMIT, "\xff").hop_limit, 254);
	EXPECT_EQ(read_with(COAX_HOP_LIMIT, "\x02").hop_limit, 1);
	EXPECT_EQ(read_with(COAX_HOP_LIMIT, "\x02").refusal, 0);
	EXPECT_EQ(read_with(COAX_HOP_LIMIT, "\x01").refusal, COAX_HOP_LIMIT_REACHED);
	/* What else is wrong with it is said first. */
	EXPECT_EQ(read_with(2050, "x").refusal, COAX_BAD_OPTION);
}

TEST("many unknown critical options that are safe to forward are no reason to refuse")
{
	struct coax_message m = request(COAX_GET, "a");
	struct coax_forwarding forwarding;

	for (uint16_t i = 0; i < 100; i++)
		ASSERT_EQ(coax_message_add(&m, (uint16_t)(2049 + 4 * i), "x", 1), 0);
	coax_forwarding_read(&forwarding, &m, 16);
	EXPECT_TRUE(forwarding.refusal == 0);
}

TEST("what goes along is the rest of the path, and no option of this hop")
{
	static const uint16_t own[] = {
		COAX_URI_HOST, COAX_URI_PORT,	 COAX_PROXY_URI,   COAX_PROXY_SCHEME, COAX_OBSERVE,
		COAX_MAX_AGE,  COAX_BLOCK1,	 COAX_BLOCK2,	   COAX_SIZE1,	      COAX_SIZE2,
		COAX_ECHO,     COAX_NO_RESPONSE, COAX_REQUEST_TAG, COAX_ETAG};
	struct coax_message m = request(COAX_GET, "p/q/a/b?c&d"), to;
	struct coax_forwarding forwarding;
	struct coax_option option;
	uint8_t buffer[1024];
	char uri[64];
	uint32_t hops;

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		ASSERT_EQ(coax_message_add_uint(&m, own[i], 1), 0);
	ASSERT_EQ(coax_message_add_uint(&m, COAX_ACCEPT, 60), 0);
	coax_forwarding_read(&forwarding, &m, 16);
	ASSERT_EQ(coax_message_start(&to, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL,
				     0),
		  0);
	ASSERT_EQ(coax_message_add_string(&to, COAX_URI_PATH, "base"), 0);
	ASSERT_EQ(coax_forwarding_translate(&forwarding, &to, &m, 2), 0);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		EXPECT_FALSE(coax_message_find(&to, own[i], &option));
	ASSERT_GT(coax_uri_compose_path(&to, uri, sizeof(uri)), 0);
	EXPECT_STREQ(uri, "/base/a/b?c&d");
	EXPECT_TRUE(coax_message_find(&to, COAX_ACCEPT, &option));
	EXPECT_TRUE(coax_message_find_uint(&to, COAX_HOP_LIMIT, &hops) && hops == 16);
}

TEST("paths with other segments are other paths, however their bytes are distributed")
{
	static const char *const paths[] = {"a/b", "ab", "a%2Fb", "a/b/", "/a/b", "a", "", "b/a"};
	uint8_t keys[8][256];
	int lengths[8];

	for (int i = 0; i < 8; i++) {
		struct coax_message m = request(COAX_GET, paths[i]);

		lengths[i] = coax_forwarding_path(&m, COAX_URI_PATH, 7, keys[i], sizeof(keys[i]));
		ASSERT_GT(lengths[i], 0);
		for (int k = 0; k < i; k++)
			/* A leading slash says nothing. */
			EXPECT_EQ(lengths[i] == lengths[k] &&
					  !memcmp(keys[i], keys[k], (size_t)lengths[i]),
				  i == 4 && k == 0);
	}
}

TEST("a location at the origin is found here, elsewhere it stays what it is")
{
	static const struct {
		const char *location, *here;
	} cases[] = {
		{"base/x/y", "/p/x/y"},
		{"base", "/p"},
		{"x/base", "/x/base"},
		{"bas/e", "/bas/e"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t buffers[4][256];
		struct coax_message from, to, response, out;
		char location[64], text[64], *segment, *rest;

		coax_message_start(&from, buffers[0], 256, 0, COAX_GET, 0, NULL, 0);
		coax_message_add_string(&from, COAX_URI_PATH, "base");
		coax_message_start(&to, buffers[1], 256, 0, COAX_GET, 0, NULL, 0);
		coax_message_add_string(&to, COAX_URI_PATH, "p");
		coax_message_start(&response, buffers[2], 256, 0, COAX_CREATED, 0, NULL, 0);
		snprintf(text, sizeof(text), "%s", cases[i].location);
		for (segment = strtok_r(text, "/", &rest); segment;
		     segment = strtok_r(NULL, "/", &rest))
			coax_message_add_string(&response, COAX_LOCATION_PATH, segment);
		coax_message_add_string(&response, COAX_LOCATION_QUERY, "q");
		coax_message_start(&out, buffers[3], 256, 0, COAX_CREATED, 0, NULL, 0);
		ASSERT_EQ(coax_forwarding_return(&out, &response,
						 &(struct coax_relocation){&from, &to}),
			  0);
		coax_uri_compose_location(&out, location, sizeof(location));
		snprintf(text, sizeof(text), "%s?q", cases[i].here);
		EXPECT_STREQ(location, text);
	}
}

TEST("a location with dot segments is not passed on, nor an unknown unsafe option")
{
	uint8_t buffer[64];
	struct coax_message m;

	coax_message_start(&m, buffer, sizeof(buffer), 0, COAX_CREATED, 0, NULL, 0);
	EXPECT_TRUE(coax_forwarding_may_return(&m));
	coax_message_add(&m, COAX_LOCATION_PATH, "..", 2);
	EXPECT_FALSE(coax_forwarding_may_return(&m));
	coax_message_start(&m, buffer, sizeof(buffer), 0, COAX_CONTENT, 0, NULL, 0);
	coax_message_add(&m, 2050, "x", 1);
	EXPECT_FALSE(coax_forwarding_may_return(&m));
}

TEST("which responses tell that something may have changed")
{
	EXPECT_TRUE(coax_forwarding_changes(COAX_PUT, COAX_CHANGED));
	EXPECT_TRUE(coax_forwarding_changes(COAX_POST, COAX_CREATED));
	EXPECT_TRUE(coax_forwarding_changes(COAX_DELETE, COAX_DELETED));
	EXPECT_TRUE(coax_forwarding_changes(COAX_IPATCH, COAX_GATEWAY_TIMEOUT));
	EXPECT_FALSE(coax_forwarding_changes(COAX_PUT, COAX_FORBIDDEN));
	EXPECT_FALSE(coax_forwarding_changes(COAX_GET, COAX_CONTENT));
	EXPECT_FALSE(coax_forwarding_changes(COAX_FETCH, COAX_INTERNAL_SERVER_ERROR));
}

TEST_MAIN()
