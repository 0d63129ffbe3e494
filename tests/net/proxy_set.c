// SPDX-License-Identifier: BSD-2-Clause
/*
 * A proxy that is told to do something else while it serves, over loopback: what changes, what
 * stays, and that nobody who asks notices.
 */
#include "../proxy.h"
#include "../watcher.h"

static struct origin origins[2];
static struct coax_proxy_mapping mappings[3];
static struct coax_proxy_options options;

static void map(int index, const char *prefix, const char *host, int origin)
{
	static const char *uris[3];

	uris[index] = origins[origin].uri;
	mappings[index] = (struct coax_proxy_mapping){
		.prefix = prefix, .host = host, .origins = &uris[index], .origin_count = 1};
}

static int set(size_t count)
{
	options.mapping_count = count;
	return coax_proxy_set(between.proxy, &options);
}

/* "p" is the first origin's, and "q" the second's. */
static void begin(void)
{
	for (int i = 0; i < 2; i++) {
		origin_start(&origins[i]);
		atomic_store(&origins[i].version, i + 1);
	}
	options = (struct coax_proxy_options){
		.mappings = mappings,
		.mapping_count = 2,
		.identity = "between",
		.logger = {.write = requester_nobody_logs, .from = COAX_LOG_DEBUG},
	};
	map(0, "p", NULL, 0);
	map(1, "q", NULL, 1);
	between_start(&options);
}

static void end(void)
{
	between_end();
	origin_end(&origins[0]);
	origin_end(&origins[1]);
}

TEST("a mapping that stays the same keeps what is stored; one that is another's is fetched anew")
{
	begin();
	EXPECT_STREQ(get("p/a")->text, "v1");
	EXPECT_STREQ(get("q/a")->text, "v2");
	map(1, "q", NULL, 0);
	ASSERT_EQ(set(2), 0);
	EXPECT_STREQ(get("p/a")->text, "v1");
	EXPECT_EQ(between_stats().hits, 1ULL);
	EXPECT_EQ(between_stats().entries, 1ULL);
	EXPECT_STREQ(get("q/a")->text, "v1");
	EXPECT_EQ(atomic_load(&origins[0].requests), 2);
	EXPECT_EQ(atomic_load(&origins[1].requests), 1);
	/* In another order they are the same. */
	map(0, "q", NULL, 0);
	map(1, "p", NULL, 0);
	ASSERT_EQ(set(2), 0);
	get("p/a");
	get("q/a");
	EXPECT_EQ(between_stats().hits, 3ULL);
	end();
}

TEST("a mapping that is gone is not found, and one that is new is, at once")
{
	begin();
	get("p/a");
	get("q/a");
	map(0, "r", NULL, 0);
	ASSERT_EQ(set(2), 0);
	EXPECT_EQ(get("p/a")->code, COAX_NOT_FOUND);
	EXPECT_STREQ(get("r/a")->text, "v1");
	EXPECT_EQ(set(0), 0);
	EXPECT_EQ(get("r/a")->code, COAX_NOT_FOUND);
	EXPECT_EQ(between_stats().entries, 0ULL);
	end();
}

TEST("hosts and forward-proxying come and go")
{
	static const char *const allowed[] = {"127.0.0.1:*"};
	const char *uri;

	begin();
	uri = origins[1].uri;
	EXPECT_STREQ(get_with("p/a", COAX_URI_HOST, "b.example", 9)->text, "v1");
	EXPECT_EQ(get_with("", COAX_PROXY_URI, uri, strlen(uri))->code,
		  COAX_PROXYING_NOT_SUPPORTED);
	map(2, NULL, "b.example", 1);
	options.allowed = allowed;
	options.allowed_count = 1;
	ASSERT_EQ(set(3), 0);
	EXPECT_STREQ(get_with("p/a", COAX_URI_HOST, "b.example", 9)->text, "v2");
	EXPECT_STREQ(get_with("", COAX_PROXY_URI, uri, strlen(uri))->text, "v2");
	options.allowed_count = 0;
	ASSERT_EQ(set(2), 0);
	EXPECT_STREQ(get_with("p/a", COAX_URI_HOST, "b.example", 9)->text, "v1");
	EXPECT_EQ(get_with("", COAX_PROXY_URI, uri, strlen(uri))->code,
		  COAX_PROXYING_NOT_SUPPORTED);
	EXPECT_EQ(between_stats().entries, 1ULL);
	end();
}

TEST("a prefix within another takes over what that has answered for, and gives it back")
{
	begin();
	EXPECT_STREQ(get("p/in/a")->text, "v1");
	EXPECT_STREQ(get("p/a")->text, "v1");
	map(2, "p/in", NULL, 1);
	ASSERT_EQ(set(3), 0);
	EXPECT_EQ(between_stats().entries, 1ULL);
	EXPECT_STREQ(get("p/in/a")->text, "v2");
	EXPECT_STREQ(get("p/a")->text, "v1");
	ASSERT_EQ(set(2), 0);
	EXPECT_STREQ(get("p/in/a")->text, "v1");
	EXPECT_EQ(between_stats().entries, 2ULL);
	end();
}

TEST("with a mistake nothing changes")
{
	static const char *const allowed[] = {"127.0.0.1:port"}, *const prefetch[] = {"%x"};
	const struct coax_resource_options other = {.path = "taken", .get = origin_handle};

	begin();
	get("p/a");
	ASSERT_EQ(coax_site_add(between.site, &other, NULL), 0);
	map(0, "r", NULL, 0);
	map(2, "taken", NULL, 0);
	EXPECT_EQ(set(3), -EEXIST);
	map(2, "r", NULL, 1);
	EXPECT_EQ(set(3), -EEXIST);
	mappings[2].prefix = NULL;
	EXPECT_EQ(set(3), -EINVAL);
	options.allowed = allowed;
	options.allowed_count = 1;
	EXPECT_EQ(set(2), -EINVAL);
	options.allowed_count = 0;
	options.prefetch = prefetch;
	options.prefetch_count = 1;
	EXPECT_EQ(set(2), -EINVAL);
	EXPECT_EQ(get("r/a")->code, COAX_NOT_FOUND);
	EXPECT_STREQ(get("p/a")->text, "v1");
	EXPECT_STREQ(get("q/a")->text, "v2");
	EXPECT_EQ(between_stats().hits, 1ULL);
	end();
}

static struct coax_responder *held;
static atomic_bool is_held;

/* The first request waits until the test answers it. */
static void hold(struct coax_responder *responder, void *arg)
{
	struct origin *origin = arg;

	if (atomic_fetch_add(&origin->requests, 1)) {
		origin_handle(responder, arg);
		return;
	}
	held = coax_responder_defer(responder);
	atomic_store(&is_held, true);
}

static atomic_int answered_code;

static void answered(void *arg, int result, const struct coax_message *m,
		     const union coax_address *remote)
{
	(void)arg;
	(void)remote;
	atomic_store(&answered_code, result ? result : coax_message_code(m));
}

TEST("who waits for a mapping that goes is answered, and nothing of it is kept")
{
	uint8_t buffer[128];
	struct coax_message m;

	begin();
	origin_end(&origins[0]);
	origin_start_with(&origins[0], hold);
	map(0, "p", NULL, 0);
	ASSERT_EQ(set(2), 0);
	atomic_store(&answered_code, 0);
	m = asking(buffer, sizeof(buffer), COAX_GET, "p/a");
	ASSERT_EQ(coax_request(between.client, &between.address, &m, NULL, answered, NULL, NULL),
		  0);
	WAIT_FOR(atomic_load(&is_held));
	map(0, "p", NULL, 1);
	ASSERT_EQ(set(2), 0);
	EXPECT_STREQ(get("p/a")->text, "v2");
	coax_respond(held, COAX_CONTENT);
	WAIT_FOR(atomic_load(&answered_code));
	EXPECT_EQ(atomic_load(&answered_code), COAX_CONTENT);
	EXPECT_STREQ(get("p/a")->text, "v2");
	WAIT_FOR(between_stats().entries == 1);
	end();
}

TEST("nor is a block of what turns out to be too large, when another answers for it by then")
{
	uint8_t buffer[128];
	struct coax_message m;

	begin();
	origin_end(&origins[0]);
	origin_start_with(&origins[0], hold);
	origins[0].length = 6000;
	origins[0].etag = "e";
	options.body_max = 2048;
	map(0, "p", NULL, 0);
	ASSERT_EQ(set(2), 0);
	atomic_store(&is_held, false);
	atomic_store(&answered_code, 0);
	m = asking(buffer, sizeof(buffer), COAX_GET, "p/in/a");
	ASSERT_EQ(coax_request(between.client, &between.address, &m,
			       &(struct coax_request_options){.single = true}, answered, NULL,
			       NULL),
		  0);
	WAIT_FOR(atomic_load(&is_held));
	map(2, "p/in", NULL, 1);
	ASSERT_EQ(set(3), 0);
	ASSERT_EQ(coax_responder_set_payload(held, numbered_bytes(), 6000), 0);
	coax_respond(held, COAX_CONTENT);
	WAIT_FOR(atomic_load(&answered_code));
	EXPECT_EQ(atomic_load(&answered_code), COAX_CONTENT);
	EXPECT_EQ(between_stats().forwarded, 2ULL);
	WAIT_FOR(between_stats().entries == 0);
	end();
}

TEST("observers of what stays are told of changes as before; those of what goes are told so")
{
	static struct watcher stays, changes, goes;

	begin();
	map(2, "r", NULL, 0);
	ASSERT_EQ(set(3), 0);
	watch(&stays, "p/a");
	watch(&changes, "q/a");
	watch(&goes, "r/a");
	WAIT_FOR(stays.version == 1 && changes.version == 2 && goes.version == 1);
	map(1, "q", NULL, 0);
	ASSERT_EQ(set(2), 0);
	WAIT_FOR(atomic_load(&goes.error));
	WAIT_FOR(atomic_load(&changes.error));
	EXPECT_EQ(atomic_load(&goes.code), COAX_NOT_FOUND);
	WAIT_FOR(between_stats().watches == 1);
	atomic_store(&origins[0].version, 3);
	coax_resource_changed(origins[0].resource);
	WAIT_FOR(stays.version == 3);
	EXPECT_FALSE(atomic_load(&stays.error));
	coax_observation_free(stays.observation);
	coax_observation_free(changes.observation);
	coax_observation_free(goes.observation);
	end();
}

static int observers(void)
{
	struct coax_context_stats stats;

	coax_context_stats_read(between.context, &stats);
	return (int)stats.observers;
}

TEST("what is prefetched changes: observations begin and end with it")
{
	static const char *const first[] = {"p/a", "p/b"}, *const second[] = {"p/b", "q/a"};

	begin();
	options.prefetch = first;
	options.prefetch_count = 2;
	ASSERT_EQ(set(2), 0);
	WAIT_FOR(observers() == 2 && between_stats().entries == 2);
	EXPECT_EQ(atomic_load(&origins[1].requests), 0);
	options.prefetch = second;
	ASSERT_EQ(set(2), 0);
	WAIT_FOR(atomic_load(&origins[1].requests) == 1 && observers() == 2);
	EXPECT_EQ(between_stats().forwarded, 3ULL);
	options.prefetch_count = 0;
	ASSERT_EQ(set(2), 0);
	WAIT_FOR(observers() == 0);
	end();
}

TEST("limits change: the cache's size, a body's, and how stale an answer may be")
{
	char path[16];

	begin();
	origins[0].length = 5000;
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "p/%d", i);
		EXPECT_EQ(get(path)->code, COAX_CONTENT);
	}
	EXPECT_EQ(between_stats().entries, 40ULL);
	options.cache_bytes = 65536;
	ASSERT_EQ(set(2), 0);
	EXPECT_LE(between_stats().bytes, 65536ULL);
	EXPECT_GE(between_stats().entries, 5ULL);
	options.cache_bytes = 256 << 20;
	options.body_max = 1024;
	ASSERT_EQ(set(2), 0);
	EXPECT_EQ(ask(COAX_FETCH, "p/new")->code, COAX_BAD_GATEWAY);
	EXPECT_EQ(get("p/39")->code, COAX_CONTENT);
	end();
}

static atomic_bool alternating;

static void *alternate(void *arg)
{
	(void)arg;
	for (int round = 0; atomic_load(&alternating); round++) {
		map(1, round & 1 ? "q" : "r", NULL, round & 2 ? 0 : 1);
		map(2, NULL, "b.example", round & 1);
		EXPECT_EQ(set(round & 4 ? 2 : 3), 0);
		usleep(2000);
	}
	return NULL;
}

TEST("requests while it changes all the time are each answered, by the origin that may")
{
	pthread_t thread;
	uint8_t code;
	char path[16];

	begin();
	atomic_store(&origins[0].max_age, 0);
	atomic_store(&alternating, true);
	ASSERT_EQ(pthread_create(&thread, NULL, alternate, NULL), 0);
	for (int i = 0; i < 400; i++) {
		snprintf(path, sizeof(path), "p/%d", i & 7);
		EXPECT_STREQ(get(path)->text, "v1");
		code = get("q/a")->code;
		EXPECT_TRUE(code == COAX_CONTENT || code == COAX_NOT_FOUND);
		EXPECT_EQ(get_with(path, COAX_URI_HOST, "b.example", 9)->code, COAX_CONTENT);
	}
	atomic_store(&alternating, false);
	pthread_join(thread, NULL);
	end();
}

static struct coax_proxy_origin *origin_figures(size_t *count)
{
	struct coax_proxy_origin *figures;

	ASSERT_EQ(coax_proxy_origins_read(between.proxy, &figures, count), 0);
	return figures;
}

TEST("origins count what they are asked and answer, for all mappings that have them")
{
	static const char *const allowed[] = {"*:*"};
	struct coax_proxy_origin *figures;
	uint64_t times = 0;
	size_t count;

	begin();
	map(1, "q", NULL, 0);
	options.allowed = allowed;
	options.allowed_count = 1;
	ASSERT_EQ(set(2), 0);
	get("p/a");
	get("p/a");
	get("q/a");
	atomic_store(&origins[0].code, COAX_NOT_FOUND);
	get("q/b");
	get_with("", COAX_PROXY_URI, origins[1].uri, strlen(origins[1].uri));
	get_with("", COAX_PROXY_URI, "coap://127.0.0.1:1", 18);
	figures = origin_figures(&count);
	ASSERT_EQ(count, 2UL);
	EXPECT_STREQ(figures[0].uri, origins[0].uri);
	EXPECT_EQ(figures[0].requests, 3ULL);
	EXPECT_EQ(figures[0].answers[2], 2ULL);
	EXPECT_EQ(figures[0].answers[4], 1ULL);
	EXPECT_EQ(figures[0].failures, 0ULL);
	EXPECT_FALSE(figures[0].is_down);
	EXPECT_GT(figures[0].answered_ns, 0ULL);
	for (int i = 0; i < COAX_PROXY_TIME_COUNT; i++)
		times += figures[0].times[i];
	EXPECT_EQ(times, 3ULL);
	EXPECT_STREQ(figures[1].uri, COAX_PROXY_TARGETS);
	EXPECT_EQ(figures[1].requests, 2ULL);
	EXPECT_EQ(figures[1].answers[2], 1ULL);
	EXPECT_EQ(figures[1].failures, 1ULL);
	coax_proxy_origins_free(figures, count);

	/* With another mapping they go on. */
	map(0, "r", NULL, 0);
	ASSERT_EQ(set(1), 0);
	figures = origin_figures(&count);
	ASSERT_EQ(count, 2UL);
	EXPECT_EQ(figures[0].requests, 3ULL);
	coax_proxy_origins_free(figures, count);
	end();
}

TEST_MAIN()
