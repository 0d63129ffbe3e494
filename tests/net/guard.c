// SPDX-License-Identifier: BSD-2-Clause
/*
 * The guard of a Context, with the kernel half and without it: whom they answer, and what.
 */
#include <time.h>
#include <linux/types.h>
#include <coax/coax.h>
#include <coax/gcra.h>
#include <coax/option.h>
#include "../harness.h"
#include "../keeper.h"
#include "../client.h"

/* Large for so short a request, and small enough for what room a veth pair gives. */
#define SIZE 180

static void get(struct coax_responder *responder, void *arg)
{
	static const uint8_t body[SIZE];

	(void)arg;
	coax_message_set_payload(coax_responder_response(responder), body, sizeof(body));
	coax_respond(responder, COAX_CONTENT);
}

static void post(struct coax_responder *responder, void *arg)
{
	static const uint8_t body[4 * SIZE];

	(void)arg;
	coax_message_set_payload(coax_responder_response(responder), body, sizeof(body));
	coax_respond(responder, COAX_CHANGED);
}

struct world {
	struct coax_context *context;
	struct coax_site *site;
	const char *from; /* the client's address; NULL: the usual one */
	int client;
	uint16_t id;
};

/* A client from another address than the usual one. */
static void *open_client_from(void *arg)
{
	struct world *world = arg;
	struct sockaddr_in in = {.sin_family = AF_INET};

	lab_enter_client();
	lab_run("ip addr replace %s/32 dev " LAB_CLIENT, world->from);
	world->client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, world->from, &in.sin_addr);
	ASSERT_EQ(bind(world->client, (struct sockaddr *)&in, sizeof(in)), 0);
	in.sin_port = htons(5683);
	inet_pton(AF_INET, LAB_SERVER_IPV4, &in.sin_addr);
	ASSERT_EQ(connect(world->client, (struct sockaddr *)&in, sizeof(in)), 0);
	return NULL;
}

static void use_client(struct world *world, const char *from)
{
	world->from = from;
	if (from)
		lab_on_client(open_client_from, world);
	else
		world->client = lab_client_open();
}

static void begin(struct world *world, const struct coax_guard_options *guard, bool kernel)
{
	const struct coax_resource_options large = {
		.path = "r", .get = get, .post = post, .cacheable = true};
	const char *interface = LAB_SERVER;
	struct coax_context_options options = {
		.workers = 1,
		.logger = keeper_logger,
		.guard = *guard,
		.accel = {.interfaces = &interface, .interface_count = kernel ? 1 : 0},
	};

	memset(world, 0, sizeof(*world));
	lab_begin();
	ASSERT_EQ(coax_site_create(&world->site), 0);
	ASSERT_EQ(coax_site_add(world->site, &large, NULL), 0);
	options.site = world->site;
	ASSERT_EQ(coax_context_create(&world->context, &options), 0);
	use_client(world, NULL);
}

static void end(struct world *world)
{
	coax_context_shutdown(world->context);
	coax_site_destroy(world->site);
}

static struct coax_context_stats stats_of(const struct world *world)
{
	struct coax_context_stats stats;

	coax_context_stats_read(world->context, &stats);
	return stats;
}

struct answer {
	uint8_t bytes[2048];
	struct coax_message message;
};

/* GET /r, with an Echo option (NULL: none). Returns the response's code, 0: there was none. */
static uint8_t ask_within(struct world *world, const struct coax_option *echo,
			  struct answer *answer, int patience_ms)
{
	struct pollfd readable = {.fd = world->client, .events = POLLIN};
	struct coax_message request;
	uint8_t bytes[128];
	ssize_t length;

	ASSERT_EQ(coax_message_start(&request, bytes, sizeof(bytes), COAX_TYPE_CON, COAX_GET,
				     ++world->id, "t", 1),
		  0);
	ASSERT_EQ(coax_message_add_string(&request, COAX_URI_PATH, "r"), 0);
	if (echo)
		ASSERT_EQ(coax_message_add(&request, COAX_ECHO, echo->value, echo->length), 0);
	ASSERT_EQ(send(world->client, bytes, request.length, 0), (ssize_t)request.length);
	if (poll(&readable, 1, patience_ms) != 1)
		return 0;
	length = recv(world->client, answer->bytes, sizeof(answer->bytes), 0);
	ASSERT_EQ(coax_message_parse(&answer->message, answer->bytes, (size_t)length), 0);
	EXPECT_EQ(coax_message_id(&answer->message), world->id);
	EXPECT_EQ(coax_message_type(&answer->message), (unsigned int)COAX_TYPE_ACK);
	return coax_message_code(&answer->message);
}

static uint8_t ask(struct world *world, const struct coax_option *echo, struct answer *answer)
{
	return ask_within(world, echo, answer, CLIENT_PATIENCE_MS);
}

/* Ask until the answer is another than 2.05. */
static uint8_t ask_until_limited(struct world *world, struct answer *answer)
{
	uint8_t code = COAX_CONTENT;

	for (int i = 0; i < 200 && code == COAX_CONTENT; i++)
		code = ask(world, NULL, answer);
	return code;
}

static void expect_challenge_then_service(bool kernel)
{
	/* 16 s of it at once: less than ten replies. */
	struct coax_guard_options options = {.reply_bytes = 100};
	struct coax_option echo;
	struct answer answer;
	struct world world;
	uint8_t proof[40];

	begin(&world, &options, kernel);
	EXPECT_EQ(ask_until_limited(&world, &answer), COAX_UNAUTHORIZED);
	ASSERT_TRUE(coax_message_find(&answer.message, COAX_ECHO, &echo));
	ASSERT_LE(echo.length, sizeof(proof));
	EXPECT_LE(answer.message.length, 40U);
	memcpy(proof, echo.value, echo.length);
	echo.value = proof;
	EXPECT_EQ(stats_of(&world).challenged, 1U);

	EXPECT_EQ(ask(&world, &echo, &answer), COAX_CONTENT);
	for (int i = 0; i < 50; i++)
		EXPECT_EQ(ask(&world, NULL, &answer), COAX_CONTENT);
	EXPECT_EQ(stats_of(&world).challenged, 1U);
	if (kernel) {
		EXPECT_GE(keeper_counters().reply, 50U);
		EXPECT_EQ(keeper_counters().pass_limited, 1U);
		EXPECT_EQ(keeper_entries("verified"), 1U);
	}
	end(&world);
}

TEST("who gets too much is challenged, and served without a limit once it has proven itself")
{
	expect_challenge_then_service(false);
}

TEST("the same with the kernel half, which answers the proven one itself")
{
	expect_challenge_then_service(true);
}

TEST("a request that comes again and again gets its large reply within that limit, too")
{
	struct coax_guard_options options = {.reply_bytes = 100};
	struct pollfd readable = {.events = POLLIN};
	struct coax_message request;
	unsigned int replies = 0;
	uint8_t bytes[2048];
	struct world world;
	size_t length;

	begin(&world, &options, false);
	readable.fd = world.client;
	ASSERT_EQ(coax_message_start(&request, bytes, sizeof(bytes), COAX_TYPE_CON, COAX_POST, 7,
				     "t", 1),
		  0);
	ASSERT_EQ(coax_message_add_string(&request, COAX_URI_PATH, "r"), 0);
	length = request.length;
	for (int i = 0; i < 100; i++)
		ASSERT_EQ(send(world.client, bytes, length, 0), (ssize_t)length);
	while (poll(&readable, 1, CLIENT_PATIENCE_MS) == 1)
		replies += recv(world.client, bytes, sizeof(bytes), 0) > (ssize_t)SIZE;
	EXPECT_GE(replies, 2U);
	EXPECT_LE(replies, 4U);
	EXPECT_EQ(stats_of(&world).duplicates, 99U);
	end(&world);
}

TEST("a forged Echo proves nothing")
{
	struct coax_guard_options options = {.reply_bytes = 100};
	static const uint8_t forged[16] = "0123456789abcdef";
	struct coax_option echo = {.number = COAX_ECHO, .length = 16, .value = forged};
	struct answer answer;
	struct world world;

	begin(&world, &options, false);
	EXPECT_EQ(ask_until_limited(&world, &answer), COAX_UNAUTHORIZED);
	EXPECT_EQ(ask(&world, &echo, &answer), COAX_UNAUTHORIZED);
	EXPECT_EQ(stats_of(&world).challenged, 2U);
	end(&world);
}

static void expect_too_many(bool kernel)
{
	struct coax_guard_options options = {.requests = 3};
	struct answer answer;
	struct world world;
	uint32_t wait = 0;

	begin(&world, &options, kernel);
	EXPECT_EQ(ask_until_limited(&world, &answer), COAX_TOO_MANY_REQUESTS);
	ASSERT_TRUE(coax_message_find_uint(&answer.message, COAX_MAX_AGE, &wait));
	EXPECT_GE(wait, 1U);
	EXPECT_LE(wait, 2U);
	EXPECT_EQ(stats_of(&world).limited, 1U);
	if (kernel) {
		EXPECT_EQ(keeper_counters().pass_limited, 1U);
		EXPECT_EQ(ask_within(&world, NULL, &answer, 100), 0);
		EXPECT_EQ(keeper_counters().drop_requests, 1U);
	}
	end(&world);
}

TEST("who asks too often gets 4.29 with the time to wait")
{
	expect_too_many(false);
}

TEST("the same with the kernel half, which drops most of what comes then")
{
	expect_too_many(true);
}

static void expect_lists(bool kernel)
{
	static const char *const deny[] = {"198.51.100.0/24"}, *const allow[] = {"198.51.100.7"};
	struct coax_guard_options options = {
		.deny = deny, .deny_count = 1, .allow = allow, .allow_count = 1, .requests = 3};
	struct answer answer;
	struct world world;

	begin(&world, &options, kernel);
	lab_run("ip route add 198.51.100.0/24 dev " LAB_SERVER);
	lab_run("ip neigh replace 198.51.100.6 lladdr " LAB_CLIENT_MAC " dev " LAB_SERVER);
	lab_run("ip neigh replace 198.51.100.7 lladdr " LAB_CLIENT_MAC " dev " LAB_SERVER);
	use_client(&world, "198.51.100.7");
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(ask(&world, NULL, &answer), COAX_CONTENT);
	use_client(&world, "198.51.100.6");
	EXPECT_EQ(ask_within(&world, NULL, &answer, 200), 0);
	if (kernel)
		EXPECT_EQ(keeper_counters().drop_denied, 1U);
	else
		EXPECT_EQ(stats_of(&world).denied, 1U);
	end(&world);
}

TEST("denied prefixes get no answer, allowed ones know no limits")
{
	expect_lists(false);
}

TEST("the same with the kernel half")
{
	expect_lists(true);
}

TEST("with strict sources, what came by another way than the one back to it is dropped")
{
	struct coax_guard_options options = {.strict_source = true};
	struct answer answer;
	struct world world;

	begin(&world, &options, true);
	lab_run("echo 1 >/proc/sys/net/ipv4/conf/" LAB_SERVER "/forwarding");
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(ask(&world, NULL, &answer), COAX_CONTENT);
	EXPECT_GE(keeper_counters().reply, 1U);

	lab_run("ip link add elsewhere type veth peer name nowhere && ip link set elsewhere up");
	lab_run("ip route add 198.51.100.0/24 dev elsewhere");
	use_client(&world, "198.51.100.7");
	EXPECT_EQ(ask_within(&world, NULL, &answer, 200), 0);
	EXPECT_EQ(keeper_counters().drop_source, 1U);
	end(&world);
}

/* 20 times /r by the library's client, from the client's side. */
static void *ask_by_library(void *arg)
{
	struct coax_context_options options = {.logger = keeper_logger};
	union coax_address server = keeper_address(LAB_SERVER_IPV4);
	unsigned int *answered = arg;
	struct coax_context *context;

	lab_enter_client();
	ASSERT_EQ(coax_context_create(&context, &options), 0);
	for (int i = 0; i < 20; i++) {
		struct coax_message request, response;
		uint8_t bytes[COAX_MESSAGE_MAX], buffer[2048];

		coax_message_start(&request, bytes, sizeof(bytes), COAX_TYPE_CON, COAX_GET, 0, NULL,
				   0);
		coax_message_add_string(&request, COAX_URI_PATH, "r");
		if (coax_request_wait(context, &server, &request, NULL, buffer, sizeof(buffer),
				      &response) == 0)
			*answered += coax_message_code(&response) == COAX_CONTENT;
	}
	coax_context_shutdown(context);
	return NULL;
}

TEST("the library's own client answers a challenge by itself")
{
	struct coax_guard_options options = {.reply_bytes = 100};
	unsigned int answered = 0;
	struct world world;

	begin(&world, &options, false);
	lab_on_client(ask_by_library, &answered);
	EXPECT_EQ(answered, 20U);
	EXPECT_EQ(stats_of(&world).challenged, 1U);
	end(&world);
}

TEST("what the guard cannot be set to is refused")
{
	static const char *const wrong[] = {"nonsense"};
	struct coax_context_options options = {
		.server = true, .workers = 1, .logger = keeper_logger};
	struct coax_context *context;

	options.guard.allow = wrong;
	options.guard.allow_count = 1;
	EXPECT_EQ(coax_context_create(&context, &options), -EINVAL);
	options.guard.allow_count = 0;
	options.guard.ipv6_bits = 65;
	EXPECT_EQ(coax_context_create(&context, &options), -EINVAL);
	options.guard.ipv6_bits = 0;
	options.guard.factor = 5000;
	EXPECT_EQ(coax_context_create(&context, &options), -EINVAL);
}

TEST("with the kernel half the settings and limits are those of its maps")
{
	struct coax_guard_options options = {
		.requests = 17, .strangers = COAX_UNLIMITED, .factor = COAX_UNLIMITED};
	static const struct coax_guard_config off;
	struct coax_guard_config guard;
	struct world world;

	begin(&world, &options, true);
	guard = keeper_config().guard;
	EXPECT_EQ(guard.requests.cost, (1000000000ULL << COAX_COST_SHIFT) / 17);
	EXPECT_EQ(guard.strangers.cost, 0U);
	EXPECT_EQ(guard.factor, 0U);
	EXPECT_EQ(guard.pass_every, 64U);
	EXPECT_NE(guard.seeds[0], 0U);
	EXPECT_NE(guard.seeds[0], guard.seeds[1]);
	EXPECT_FALSE(memcmp(guard.own, off.own, sizeof(off.own)) == 0);
	end(&world);
}

TEST_MAIN()
