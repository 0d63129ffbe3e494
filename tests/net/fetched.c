// SPDX-License-Identifier: BSD-2-Clause
// timeout: 120
/*
 * A Context that answers from what it fetches of another origin, as a caching proxy does: what
 * clients see of Max-Age, and what the origin sees of them.
 */
#include <pthread.h>
#include <time.h>
#include <coax/coax.h>
#include "../harness.h"
#include "../keeper.h"
#include "../client.h"

#define PORT	    5683
#define ORIGIN_PORT 5700
#define SECOND	    1000000000ULL
#define WAITING_MAX 64U
#define VERSIONS    256U

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* The origin: a version more each time that it is asked. */

static uint32_t max_age;
static unsigned int origin_requests;
static uint64_t asked_at[VERSIONS]; /* of the version's request, when the origin had it */

static void origin_get(struct coax_responder *responder, void *arg)
{
	struct coax_message *m = coax_responder_response(responder);
	unsigned int version = __atomic_add_fetch(&origin_requests, 1, __ATOMIC_SEQ_CST);
	char text[16];

	(void)arg;
	ASSERT_LT(version, VERSIONS);
	__atomic_store_n(&asked_at[version], now(), __ATOMIC_SEQ_CST);
	coax_message_add_uint(m, COAX_MAX_AGE, max_age);
	coax_message_set_payload(m, text, (size_t)sprintf(text, "%03u", version));
	coax_respond(responder, COAX_CONTENT);
}

/* The proxy: one entry, one request to the origin at a time. */

static struct {
	struct coax_context *context;
	struct coax_subject *subject;
	union coax_address origin;
	pthread_mutex_t lock;
	uint64_t fetched; /* 0: there is nothing */
	uint64_t asking;  /* when; 0: nobody asks the origin */
	uint32_t max_age;
	char text[16];
	struct coax_responder *waiting[WAITING_MAX];
	unsigned int waiting_count;
	unsigned int renewals;
} proxy = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void answer(struct coax_responder *responder)
{
	struct coax_message *m = coax_responder_response(responder);

	coax_responder_subject(responder, proxy.subject, coax_subject_generation(proxy.subject));
	ASSERT_EQ(coax_responder_set_fetched(responder, proxy.fetched, proxy.max_age), 0);
	coax_message_set_payload(m, proxy.text, strlen(proxy.text));
	coax_respond(responder, COAX_CONTENT);
}

static void origin_answered(void *arg, int result, const struct coax_message *response,
			    const union coax_address *remote)
{
	const uint8_t *payload;
	size_t length;

	(void)arg;
	(void)remote;
	ASSERT_EQ(result, 0);
	payload = coax_message_payload(response, &length);
	pthread_mutex_lock(&proxy.lock);
	proxy.fetched = proxy.asking;
	proxy.asking = 0;
	proxy.max_age = 60;
	coax_message_find_uint(response, COAX_MAX_AGE, &proxy.max_age);
	snprintf(proxy.text, sizeof(proxy.text), "%.*s", (int)length, (const char *)payload);
	for (unsigned int i = 0; i < proxy.waiting_count; i++)
		answer(proxy.waiting[i]);
	proxy.waiting_count = 0;
	pthread_mutex_unlock(&proxy.lock);
}

static void ask_origin(void)
{
	uint8_t bytes[64];
	struct coax_message m;

	coax_message_start(&m, bytes, sizeof(bytes), COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
	proxy.asking = now();
	ASSERT_EQ(coax_request(proxy.context, &proxy.origin, &m, NULL, origin_answered, NULL, NULL),
		  0);
}

static void proxy_get(struct coax_responder *responder, void *arg)
{
	uint64_t needed = coax_responder_needed_until(responder);

	(void)arg;
	pthread_mutex_lock(&proxy.lock);
	proxy.renewals += coax_responder_remote(responder)->sa.sa_family == AF_UNSPEC;
	if (proxy.fetched && proxy.fetched + proxy.max_age * SECOND > needed) {
		answer(responder);
	} else {
		ASSERT_LT(proxy.waiting_count, WAITING_MAX);
		proxy.waiting[proxy.waiting_count++] = coax_responder_defer(responder);
		if (!proxy.asking)
			ask_origin();
	}
	pthread_mutex_unlock(&proxy.lock);
}

static unsigned int renewals(void)
{
	unsigned int count;

	pthread_mutex_lock(&proxy.lock);
	count = proxy.renewals;
	pthread_mutex_unlock(&proxy.lock);
	return count;
}

/* Large, and observable: has been here for five seconds and a half. */
static void large_get(struct coax_responder *responder, void *arg)
{
	static const uint8_t body[1500];

	(void)arg;
	coax_responder_subject(responder, proxy.subject, coax_subject_generation(proxy.subject));
	ASSERT_EQ(coax_responder_set_fetched(responder, now() - 5 * SECOND - SECOND / 2, 300), 0);
	ASSERT_EQ(coax_responder_set_payload(responder, body, sizeof(body)), 0);
	coax_respond(responder, COAX_CONTENT);
}

/* Both, the proxy with a kernel half. */

static struct coax_context *origin;
static struct coax_site *sites[2];
static int client;

/* Returns the attached program. */
static int begin(unsigned int workers)
{
	const char *origin_bind = "127.0.0.1:5700";
	const struct coax_resource_options origin_resource = {.path = "", .get = origin_get};
	const struct coax_resource_options resource = {
		.path = "r", .get = proxy_get, .observable = true};
	const struct coax_resource_options large = {
		.path = "l", .get = large_get, .observable = true};
	struct coax_context_options options = lab_options();

	lab_begin();
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(coax_site_create(&sites[i]), 0);
	ASSERT_EQ(coax_site_add(sites[0], &origin_resource, NULL), 0);
	ASSERT_EQ(coax_site_add(sites[1], &resource, NULL), 0);
	ASSERT_EQ(coax_site_add(sites[1], &large, NULL), 0);
	origin = context_open((struct coax_context_options){.bind = &origin_bind,
							    .bind_count = 1,
							    .site = sites[0],
							    .workers = 1,
							    .logger = keeper_logger});

	ASSERT_EQ(coax_subject_create(&proxy.subject), 0);
	ASSERT_EQ(coax_address_parse(&proxy.origin, "127.0.0.1", ORIGIN_PORT), 0);
	options.site = sites[1];
	options.workers = workers;
	options.logger = keeper_logger;
	proxy.context = context_open(options);
	client = client_open(LAB_SERVER_IPV4, PORT);
	return lab_program();
}

static void end(int program)
{
	close(program);
	coax_context_shutdown(proxy.context);
	coax_context_shutdown(origin);
	coax_subject_put(proxy.subject);
	for (int i = 0; i < 2; i++)
		coax_site_destroy(sites[i]);
}

static const uint8_t get_r[] = {0x40, 0x01, 0x12, 0x34, 0xb1, 'r'};

/* What a response says. */
struct said {
	unsigned int version;
	uint32_t max_age;
};

static struct said read_said(const uint8_t *reply, ssize_t length)
{
	struct said said = {.max_age = UINT32_MAX};
	const uint8_t *payload;
	struct coax_message m;
	size_t payload_length;
	char text[4];

	ASSERT_GT(length, 0);
	ASSERT_EQ(coax_message_parse(&m, reply, (size_t)length), 0);
	EXPECT_EQ(coax_message_code(&m), COAX_CONTENT);
	EXPECT_TRUE(coax_message_find_uint(&m, COAX_MAX_AGE, &said.max_age));
	payload = coax_message_payload(&m, &payload_length);
	ASSERT_EQ(payload_length, 3U);
	snprintf(text, sizeof(text), "%.3s", (const char *)payload);
	said.version = (unsigned int)atoi(text);
	ASSERT_LE(said.version, __atomic_load_n(&origin_requests, __ATOMIC_SEQ_CST));
	return said;
}

/* Userspace, by loopback. A separate response comes behind its acknowledgement. */
static struct said ask_proxy(void)
{
	static uint8_t id;
	uint8_t request[sizeof(get_r)], reply[64];
	ssize_t length;

	memcpy(request, get_r, sizeof(request));
	request[3] = ++id;
	length = client_ask(client, request, sizeof(request), reply, sizeof(reply));
	while (length == 4)
		length = client_receive(client, reply, sizeof(reply));
	return read_said(reply, length);
}

/* The kernel half. Returns whether it answers. */
static bool ask_kernel(int program, struct said *said)
{
	uint8_t reply[64];
	ssize_t length = lab_ask(program, get_r, sizeof(get_r), reply, sizeof(reply));

	if (length <= 0)
		return false;
	*said = read_said(reply, length);
	return true;
}

/* Not more than is left of it, seen from the origin; and of the little that got lost on the way,
 * less than a second. */
static void expect_right(struct said said, uint64_t before)
{
	uint64_t asked = __atomic_load_n(&asked_at[said.version], __ATOMIC_SEQ_CST);
	uint64_t until = asked + max_age * SECOND;

	EXPECT_LT(before, until);
	EXPECT_LE(said.max_age, (until - before) / SECOND);
	EXPECT_GE((said.max_age + 2) * SECOND, until - now());
}

TEST_TIMEOUT(
	"under load the origin is asked once an expiry, and clients see no gap and no stale reply",
	60)
{
	unsigned int asked = 0, gaps = 0, rises = 0;
	struct said said, former;
	uint64_t begun, before;
	int program;

	max_age = 3;
	program = begin(2);
	former = ask_proxy();
	EXPECT_EQ(former.version, 1U);
	begun = now();
	while ((before = now()) < begun + 9 * SECOND) {
		asked++;
		if (!ask_kernel(program, &said)) {
			gaps++;
			continue;
		}
		expect_right(said, before);
		if (said.version == former.version)
			EXPECT_LE(said.max_age, former.max_age);
		else
			rises++;
		former = said;
		usleep(1000);
	}
	EXPECT_EQ(gaps, 0U);
	EXPECT_GT(asked, 1000U);
	/* Each lasts for 3 s and is renewed 1 s, and the grid, before its end. */
	EXPECT_EQ(__atomic_load_n(&origin_requests, __ATOMIC_SEQ_CST), 1 + rises);
	EXPECT_EQ(renewals(), rises);
	EXPECT_GE(rises, 3U);
	EXPECT_LE(rises, 5U);
	end(program);
}

TEST_TIMEOUT("what nobody asks for is not renewed: it ends, and the next request fetches it anew",
	     60)
{
	struct coax_context_stats stats;
	struct said said;
	uint64_t until;
	int program;

	max_age = 2;
	program = begin(1);
	EXPECT_EQ(ask_proxy().version, 1U);
	until = now() + 3 * SECOND + SECOND / 2;
	while (now() < until)
		usleep(10000);
	EXPECT_FALSE(ask_kernel(program, &said));
	EXPECT_EQ(__atomic_load_n(&origin_requests, __ATOMIC_SEQ_CST), 1U);
	EXPECT_EQ(renewals(), 0U);
	EXPECT_EQ(ask_proxy().version, 2U);
	EXPECT_TRUE(ask_kernel(program, &said));
	coax_context_stats_read(proxy.context, &stats);
	EXPECT_EQ(stats.published, 2ULL);
	end(program);
}

TEST("both halves say the same, byte for byte, at any age")
{
	static const uint32_t max_ages[] = {60, 200, 300, 70000, 0x1000000, 0xffffffff};
	uint8_t bytes[sizeof(get_r)], kernel[64], userspace[64];
	ssize_t kernel_length, userspace_length;
	unsigned int same = 0, asked = 0;
	int program;

	max_age = 60;
	program = begin(1);
	ask_proxy();
	memcpy(bytes, get_r, sizeof(bytes));
	for (unsigned int i = 0; i < 60; i++) {
		/* Another age: as if it had come before. */
		pthread_mutex_lock(&proxy.lock);
		proxy.max_age = max_ages[i % 6];
		proxy.fetched = now() - (i % 10 * SECOND + SECOND / 2 + i * SECOND / 200);
		pthread_mutex_unlock(&proxy.lock);
		coax_subject_changed(proxy.subject);
		for (int round = 0; round < 4; round++) {
			bytes[2] = (uint8_t)asked++;
			kernel_length =
				lab_ask(program, bytes, sizeof(bytes), kernel, sizeof(kernel));
			userspace_length = client_ask(client, bytes, sizeof(bytes), userspace,
						      sizeof(userspace));
			if (round == 0) {
				EXPECT_EQ(kernel_length, 0);
				continue;
			}
			same += kernel_length == userspace_length &&
				!memcmp(kernel, userspace, (size_t)userspace_length);
		}
	}
	/* A second may end between the two. */
	EXPECT_GE(same, 60U * 3 - 3);
	end(program);
}

/* The next response on the client's socket, which has this much of its Max-Age left. */
static void expect_left(uint32_t left, bool observed)
{
	uint8_t reply[1280];
	struct coax_option option;
	struct coax_message m;
	ssize_t length;

	do
		length = client_receive(client, reply, sizeof(reply));
	while (length == 4);
	ASSERT_GT(length, 0);
	ASSERT_EQ(coax_message_parse(&m, reply, (size_t)length), 0);
	EXPECT_EQ(coax_message_code(&m), COAX_CONTENT);
	EXPECT_EQ(coax_message_find(&m, COAX_OBSERVE, &option), observed);
	ASSERT_TRUE(coax_message_find(&m, COAX_MAX_AGE, &option));
	EXPECT_LE(coax_option_uint(&option), left);
	EXPECT_GE(coax_option_uint(&option) + 2, left);
}

TEST("further blocks and notifications say what is left, too")
{
	static const uint8_t observe[] = {0x50, 0x01, 0x12, 0x01, 0x60, 0x51, 'l'};
	static const uint8_t first_block[] = {0x50, 0x01, 0x12, 0x03, 0xb1, 'l'};
	static const uint8_t second_block[] = {0x50, 0x01, 0x12, 0x02, 0xb1, 'l', 0xc1, 0x16};
	struct coax_option option;
	struct coax_message m;
	uint8_t reply[1280];
	ssize_t length;
	int program;

	max_age = 60;
	program = begin(1);
	ASSERT_EQ(send(client, first_block, sizeof(first_block), 0), (ssize_t)sizeof(first_block));
	expect_left(294, false);
	ASSERT_EQ(send(client, second_block, sizeof(second_block), 0),
		  (ssize_t)sizeof(second_block));
	expect_left(294, false);
	/* Which the kernel half knows now, and counts down. */
	length = lab_ask(program, second_block, sizeof(second_block), reply, sizeof(reply));
	ASSERT_GT(length, 0);
	ASSERT_EQ(coax_message_parse(&m, reply, (size_t)length), 0);
	ASSERT_TRUE(coax_message_find(&m, COAX_MAX_AGE, &option));
	EXPECT_EQ(option.length, 2U);
	EXPECT_LE(coax_option_uint(&option), 294U);
	EXPECT_GE(coax_option_uint(&option), 290U);
	for (uint32_t i = 0; i < 8; i++)
		EXPECT_NE(keeper_slot(i).deadline, COAX_NEVER);
	ASSERT_EQ(send(client, observe, sizeof(observe), 0), (ssize_t)sizeof(observe));
	expect_left(294, true);
	coax_subject_changed(proxy.subject);
	expect_left(294, true);
	end(program);
}

TEST_MAIN()
