// SPDX-License-Identifier: BSD-2-Clause
// timeout: 180
/*
 * Observing through a proxy (RFC 7641 section 5), over loopback.
 */
#include "../proxy.h"
#include "../watcher.h"

static struct origin origin;

static struct coax_context_stats stats_of(struct coax_context *context)
{
	struct coax_context_stats stats;

	coax_context_stats_read(context, &stats);
	return stats;
}

#define OBSERVERS(of) ((int)stats_of((of)->context).observers)

static void change(int version)
{
	atomic_store(&origin.version, version);
	coax_resource_changed(origin.resource);
}

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

TEST("any number of clients observe over one observation of the origin, and are told of each change")
{
	static struct watcher watchers[20];

	begin();
	for (int i = 0; i < 20; i++)
		watch(&watchers[i], "p/a");
	for (int i = 0; i < 20; i++)
		WAIT_FOR(watchers[i].version == 1);
	EXPECT_EQ(OBSERVERS(&origin), 1);
	EXPECT_EQ(OBSERVERS(&between), 20);
	EXPECT_EQ(origin.requests, 1);
	for (int version = 2; version <= 4; version++) {
		change(version);
		for (int i = 0; i < 20; i++)
			WAIT_FOR(watchers[i].version == version);
	}
	/* One rendering a change, and no other request. */
	EXPECT_EQ(origin.requests, 4);
	EXPECT_EQ(between_stats().forwarded, 1ULL);
	EXPECT_EQ(between_stats().watches, 1ULL);
	for (int i = 0; i < 20; i++)
		coax_observation_free(watchers[i].observation);
	end();
}

TEST("who only asks is served from what the origin has notified of")
{
	struct watcher watcher;

	begin();
	watch(&watcher, "p/a");
	WAIT_FOR(watcher.version == 1);
	change(2);
	WAIT_FOR(watcher.version == 2);
	EXPECT_STREQ(get("p/a")->text, "v2");
	EXPECT_FALSE(said_has(get("p/a"), COAX_OBSERVE));
	EXPECT_EQ(between_stats().forwarded, 1ULL);
	coax_observation_free(watcher.observation);
	end();
}

TEST("what is fresh in the cache does not keep an observer from the origin")
{
	struct watcher watcher;

	begin();
	EXPECT_STREQ(get("p/a")->text, "v1");
	watch(&watcher, "p/a");
	WAIT_FOR(watcher.version == 1);
	EXPECT_EQ(OBSERVERS(&origin), 1);
	change(2);
	WAIT_FOR(watcher.version == 2);
	coax_observation_free(watcher.observation);
	end();
}

TEST("when nobody observes any more, the origin is told so after a while")
{
	struct watcher watcher;

	begin();
	watch(&watcher, "p/a");
	WAIT_FOR(watcher.version == 1);
	EXPECT_EQ(OBSERVERS(&origin), 1);
	coax_observation_free(watcher.observation);
	WAIT_FOR(OBSERVERS(&origin) == 0);
	WAIT_FOR(between_stats().watches == 0);
	/* And one who comes then begins anew. */
	watch(&watcher, "p/a");
	WAIT_FOR(watcher.version == 1);
	EXPECT_EQ(OBSERVERS(&origin), 1);
	coax_observation_free(watcher.observation);
	end();
}

TEST("one who observes after others is answered from the cache, and told of changes all the same")
{
	struct watcher first, second;

	begin();
	watch(&first, "p/a");
	WAIT_FOR(first.version == 1);
	watch(&second, "p/a");
	WAIT_FOR(second.version == 1);
	EXPECT_EQ(origin.requests, 1);
	coax_observation_free(first.observation);
	change(2);
	WAIT_FOR(second.version == 2);
	usleep(3000000);
	change(3);
	WAIT_FOR(second.version == 3);
	coax_observation_free(second.observation);
	end();
}

/* A handler of an origin that keeps no observers. */
static void unobserved_handle(struct coax_responder *responder, void *arg)
{
	coax_responder_subject(responder, NULL, 0);
	origin_handle(responder, arg);
}

TEST("where the origin keeps no observers, there are none here, and it is asked once for all")
{
	struct watcher watchers[3];

	origin_start_with(&origin, unobserved_handle);
	between_start_plainly(&origin, NULL);
	for (int i = 0; i < 3; i++) {
		watch(&watchers[i], "p/a");
		WAIT_FOR(watchers[i].error == -EOPNOTSUPP);
		EXPECT_EQ(watchers[i].version, 1);
	}
	EXPECT_EQ(OBSERVERS(&between), 0);
	EXPECT_EQ(origin.requests, 1);
	EXPECT_STREQ(get("p/a")->text, "v1");
	EXPECT_EQ(origin.requests, 1);
	WAIT_FOR(between_stats().watches == 0);
	for (int i = 0; i < 3; i++)
		coax_observation_free(watchers[i].observation);
	end();
}

TEST("an origin that ends the observation with an error ends that of all observers, with the same")
{
	struct watcher watchers[3];

	begin();
	for (int i = 0; i < 3; i++) {
		watch(&watchers[i], "p/a");
		WAIT_FOR(watchers[i].version == 1);
	}
	atomic_store(&origin.code, COAX_NOT_FOUND);
	change(2);
	for (int i = 0; i < 3; i++) {
		WAIT_FOR(watchers[i].error == -EREMOTEIO);
		EXPECT_EQ(watchers[i].code, COAX_NOT_FOUND);
		coax_observation_free(watchers[i].observation);
	}
	EXPECT_EQ(get("p/a")->code, COAX_NOT_FOUND);
	WAIT_FOR(OBSERVERS(&between) == 0);
	end();
}

TEST("the end of the origin is told to observers")
{
	struct watcher watcher;

	begin();
	watch(&watcher, "p/a");
	WAIT_FOR(watcher.version == 1);
	origin_end(&origin);
	WAIT_FOR(watcher.error == -EREMOTEIO);
	EXPECT_EQ(COAX_CODE_CLASS(watcher.code), 5);
	coax_observation_free(watcher.observation);
	between_end();
}

/* An origin that accepts one observation, for `max_age` s. */
static void accept_observation(struct peer *peer, uint32_t max_age)
{
	peer_take(peer);
	EXPECT_TRUE(peer_was_sent(peer, COAX_OBSERVE));
	peer_begin(peer, COAX_CONTENT);
	coax_message_add_uint(&peer->reply, COAX_OBSERVE, 5);
	coax_message_add_uint(&peer->reply, COAX_MAX_AGE, max_age);
	coax_message_set_payload(&peer->reply, "v1", 2);
	peer_send(peer);
}

static void begin_with_peers(struct peer *peers, size_t count, uint32_t timeout_ms)
{
	static char uris[2][64];
	const char *origins[2] = {uris[0], uris[1]};
	const struct coax_proxy_mapping mapping = {
		.prefix = "p", .origins = origins, .origin_count = count};
	const struct coax_proxy_options options = {
		.mappings = &mapping, .mapping_count = 1, .timeout_ms = timeout_ms};

	for (size_t i = 0; i < count; i++) {
		peer_open(&peers[i]);
		sprintf(uris[i], "coap://127.0.0.1:%u", coax_address_port(&peers[i].address));
	}
	between_start(&options);
}

TEST("an origin that has gone silently is noticed when its last word is over, and observers are told")
{
	struct watcher watcher;
	struct peer peer;

	begin_with_peers(&peer, 1, 300);
	watch(&watcher, "p/a");
	accept_observation(&peer, 1);
	WAIT_FOR(watcher.version == 1);
	WAIT_FOR(watcher.error == -EREMOTEIO);
	EXPECT_EQ(watcher.code, COAX_GATEWAY_TIMEOUT);
	coax_observation_free(watcher.observation);
	between_end();
}

TEST("when another origin goes on with it, observers notice nothing but the next state")
{
	struct watcher watcher;
	struct peer peers[2];
	int first;

	begin_with_peers(peers, 2, 600);
	watch(&watcher, "p/a");
	first = peer_takes_within(&peers[0], 200) ? 0 : 1;
	/* The one that was asked first never answers. */
	accept_observation(&peers[1 - first], 60);
	WAIT_FOR(watcher.version == 1);
	EXPECT_EQ(watcher.error, 0);
	EXPECT_EQ(between_stats().failovers, 1ULL);
	coax_observation_free(watcher.observation);
	between_end();
}

TEST("when no origin can be asked, who wants to observe gets the error at once")
{
	struct watcher watcher;
	struct peer peer;

	begin_with_peers(&peer, 1, 300);
	close(peer.fd);
	watch(&watcher, "p/a");
	WAIT_FOR(watcher.error == -EREMOTEIO);
	EXPECT_EQ(watcher.code, COAX_BAD_GATEWAY);
	coax_observation_free(watcher.observation);
	watch(&watcher, "p/a");
	WAIT_FOR(watcher.error == -EREMOTEIO);
	coax_observation_free(watcher.observation);
	between_end();
}

/* A handler of an origin that changes by PUT, and tells nobody. */
static void forgetful_handle(struct coax_responder *responder, void *arg)
{
	struct origin *own = arg;

	if (coax_message_code(coax_responder_request(responder)) != COAX_PUT) {
		origin_handle(responder, arg);
		return;
	}
	atomic_fetch_add(&own->version, 1);
	coax_respond(responder, COAX_CHANGED);
}

TEST("a change through the proxy is told to observers, even if the origin forgets to")
{
	struct watcher watcher;

	origin_start_with(&origin, forgetful_handle);
	between_start_plainly(&origin, NULL);
	watch(&watcher, "p/a");
	WAIT_FOR(watcher.version == 1);
	for (int version = 2; version < 6; version++) {
		EXPECT_EQ(ask(COAX_PUT, "p/a")->code, COAX_CHANGED);
		WAIT_FOR(watcher.version == version);
	}
	EXPECT_EQ(watcher.error, 0);
	coax_observation_free(watcher.observation);
	end();
}

TEST("what is Max-Age 0 can be observed: each notification reaches observers, and no GET is served "
     "from it")
{
	struct watcher watcher;
	int requests;

	begin();
	atomic_store(&origin.max_age, 0);
	watch(&watcher, "p/a");
	WAIT_FOR(watcher.version == 1);
	change(2);
	WAIT_FOR(watcher.version == 2);
	EXPECT_EQ(watcher.max_age, 0);
	requests = origin.requests;
	EXPECT_STREQ(get("p/a")->text, "v2");
	EXPECT_EQ(origin.requests, requests + 1);
	change(3);
	WAIT_FOR(watcher.version == 3);
	EXPECT_EQ(watcher.error, 0);
	coax_observation_free(watcher.observation);
	end();
}

TEST("a representation in blocks is observed whole")
{
	struct watcher watcher;

	begin();
	origin.etag = "e1";
	origin.length = 5000;
	watch(&watcher, "p/a");
	WAIT_FOR(watcher.notifications == 1);
	origin.etag = "e2";
	coax_resource_changed(origin.resource);
	WAIT_FOR(watcher.notifications == 2);
	EXPECT_EQ(watcher.error, 0);
	EXPECT_EQ(get("p/a")->code, COAX_CONTENT);
	EXPECT_EQ(between_stats().forwarded, 1ULL);
	coax_observation_free(watcher.observation);
	end();
}

TEST("what is prefetched is observed without a client, and stays so")
{
	static const char *const paths[] = {"p/a?b"};
	const struct coax_proxy_options options = {.prefetch = paths, .prefetch_count = 1};

	origin_start(&origin);
	between_start_plainly(&origin, &options);
	WAIT_FOR(OBSERVERS(&origin) == 1);
	usleep(3000000);
	EXPECT_EQ(OBSERVERS(&origin), 1);
	change(2);
	WAIT_FOR(between_stats().notified >= 2);
	EXPECT_STREQ(get("p/a?b")->text, "v2");
	EXPECT_EQ(between_stats().forwarded, 1ULL);
	end();
}

TEST("what is prefetched and cannot be observed is fetched again when it is stale")
{
	static const char *const paths[] = {"p/a"};
	const struct coax_proxy_options options = {.prefetch = paths, .prefetch_count = 1};

	origin_start_with(&origin, unobserved_handle);
	atomic_store(&origin.max_age, 1);
	between_start_plainly(&origin, &options);
	WAIT_FOR(origin.requests >= 3);
	end();
}

TEST("a GET and an observation at the same time leave one observer and one representation")
{
	struct watcher watchers[8];

	begin();
	for (int round = 0; round < 10; round++) {
		char path[16];

		sprintf(path, "p/%d", round);
		for (int i = 0; i < 8; i++) {
			watch(&watchers[i], path);
			if (i % 3 == 0)
				get(path);
		}
		for (int i = 0; i < 8; i++)
			WAIT_FOR(watchers[i].version > round);
		change(round + 2);
		for (int i = 0; i < 8; i++)
			WAIT_FOR(watchers[i].version == round + 2);
		for (int i = 0; i < 8; i++)
			coax_observation_free(watchers[i].observation);
	}
	end();
}

TEST_TIMEOUT("a thousand clients observe over one observation, and all hear of a change", 60)
{
	static struct watcher watchers[1000];
	struct coax_context *clients[8];

	begin();
	for (int i = 0; i < 8; i++)
		clients[i] = requester_start(1);
	for (int i = 0; i < 1000; i++)
		watch_by(&watchers[i], clients[i % 8], "p/a");
	for (int i = 0; i < 1000; i++)
		WAIT_FOR(watchers[i].version == 1);
	EXPECT_EQ(OBSERVERS(&origin), 1);
	EXPECT_EQ(OBSERVERS(&between), 1000);
	change(2);
	for (int i = 0; i < 1000; i++)
		WAIT_FOR(watchers[i].version == 2);
	EXPECT_EQ(between_stats().forwarded, 1ULL);
	for (int i = 0; i < 1000; i++)
		coax_observation_free(watchers[i].observation);
	for (int i = 0; i < 8; i++)
		coax_context_shutdown(clients[i]);
	end();
}

TEST("shutdown while observations begin and go on leaves nothing behind")
{
	struct watcher watchers[2];
	struct peer peer;

	begin_with_peers(&peer, 1, 20000);
	watch(&watchers[0], "p/a");
	accept_observation(&peer, 60);
	WAIT_FOR(watchers[0].version == 1);
	watch(&watchers[1], "p/b");
	peer_take(&peer);
	for (int i = 0; i < 2; i++)
		coax_observation_free(watchers[i].observation);
	between_end();
}

TEST("shutdown while observations look for an origin that can be had leaves nothing behind")
{
	struct watcher watchers[4];
	struct peer peers[2];
	char path[8];

	for (int round = 0; round < 24; round++) {
		begin_with_peers(peers, 2, 20000);
		close(peers[0].fd);
		close(peers[1].fd);
		for (int i = 0; i < 4; i++) {
			sprintf(path, "p/%d", i);
			watch(&watchers[i], path);
		}
		usleep((useconds_t)round * 20);
		coax_proxy_stop(between.proxy);
		coax_context_shutdown(between.client);
		coax_context_shutdown(between.context);
		coax_proxy_destroy(between.proxy);
		coax_site_destroy(between.site);
		for (int i = 0; i < 4; i++)
			coax_observation_free(watchers[i].observation);
	}
}

TEST_MAIN()
