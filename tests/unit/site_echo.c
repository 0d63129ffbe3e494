// SPDX-License-Identifier: BSD-2-Clause
/* Resources that want fresh requests (RFC 9175 section 2). */
#include "../site.h"

static int runs;
static struct coax_echo echo = {.key = {"0123456789abcde"}, .now = 1000000};

static void change(struct coax_responder *responder, void *arg)
{
	(void)arg;
	runs++;
	coax_respond(responder, COAX_CONTENT);
}

/* lock: wants requests of the last 500 ms; safe: of the last 5 s; free: any. */
static struct coax_site *make_site(void)
{
	struct coax_resource_options options = {
		.path = "lock", .put = change, .get = change, .cacheable = true, .fresh_ms = 500};
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	options.path = "safe";
	options.fresh_ms = 5000;
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	options.path = "free";
	options.fresh_ms = 0;
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	runs = 0;
	return site;
}

/* A challenge, or an answer to one. */
struct value {
	size_t length;
	uint8_t bytes[64];
};

/* A request from there with an Echo option (NULL: none). *again: the one to be sent the next time.
 */
static uint8_t request(struct coax_site *site, uint8_t code, const char *path, const char *remote,
		       const struct value *value, struct value *again)
{
	struct coax_option option;
	struct asked asked;

	ask(&asked, code, path);
	if (value)
		ask_option(&asked, COAX_ECHO, value->bytes, value->length);
	asked_ready(&asked);
	asked.responder.echo = &echo;
	ASSERT_EQ(coax_address_parse(&asked.responder.remote, remote, 0), 0);
	rcu_read_lock();
	coax_site_render(site, &asked.responder);
	rcu_read_unlock();
	EXPECT_EQ(asked.answers, 1);
	EXPECT_EQ(asked_has(&asked, COAX_ECHO),
		  coax_message_code(&asked.responder.response) == COAX_UNAUTHORIZED);
	EXPECT_FALSE(value && coax_responder_publishable(&asked.responder));
	if (again && coax_message_find(&asked.responder.response, COAX_ECHO, &option)) {
		ASSERT_LE(option.length, 40u);
		again->length = option.length;
		memcpy(again->bytes, option.value, option.length);
	}
	return coax_message_code(&asked.responder.response);
}

#define CLIENT "192.0.2.1:40000"

TEST("a request that must be fresh and proves nothing gets 4.01 with an Echo, and does not run")
{
	struct coax_site *site = make_site();
	struct value value = {0};

	EXPECT_EQ(request(site, COAX_PUT, "lock", CLIENT, NULL, &value), COAX_UNAUTHORIZED);
	EXPECT_GE(value.length, (size_t)8);
	EXPECT_EQ(request(site, COAX_GET, "lock", CLIENT, NULL, NULL), COAX_UNAUTHORIZED);
	EXPECT_EQ(runs, 0);
	coax_site_destroy(site);
}

TEST("with that Echo it runs, several times, until it is no longer fresh")
{
	struct coax_site *site = make_site();
	struct value value = {0}, again = {0};

	request(site, COAX_PUT, "lock", CLIENT, NULL, &value);
	EXPECT_EQ(request(site, COAX_PUT, "lock", CLIENT, &value, NULL), COAX_CONTENT);
	echo.now += 499;
	EXPECT_EQ(request(site, COAX_PUT, "lock", CLIENT, &value, NULL), COAX_CONTENT);
	EXPECT_EQ(runs, 2);
	echo.now += 1;
	EXPECT_EQ(request(site, COAX_PUT, "lock", CLIENT, &value, &again), COAX_UNAUTHORIZED);
	EXPECT_EQ(runs, 2);
	EXPECT_EQ(request(site, COAX_PUT, "lock", CLIENT, &again, NULL), COAX_CONTENT);
	coax_site_destroy(site);
}

TEST("one Echo serves several resources, each with its own idea of freshness")
{
	struct coax_site *site = make_site();
	struct value value = {0};

	request(site, COAX_PUT, "lock", CLIENT, NULL, &value);
	echo.now += 4000;
	EXPECT_EQ(request(site, COAX_PUT, "lock", CLIENT, &value, NULL), COAX_UNAUTHORIZED);
	EXPECT_EQ(request(site, COAX_PUT, "safe", CLIENT, &value, NULL), COAX_CONTENT);
	coax_site_destroy(site);
}

TEST("an Echo is good for the endpoint that it was given to")
{
	static const char *const others[] = {"192.0.2.1:40001", "192.0.2.2:40000",
					     "[2001:db8::1]:40000", "[::ffff:192.0.2.1]:40000"};
	struct coax_site *site = make_site();
	struct value value = {0};

	request(site, COAX_PUT, "lock", CLIENT, NULL, &value);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		EXPECT_EQ(request(site, COAX_PUT, "lock", others[i], &value, NULL),
			  COAX_UNAUTHORIZED);
	request(site, COAX_PUT, "lock", others[2], NULL, &value);
	EXPECT_EQ(request(site, COAX_PUT, "lock", others[2], &value, NULL), COAX_CONTENT);
	EXPECT_EQ(runs, 1);
	coax_site_destroy(site);
}

TEST("an Echo that is forged in any bit, cut or longer proves nothing")
{
	struct coax_site *site = make_site();
	struct value value = {0};
	size_t whole;

	request(site, COAX_PUT, "lock", CLIENT, NULL, &value);
	for (size_t bit = 0; bit < value.length * 8; bit++) {
		value.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		EXPECT_EQ(request(site, COAX_PUT, "lock", CLIENT, &value, NULL), COAX_UNAUTHORIZED);
		value.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	whole = value.length;
	for (value.length = 0; value.length < sizeof(value.bytes); value.length++)
		EXPECT_EQ(request(site, COAX_PUT, "lock", CLIENT, &value, NULL),
			  value.length == whole ? COAX_CONTENT : COAX_UNAUTHORIZED);
	EXPECT_EQ(runs, 1);
	coax_site_destroy(site);
}

TEST("an Echo of another key, or from the future, proves nothing")
{
	struct coax_site *site = make_site();
	struct value value = {0};

	request(site, COAX_PUT, "lock", CLIENT, NULL, &value);
	echo.key.bytes[3] ^= 1;
	EXPECT_EQ(request(site, COAX_PUT, "lock", CLIENT, &value, NULL), COAX_UNAUTHORIZED);
	echo.key.bytes[3] ^= 1;
	echo.now -= 1;
	EXPECT_EQ(request(site, COAX_PUT, "lock", CLIENT, &value, NULL), COAX_UNAUTHORIZED);
	echo.now += 1;
	EXPECT_EQ(request(site, COAX_PUT, "lock", CLIENT, &value, NULL), COAX_CONTENT);
	coax_site_destroy(site);
}

TEST("the time in an Echo does not tell how long the host is up")
{
	struct coax_site *site = make_site();
	struct value value = {0};

	request(site, COAX_PUT, "lock", CLIENT, NULL, &value);
	for (size_t i = 0; i + 3 <= value.length; i++)
		EXPECT_FALSE(value.bytes[i] == (uint8_t)(echo.now >> 16) &&
			     value.bytes[i + 1] == (uint8_t)(echo.now >> 8) &&
			     value.bytes[i + 2] == (uint8_t)echo.now);
	coax_site_destroy(site);
}

TEST("where freshness is not asked for an Echo is ignored, and never published")
{
	struct coax_site *site = make_site();
	struct value value = {.length = 5, .bytes = "nonce"};

	EXPECT_EQ(request(site, COAX_GET, "free", CLIENT, &value, NULL), COAX_CONTENT);
	EXPECT_EQ(runs, 1);
	coax_site_destroy(site);
}

TEST("a request that came by no network is fresh, and still its answer is not publishable")
{
	struct coax_site *site = make_site();
	struct asked asked;

	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "free"), COAX_CONTENT);
	EXPECT_TRUE(coax_responder_publishable(&asked.responder));
	EXPECT_EQ(ask_plainly(&asked, site, COAX_GET, "lock"), COAX_CONTENT);
	EXPECT_FALSE(coax_responder_publishable(&asked.responder));
	EXPECT_EQ(ask_plainly(&asked, site, COAX_PUT, "lock"), COAX_CONTENT);
	EXPECT_EQ(runs, 3);
	coax_site_destroy(site);
}

TEST("nothing is gathered of a request that has to be proven fresh first")
{
	struct coax_site *site = make_site();
	struct asked asked;

	ask(&asked, COAX_PUT, "lock");
	ask_option(&asked, COAX_BLOCK1, "\10", 1);
	asked.blocks = true;
	asked_ready(&asked);
	asked.responder.echo = &echo;
	rcu_read_lock();
	coax_site_render(site, &asked.responder);
	rcu_read_unlock();
	EXPECT_EQ(coax_message_code(&asked.responder.response), COAX_UNAUTHORIZED);
	EXPECT_EQ(asked.gathered, 0);
	coax_site_destroy(site);
}

TEST_MAIN()
