// SPDX-License-Identifier: BSD-2-Clause
/*
 * A proxy's cache, by a clock that the test drives (RFC 7252 sections 5.6 and 5.9).
 */
#include <coax/coax.h>
#include "../harness.h"
#include "clock.h"
#include "proxy/cache.h"

#define BEGIN (1000 * NS_PER_SEC)

static struct coax_cache *cache;
static uint64_t generation;

static void begin(uint64_t bytes_max)
{
	ASSERT_EQ(coax_cache_create(&cache, bytes_max), 0);
}

/* Messages. */

static uint8_t bytes[4096];

static struct coax_message *message(uint8_t code)
{
	static struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, bytes, sizeof(bytes), COAX_TYPE_ACK, code, 0, NULL, 0), 0);
	return &m;
}

static struct coax_message *content(const char *payload, int max_age, const char *etag)
{
	struct coax_message *m = message(COAX_CONTENT);

	if (etag)
		coax_message_add(m, COAX_ETAG, etag, strlen(etag));
	if (max_age >= 0)
		coax_message_add_uint(m, COAX_MAX_AGE, (uint32_t)max_age);
	coax_message_set_payload(m, payload, strlen(payload));
	return m;
}

/* Keys: of GETs for "path?query", and what they are found by to be forgotten. */

struct asked {
	struct coax_message m;
	uint8_t bytes[512];
};

static void ask(struct asked *asked, uint8_t method, const char *path)
{
	ASSERT_EQ(coax_message_start(&asked->m, asked->bytes, sizeof(asked->bytes), COAX_TYPE_CON,
				     method, 0, NULL, 0),
		  0);
	ASSERT_EQ(coax_uri_path_add_options(path, &asked->m), 0);
}

static struct coax_cache_key key_of(uint32_t space, const struct asked *asked)
{
	struct coax_cache_key key;

	ASSERT_EQ(coax_cache_key_make(cache, &key, space, &asked->m), 0);
	return key;
}

static bool same_key(uint32_t space, const struct asked *a, const struct asked *b)
{
	struct coax_cache_key first = key_of(space, a), second = key_of(space, b);

	return first.hash == second.hash && first.length == second.length &&
	       memcmp(first.bytes, second.bytes, first.length) == 0;
}

static struct coax_cached *pin(const struct coax_cache_key *key, const char *path)
{
	struct coax_cached *cached;

	coax_cache_lock(cache);
	cached = coax_cache_pin(cache, key, (const uint8_t *)path, strlen(path));
	coax_cache_unlock(cache);
	ASSERT_TRUE(cached);
	return cached;
}

static void unpin(struct coax_cached *cached)
{
	coax_cache_lock(cache);
	coax_cache_unpin(cache, cached);
	coax_cache_unlock(cache);
}

static bool store(const struct coax_cache_key *key, const char *path,
		  const struct coax_message *response, uint64_t fetched)
{
	struct coax_cached *cached = pin(key, path);
	struct coax_stored *stored = coax_stored_create(response, fetched, 0);
	bool kept;

	ASSERT_TRUE(stored);
	coax_cache_lock(cache);
	kept = coax_cache_store(cache, cached, stored);
	coax_cache_unlock(cache);
	if (!kept)
		coax_stored_put(stored);
	unpin(cached);
	return kept;
}

static struct coax_cache_key get_key(const char *path)
{
	struct asked asked;

	ask(&asked, COAX_GET, path);
	return key_of(1, &asked);
}

/* What of it is fresh at a time, as text; NULL: nothing. Valid until the next call. */
static const char *fresh(const struct coax_cache_key *key, uint64_t now)
{
	struct coax_stored *stored = NULL;
	struct coax_cached *cached;
	static char text[1025];

	rcu_read_lock();
	cached = coax_cache_find(cache, key);
	if (cached)
		stored = coax_cached_fresh(cached, now, &generation);
	if (stored)
		snprintf(text, sizeof(text), "%.*s", (int)stored->payload_length,
			 (const char *)coax_stored_payload(stored));
	rcu_read_unlock();
	return stored ? text : NULL;
}

static void invalidate(const char *path)
{
	coax_cache_lock(cache);
	coax_cache_invalidate(cache, (const uint8_t *)path, strlen(path));
	coax_cache_unlock(cache);
}

static struct coax_cache_stats stats(void)
{
	struct coax_cache_stats read;

	coax_cache_stats_read(cache, &read);
	return read;
}

TEST("a response is fresh until its Max-Age is over, and not a moment longer")
{
	struct coax_cache_key key;

	begin(1 << 20);
	key = get_key("a");
	EXPECT_TRUE(store(&key, "a", content("one", 30, NULL), BEGIN));
	EXPECT_STREQ(fresh(&key, BEGIN), "one");
	EXPECT_STREQ(fresh(&key, BEGIN + 30 * NS_PER_SEC - 1), "one");
	EXPECT_TRUE(!fresh(&key, BEGIN + 30 * NS_PER_SEC));
	coax_cache_destroy(cache);
}

TEST("without a Max-Age option it is fresh for a minute")
{
	struct coax_cache_key key;

	begin(1 << 20);
	key = get_key("a");
	store(&key, "a", content("one", -1, NULL), BEGIN);
	EXPECT_STREQ(fresh(&key, BEGIN + 60 * NS_PER_SEC - 1), "one");
	EXPECT_TRUE(!fresh(&key, BEGIN + 60 * NS_PER_SEC));
	coax_cache_destroy(cache);
}

TEST("what has Max-Age 0 is never fresh")
{
	struct coax_cache_key key;

	begin(1 << 20);
	key = get_key("a");
	store(&key, "a", content("one", 0, "e"), BEGIN);
	EXPECT_TRUE(!fresh(&key, BEGIN));
	coax_cache_destroy(cache);
}

TEST("the largest Max-Age does not wrap around")
{
	struct coax_cache_key key;
	struct coax_message *m;

	begin(1 << 20);
	key = get_key("a");
	m = content("one", -1, NULL);
	coax_message_add_uint(m, COAX_MAX_AGE, UINT32_MAX);
	store(&key, "a", m, BEGIN);
	EXPECT_STREQ(fresh(&key, BEGIN + (UINT32_MAX - 1) * NS_PER_SEC), "one");
	EXPECT_TRUE(!fresh(&key, BEGIN + UINT32_MAX * NS_PER_SEC));
	coax_cache_destroy(cache);
}

TEST("a success that is not known is not kept, nor what answers other methods")
{
	static const uint8_t codes[] = {COAX_CREATED,	  COAX_DELETED,	   COAX_VALID,
					COAX_CHANGED,	  COAX_CONTINUE,   COAX_CODE(2, 6),
					COAX_CODE(2, 30), COAX_CODE(3, 0), COAX_CODE(7, 1)};

	for (size_t i = 0; i < sizeof(codes); i++)
		EXPECT_FALSE(coax_response_is_storable(COAX_GET, message(codes[i])));
	for (uint8_t method = COAX_POST; method <= COAX_IPATCH; method++)
		EXPECT_EQ(coax_response_is_storable(method, content("x", 60, NULL)),
			  method == COAX_FETCH);
	EXPECT_TRUE(coax_response_is_storable(COAX_GET, content("x", 60, NULL)));
}

TEST("negative answers are kept, but not those that are about one request's way here")
{
	static const uint8_t kept[] = {COAX_BAD_REQUEST,    COAX_FORBIDDEN,
				       COAX_NOT_FOUND,	    COAX_METHOD_NOT_ALLOWED,
				       COAX_NOT_ACCEPTABLE, COAX_TOO_MANY_REQUESTS};
	struct coax_message *m;

	for (size_t i = 0; i < sizeof(kept); i++)
		EXPECT_TRUE(coax_response_is_storable(COAX_GET, message(kept[i])));
	EXPECT_FALSE(coax_response_is_storable(COAX_GET, message(COAX_REQUEST_ENTITY_INCOMPLETE)));
	EXPECT_FALSE(coax_response_is_storable(COAX_GET, message(COAX_REQUEST_ENTITY_TOO_LARGE)));
	m = message(COAX_UNAUTHORIZED);
	coax_message_add(m, COAX_ECHO, "e", 1);
	EXPECT_FALSE(coax_response_is_storable(COAX_GET, m));
}

TEST("a server's error is kept for as long as it says, and if it does not say, not at all")
{
	struct coax_message *m;

	for (uint8_t detail = 0; detail <= 8; detail++) {
		uint8_t code = COAX_CODE(5, detail);

		EXPECT_FALSE(coax_response_is_storable(COAX_GET, message(code)));
		m = message(code);
		coax_message_add_uint(m, COAX_MAX_AGE, 5);
		EXPECT_EQ(coax_response_is_storable(COAX_GET, m), code != COAX_HOP_LIMIT_REACHED);
	}
}

TEST("an error has no ETag to be validated by")
{
	struct coax_message *m = message(COAX_NOT_FOUND);
	struct coax_stored *stored;

	coax_message_add(m, COAX_ETAG, "e", 1);
	stored = coax_stored_create(m, BEGIN, 0);
	EXPECT_EQ(stored->etag_length, 0);
	coax_stored_put(stored);
	rcu_barrier();
}

TEST("what is about one hop is not kept with a response")
{
	static const uint16_t hop[] = {COAX_OBSERVE, COAX_MAX_AGE, COAX_SIZE2, COAX_ECHO};
	struct coax_message *m = message(COAX_CONTENT);
	struct coax_option_iterator it;
	struct coax_stored *stored;
	struct coax_option option;
	int options = 0;

	for (size_t i = 0; i < sizeof(hop) / sizeof(hop[0]); i++)
		coax_message_add_uint(m, hop[i], 5);
	coax_message_add(m, COAX_ETAG, "e", 1);
	coax_message_add_uint(m, COAX_CONTENT_FORMAT, 60);
	coax_message_add(m, 2048, "kept", 4);
	stored = coax_stored_create(m, BEGIN, 0);
	it = (struct coax_option_iterator){.at = stored->bytes,
					   .end = stored->bytes + stored->options_length};
	while (coax_options_next(&it, &option)) {
		options++;
		EXPECT_TRUE(option.number == COAX_ETAG || option.number == COAX_CONTENT_FORMAT ||
			    option.number == 2048);
	}
	EXPECT_EQ(options, 3);
	EXPECT_EQ(stored->last_option, 2048);
	coax_stored_put(stored);
	rcu_barrier();
}

TEST("a block is kept with what is said of it, also when it is validated")
{
	const struct coax_block block = {.number = 3, .more = true, .exponent = 6};
	struct coax_message *m = message(COAX_CONTENT);
	struct coax_stored *stored, *validated;
	struct coax_message kept;
	struct coax_block found;
	uint8_t bytes[64] = {0x40, COAX_CONTENT};
	uint32_t size = 0;

	coax_message_add(m, COAX_ETAG, "e", 1);
	ASSERT_EQ(coax_message_add_block(m, COAX_BLOCK2, &block), 0);
	coax_message_add_uint(m, COAX_SIZE2, 9999);
	stored = coax_stored_create(m, BEGIN, 0);
	m = message(COAX_VALID);
	coax_message_add(m, COAX_ETAG, "e", 1);
	validated = coax_stored_validated(stored, m, BEGIN);
	memcpy(bytes + 4, validated->bytes, validated->options_length);
	ASSERT_EQ(coax_message_parse(&kept, bytes, 4 + validated->options_length), 0);
	ASSERT_EQ(coax_message_find_block(&kept, COAX_BLOCK2, &found), 1);
	EXPECT_EQ(found.number, 3U);
	EXPECT_TRUE(found.more);
	EXPECT_TRUE(coax_message_find_uint(&kept, COAX_SIZE2, &size));
	EXPECT_EQ(size, 9999U);
	coax_stored_put(stored);
	coax_stored_put(validated);
	rcu_barrier();
}

TEST("a 2.03 makes the stored response fresh again, with its Max-Age and its options")
{
	struct coax_stored *stored, *validated;
	struct coax_option_iterator it;
	struct coax_option option;
	struct coax_message *m;
	int formats = 0;

	m = content("one", 5, "tag");
	coax_message_add_uint(m, COAX_CONTENT_FORMAT, 0);
	coax_message_add(m, 2048, "old", 3);
	coax_message_add(m, 2052, "stays", 5);
	stored = coax_stored_create(m, BEGIN, 3);

	m = message(COAX_VALID);
	coax_message_add(m, COAX_ETAG, "tag", 3);
	coax_message_add_uint(m, COAX_MAX_AGE, 90);
	coax_message_add(m, 2048, "new", 3);
	coax_message_add(m, 2048, "newer", 5);
	EXPECT_TRUE(coax_stored_is_named(stored, m));
	validated = coax_stored_validated(stored, m, BEGIN + 7 * NS_PER_SEC);
	EXPECT_EQ(coax_stored_fresh_until(validated), BEGIN + 97 * NS_PER_SEC);
	EXPECT_EQ(validated->code, COAX_CONTENT);
	EXPECT_EQ(validated->origin, 3);
	EXPECT_EQ(validated->etag_length, 3);
	EXPECT_EQ(validated->payload_length, 3U);
	EXPECT_MEMEQ(coax_stored_payload(validated), "one", 3);
	it = (struct coax_option_iterator){.at = validated->bytes,
					   .end = validated->bytes + validated->options_length};
	ASSERT_TRUE(coax_options_next(&it, &option));
	EXPECT_EQ(option.number, COAX_ETAG);
	ASSERT_TRUE(coax_options_next(&it, &option));
	EXPECT_EQ(option.number, COAX_CONTENT_FORMAT);
	while (coax_options_next(&it, &option) && option.number == 2048) {
		EXPECT_MEMEQ(option.value, "new", 3);
		formats++;
	}
	EXPECT_EQ(formats, 2);
	EXPECT_EQ(option.number, 2052);
	EXPECT_FALSE(coax_options_next(&it, &option));
	EXPECT_EQ(validated->last_option, 2052);
	coax_stored_put(stored);
	coax_stored_put(validated);
	rcu_barrier();
}

TEST("a 2.03 without Max-Age is good for a minute, one with another ETag is about something else")
{
	struct coax_stored *stored = coax_stored_create(content("one", 5, "tag"), BEGIN, 0);
	struct coax_stored *validated;
	struct coax_message *m = message(COAX_VALID);

	coax_message_add(m, COAX_ETAG, "tag", 3);
	validated = coax_stored_validated(stored, m, BEGIN);
	EXPECT_EQ(validated->max_age, 60U);
	m = message(COAX_VALID);
	EXPECT_FALSE(coax_stored_is_named(stored, m));
	coax_message_add(m, COAX_ETAG, "tags", 4);
	EXPECT_FALSE(coax_stored_is_named(stored, m));
	coax_stored_put(stored);
	coax_stored_put(validated);
	rcu_barrier();
}

TEST("an ETag of a length that there is not is none")
{
	struct coax_stored *stored = coax_stored_create(content("one", 5, "123456789"), BEGIN, 0);

	EXPECT_EQ(stored->etag_length, 0);
	coax_stored_put(stored);
	rcu_barrier();
}

TEST("requests share a response whatever their ETag, Observe, hops, blocks, tags and Echo")
{
	static const uint16_t apart[] = {COAX_ETAG,	   COAX_OBSERVE,     COAX_HOP_LIMIT,
					 COAX_BLOCK2,	   COAX_SIZE2,	     COAX_ECHO,
					 COAX_REQUEST_TAG, COAX_NO_RESPONSE, COAX_URI_HOST};
	struct asked plain, other;

	begin(1 << 20);
	ask(&plain, COAX_GET, "a?b");
	for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++) {
		ask(&other, COAX_GET, "a?b");
		coax_message_add_uint(&other.m, apart[i], 0x21);
		EXPECT_TRUE(same_key(1, &plain, &other));
	}
	coax_cache_destroy(cache);
}

TEST("requests that differ in anything else do not: method, path, queries and their order, Accept, "
     "an unknown option, a FETCH's payload, the mapping")
{
	static const char *const paths[] = {"a?b&d", "a?c&b", "b?b&c", "a/?b&c", "a", "a?b&c&c"};
	struct asked plain, other;
	struct coax_cache_key first, second;

	begin(1 << 20);
	ask(&plain, COAX_GET, "a?b&c");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ask(&other, COAX_GET, paths[i]);
		EXPECT_FALSE(same_key(1, &plain, &other));
	}
	ask(&other, COAX_FETCH, "a?b&c");
	EXPECT_FALSE(same_key(1, &plain, &other));
	ask(&other, COAX_GET, "a?b&c");
	coax_message_add_uint(&other.m, COAX_ACCEPT, 60);
	EXPECT_FALSE(same_key(1, &plain, &other));
	ask(&other, COAX_GET, "a?b&c");
	coax_message_add_uint(&other.m, 2048, 1);
	EXPECT_FALSE(same_key(1, &plain, &other));
	ask(&plain, COAX_FETCH, "a");
	ask(&other, COAX_FETCH, "a");
	coax_message_set_payload(&plain.m, "1", 1);
	coax_message_set_payload(&other.m, "2", 1);
	EXPECT_FALSE(same_key(1, &plain, &other));
	first = key_of(1, &plain);
	second = key_of(2, &plain);
	EXPECT_TRUE(first.length == second.length &&
		    memcmp(first.bytes, second.bytes, first.length) != 0);
	coax_cache_destroy(cache);
}

TEST("a change makes all that is stored for its path stale, whatever query, and nothing else")
{
	struct coax_cache_key a, query, below, other;

	begin(1 << 20);
	a = get_key("a");
	query = get_key("a?q=1");
	below = get_key("a/b");
	other = get_key("b");
	store(&a, "a", content("a", 60, NULL), BEGIN);
	store(&query, "a", content("query", 60, NULL), BEGIN);
	store(&below, "a/b", content("below", 60, NULL), BEGIN);
	store(&other, "b", content("other", 60, NULL), BEGIN);
	invalidate("a");
	EXPECT_TRUE(!fresh(&a, BEGIN));
	EXPECT_TRUE(!fresh(&query, BEGIN));
	EXPECT_STREQ(fresh(&below, BEGIN), "below");
	EXPECT_STREQ(fresh(&other, BEGIN), "other");
	EXPECT_EQ(stats().invalidated, 2ULL);
	coax_cache_destroy(cache);
}

TEST("what was being fetched when a change came can tell that it did")
{
	struct coax_cache_key key;
	struct coax_cached *cached;
	uint64_t before;

	begin(1 << 20);
	key = get_key("a");
	cached = pin(&key, "a");
	before = cached->invalidations;
	invalidate("b");
	EXPECT_EQ(cached->invalidations, before);
	invalidate("a");
	EXPECT_EQ(cached->invalidations, before + 1);
	unpin(cached);
	EXPECT_EQ(stats().entries, 0ULL);
	coax_cache_destroy(cache);
}

TEST("a response that was made stale by a change stays to be validated")
{
	struct coax_cache_key key;
	struct coax_cached *cached;
	struct coax_stored *stored;

	begin(1 << 20);
	key = get_key("a");
	store(&key, "a", content("one", 60, "tag"), BEGIN);
	invalidate("a");
	rcu_read_lock();
	cached = coax_cache_find(cache, &key);
	ASSERT_TRUE(cached);
	stored = coax_cached_any(cached, &generation);
	ASSERT_TRUE(stored);
	EXPECT_TRUE(stored->revoked);
	EXPECT_EQ(stored->etag_length, 3);
	rcu_read_unlock();
	coax_cache_destroy(cache);
}

TEST("another representation moves the subject on, the same one does not")
{
	struct coax_cache_key key;
	uint64_t former;

	begin(1 << 20);
	key = get_key("a");
	store(&key, "a", content("one", 60, NULL), BEGIN);
	ASSERT_TRUE(fresh(&key, BEGIN));
	former = generation;
	store(&key, "a", content("one", 60, NULL), BEGIN + NS_PER_SEC);
	EXPECT_STREQ(fresh(&key, BEGIN + 60 * NS_PER_SEC), "one");
	EXPECT_EQ(generation, former);
	store(&key, "a", content("two", 60, NULL), BEGIN + 2 * NS_PER_SEC);
	EXPECT_STREQ(fresh(&key, BEGIN), "two");
	EXPECT_GT(generation, former);
	former = generation;
	store(&key, "a", content("two", 60, "tag"), BEGIN + 2 * NS_PER_SEC);
	EXPECT_TRUE(fresh(&key, BEGIN));
	EXPECT_GT(generation, former);
	coax_cache_destroy(cache);
}

static struct coax_cache_key numbered_key(int number)
{
	char path[16];

	snprintf(path, sizeof(path), "n%d", number);
	return get_key(path);
}

TEST("it takes no more memory than it may, and keeps what is used")
{
	char payload[1000] = {0};
	struct coax_cache_key key, used;

	memset(payload, 'x', sizeof(payload) - 1);
	begin(1 << 16);
	used = numbered_key(0);
	for (int i = 0; i < 1000; i++) {
		key = numbered_key(i);
		store(&key, "n", content(payload, 60, NULL), BEGIN);
		EXPECT_LE(stats().bytes, 1ULL << 16);
		ASSERT_TRUE(fresh(&used, BEGIN));
	}
	EXPECT_GT(stats().evicted, 900ULL);
	EXPECT_GT(stats().entries, 30ULL);
	coax_cache_destroy(cache);
	rcu_barrier();
}

TEST("what is being fetched is not evicted")
{
	char payload[1000] = {0};
	struct coax_cache_key key, pinned;
	struct coax_cached *cached;

	memset(payload, 'x', sizeof(payload) - 1);
	begin(1 << 14);
	pinned = get_key("pinned");
	cached = pin(&pinned, "pinned");
	for (int i = 0; i < 100; i++) {
		key = numbered_key(i);
		store(&key, "n", content(payload, 60, NULL), BEGIN);
	}
	rcu_read_lock();
	EXPECT_TRUE(coax_cache_find(cache, &pinned) == cached);
	rcu_read_unlock();
	unpin(cached);
	rcu_read_lock();
	EXPECT_TRUE(!coax_cache_find(cache, &pinned));
	rcu_read_unlock();
	coax_cache_destroy(cache);
}

TEST("one response does not take more than a quarter of the cache")
{
	static char payload[4000];
	struct coax_cache_key key;

	memset(payload, 'x', sizeof(payload) - 1);
	begin(1 << 13);
	key = get_key("a");
	EXPECT_FALSE(store(&key, "a", content(payload, 60, NULL), BEGIN));
	EXPECT_EQ(stats().entries, 0ULL);
	EXPECT_EQ(stats().bytes, 0ULL);
	coax_cache_destroy(cache);
}

TEST_MAIN()
