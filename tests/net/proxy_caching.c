// SPDX-License-Identifier: BSD-2-Clause
/*
 * A proxy's cache as clients and an origin see it, over loopback (RFC 7252 sections 5.6 and 5.7).
 */
#include "../proxy.h"

static struct origin origin;

static void begin(void)
{
	origin_start(&origin);
	between_start_plainly(&origin, NULL);
}

static void end(void)
{
	between_end();
	origin_end(&origin);
}

TEST("what is below the prefix is fetched from the origin, once for as long as it is fresh")
{
	begin();
	EXPECT_STREQ(get("p/a/b?c=d")->text, "v1");
	atomic_store(&origin.version, 2);
	EXPECT_STREQ(get("p/a/b?c=d")->text, "v1");
	EXPECT_EQ(origin.requests, 1);
	EXPECT_STREQ(get("p/a/b?c=e")->text, "v2");
	EXPECT_STREQ(get("p/a")->text, "v2");
	EXPECT_STREQ(get("p")->text, "v2");
	EXPECT_EQ(origin.requests, 4);
	EXPECT_EQ(between_stats().hits, 1ULL);
	EXPECT_EQ(between_stats().forwarded, 4ULL);
	end();
}

TEST("the origin sees the path without the prefix, its queries, and no more hops than there are")
{
	char uri[256];
	uint32_t hops;

	begin();
	get("p/a%2Fb/c?d=e&f");
	ASSERT_GT(coax_uri_compose_path(&origin.seen, uri, sizeof(uri)), 0);
	EXPECT_STREQ(uri, "/a%2Fb/c?d=e&f");
	EXPECT_FALSE(origin_saw(&origin, COAX_URI_HOST));
	ASSERT_TRUE(coax_message_find_uint(&origin.seen, COAX_HOP_LIMIT, &hops));
	EXPECT_EQ(hops, 16U);
	end();
}

TEST("Max-Age says what is left of it, never more than the origin said")
{
	const struct said *said;

	begin();
	atomic_store(&origin.max_age, 100);
	said = get("p/a");
	EXPECT_LE(said->max_age, 100U);
	EXPECT_GE(said->max_age, 97U);
	usleep(1200000);
	said = get("p/a");
	EXPECT_LE(said->max_age, 98U);
	EXPECT_GE(said->max_age, 90U);
	EXPECT_EQ(origin.requests, 1);
	end();
}

TEST("a response without Max-Age is passed on as one that is good for a minute")
{
	begin();
	atomic_store(&origin.max_age, -1);
	EXPECT_LE(get("p/a")->max_age, 60U);
	EXPECT_GE(get("p/a")->max_age, 57U);
	EXPECT_EQ(origin.requests, 1);
	end();
}

TEST("Max-Age 0 is fetched each time")
{
	begin();
	atomic_store(&origin.max_age, 0);
	for (int i = 1; i <= 3; i++) {
		EXPECT_EQ(get("p/a")->max_age, 0U);
		EXPECT_EQ(origin.requests, i);
	}
	WAIT_FOR(between_stats().entries == 0);
	end();
}

TEST("a stale response is validated by its ETag, and a 2.03 makes it fresh again")
{
	struct coax_option etag;

	begin();
	origin.etag = "e1";
	atomic_store(&origin.max_age, 1);
	EXPECT_STREQ(get("p/a")->text, "v1");
	EXPECT_FALSE(origin_saw(&origin, COAX_ETAG));
	usleep(1100000);
	atomic_store(&origin.max_age, 50);
	EXPECT_STREQ(get("p/a")->text, "v1");
	EXPECT_EQ(origin.requests, 2);
	ASSERT_TRUE(coax_message_find(&origin.seen, COAX_ETAG, &etag));
	EXPECT_MEMEQ(etag.value, "e1", 2);
	EXPECT_EQ(between_stats().validated, 1ULL);
	EXPECT_GE(get("p/a")->max_age, 45U);
	EXPECT_EQ(origin.requests, 2);
	end();
}

TEST("when the ETag is another one, the new representation takes the place of the stale one")
{
	begin();
	origin.etag = "e1";
	atomic_store(&origin.max_age, 1);
	EXPECT_STREQ(get("p/a")->text, "v1");
	usleep(1100000);
	origin.etag = "e2";
	atomic_store(&origin.version, 2);
	EXPECT_STREQ(get("p/a")->text, "v2");
	EXPECT_STREQ(get("p/a")->text, "v2");
	EXPECT_EQ(origin.requests, 2);
	EXPECT_EQ(between_stats().validated, 0ULL);
	end();
}

TEST("Max-Age 0 with an ETag is validated each time")
{
	begin();
	origin.etag = "e1";
	atomic_store(&origin.max_age, 0);
	for (int i = 1; i <= 3; i++) {
		EXPECT_STREQ(get("p/a")->text, "v1");
		EXPECT_EQ(origin.requests, i);
	}
	EXPECT_EQ(between_stats().validated, 2ULL);
	end();
}

TEST("a client's ETag gets 2.03 if it is that of the cached response, else 2.05")
{
	begin();
	origin.etag = "e1";
	EXPECT_EQ(get_with("p/a", COAX_ETAG, "e1", 2)->code, COAX_VALID);
	EXPECT_FALSE(origin_saw(&origin, COAX_ETAG));
	EXPECT_EQ(get_with("p/a", COAX_ETAG, "e1", 2)->code, COAX_VALID);
	EXPECT_EQ(get_with("p/a", COAX_ETAG, "e2", 2)->code, COAX_CONTENT);
	EXPECT_STREQ(get("p/a")->text, "v1");
	EXPECT_EQ(origin.requests, 1);
	/* The same ETag of another resource's response means something else. */
	EXPECT_EQ(get_with("p/b", COAX_ETAG, "e2", 2)->code, COAX_CONTENT);
	end();
}

TEST("negative answers are cached, and the origin is not asked again")
{
	begin();
	atomic_store(&origin.code, COAX_NOT_FOUND);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(get("p/a")->code, COAX_NOT_FOUND);
	EXPECT_EQ(origin.requests, 1);
	end();
}

TEST("a server's error is cached only for as long as the origin says")
{
	begin();
	atomic_store(&origin.code, COAX_INTERNAL_SERVER_ERROR);
	atomic_store(&origin.max_age, -1);
	EXPECT_EQ(get("p/a")->code, COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(get("p/a")->code, COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(origin.requests, 2);
	atomic_store(&origin.max_age, 10);
	EXPECT_EQ(get("p/a")->code, COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(get("p/a")->code, COAX_INTERNAL_SERVER_ERROR);
	EXPECT_EQ(origin.requests, 3);
	end();
}

TEST("an unknown success is passed on and not cached")
{
	begin();
	atomic_store(&origin.code, COAX_CODE(2, 17));
	EXPECT_EQ(get("p/a")->code, COAX_CODE(2, 17));
	EXPECT_EQ(get("p/a")->code, COAX_CODE(2, 17));
	EXPECT_EQ(origin.requests, 2);
	end();
}

TEST("a successful PUT, POST, DELETE, PATCH or iPATCH makes all of the path stale, and no other")
{
	static const uint8_t methods[] = {COAX_PUT, COAX_POST, COAX_DELETE, COAX_PATCH,
					  COAX_IPATCH};
	int requests;

	begin();
	for (size_t i = 0; i < sizeof(methods); i++) {
		atomic_store(&origin.code, COAX_CONTENT);
		get("p/a");
		get("p/a?q");
		get_with("p/a", COAX_ACCEPT, "", 0);
		get("p/b");
		requests = origin.requests;
		atomic_store(&origin.code, methods[i] == COAX_DELETE ? COAX_DELETED : COAX_CHANGED);
		ask(methods[i], "p/a?x");
		atomic_store(&origin.code, COAX_CONTENT);
		get("p/b");
		EXPECT_EQ(origin.requests, requests + 1);
		get("p/a");
		get("p/a?q");
		get_with("p/a", COAX_ACCEPT, "", 0);
		EXPECT_EQ(origin.requests, requests + 4);
	}
	end();
}

TEST("a request that the origin refuses changes nothing, one with an unknown outcome may have")
{
	begin();
	get("p/a");
	atomic_store(&origin.code, COAX_FORBIDDEN);
	EXPECT_EQ(ask(COAX_PUT, "p/a")->code, COAX_FORBIDDEN);
	atomic_store(&origin.code, COAX_CONTENT);
	get("p/a");
	EXPECT_EQ(origin.requests, 2);
	atomic_store(&origin.code, COAX_INTERNAL_SERVER_ERROR);
	ask(COAX_PUT, "p/a");
	atomic_store(&origin.code, COAX_CONTENT);
	get("p/a");
	EXPECT_EQ(origin.requests, 4);
	end();
}

TEST("responses to POST and PUT are not cached, however often they are asked for")
{
	begin();
	atomic_store(&origin.code, COAX_CONTENT);
	ask(COAX_POST, "p/a");
	ask(COAX_POST, "p/a");
	EXPECT_EQ(origin.requests, 2);
	EXPECT_EQ(between_stats().entries, 0ULL);
	end();
}

TEST("FETCHes with the same payload share a response, others do not")
{
	uint8_t buffer[256];
	struct coax_message m;

	begin();
	for (int i = 0; i < 4; i++) {
		m = asking(buffer, sizeof(buffer), COAX_FETCH, "p/a");
		coax_message_set_payload(&m, i / 2 ? "x" : "y", 1);
		EXPECT_EQ(ask_message(&m)->code, COAX_CONTENT);
		EXPECT_EQ(origin.seen.length - origin.seen.payload, 1U);
	}
	EXPECT_EQ(origin.requests, 2);
	end();
}

TEST("conditional requests go to the origin each time, with their ETags")
{
	begin();
	origin.etag = "e1";
	get("p/a");
	get_with("p/a", COAX_IF_MATCH, "e1", 2);
	EXPECT_TRUE(origin_saw(&origin, COAX_IF_MATCH));
	get_with("p/a", COAX_IF_MATCH, "e1", 2);
	EXPECT_EQ(origin.requests, 3);
	end();
}

TEST("one client's Accept, Echo or tag shows in no other's response")
{
	begin();
	get_with("p/a", COAX_ECHO, "secret", 6);
	EXPECT_FALSE(origin_saw(&origin, COAX_ECHO));
	EXPECT_FALSE(said_has(get("p/a"), COAX_ECHO));
	EXPECT_EQ(origin.requests, 1);
	get_with("p/a", COAX_ACCEPT, "\x3c", 1);
	EXPECT_EQ(origin.requests, 2);
	get_with("p/a", COAX_REQUEST_TAG, "t", 1);
	EXPECT_EQ(origin.requests, 2);
	end();
}

TEST("a large representation is fetched whole in blocks, and given in blocks from the cache")
{
	const struct said *said;
	int requests;

	begin();
	origin.etag = "e1";
	origin.length = 100000;
	for (int i = 0; i < 2; i++) {
		const uint8_t *payload;
		size_t length;

		said = get("p/large");
		payload = coax_message_payload(&said->m, &length);
		ASSERT_EQ(length, 100000U);
		EXPECT_MEMEQ(payload, numbered_bytes(), length);
		if (!i)
			requests = origin.requests;
		EXPECT_EQ(origin.requests, requests);
	}
	EXPECT_EQ(between_stats().forwarded, 1ULL);
	end();
}

TEST("a representation that is larger than allowed gets 5.02 where it cannot go block by block")
{
	const struct coax_proxy_options options = {.body_max = 4096};

	origin_start(&origin);
	between_start_plainly(&origin, &options);
	origin.length = 5000;
	EXPECT_EQ(ask(COAX_FETCH, "p/large")->code, COAX_BAD_GATEWAY);
	origin.length = 4096;
	EXPECT_EQ(get("p/fits")->code, COAX_CONTENT);
	end();
}

TEST("a large body of a request reaches the origin whole")
{
	uint8_t buffer[256];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_PUT, "p/large");
	static uint8_t reply[2048];
	struct coax_body body = {.length = 3000, .data = numbered_bytes()};
	struct coax_request_options options = {.body = &body};
	struct coax_message response;

	begin();
	atomic_store(&origin.code, COAX_CHANGED);
	ASSERT_EQ(coax_request_wait(between.client, &between.address, &m, &options, reply,
				    sizeof(reply), &response),
		  0);
	EXPECT_EQ(coax_message_code(&response), COAX_CHANGED);
	ASSERT_EQ(origin.seen.length - origin.seen.payload, 3000U);
	EXPECT_MEMEQ(origin.seen.data + origin.seen.payload, numbered_bytes(), 3000);
	end();
}

TEST_MAIN()
