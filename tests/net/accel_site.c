// SPDX-License-Identifier: BSD-2-Clause
/*
 * A Site is exchanged for another while the kernel answers from the former, and the kernel half
 * under the application's own loop.
 */
#include <poll.h>
#include <time.h>
#include <coax/coax.h>
#include "context/worker.h"
#include "../harness.h"
#include "../keeper.h"
#include "../client.h"

#define PORT 5683

static struct coax_responder *kept;

static void text(struct coax_responder *responder, void *arg)
{
	struct coax_message *m = coax_responder_response(responder);

	coax_message_set_payload(m, arg, strlen(arg));
	coax_respond(responder, COAX_CONTENT);
}

static void keep(struct coax_responder *responder, void *arg)
{
	(void)arg;
	__atomic_store_n(&kept, coax_responder_defer(responder), __ATOMIC_RELEASE);
}

static struct coax_site *new_site(coax_handler_fn get, const char *says)
{
	struct coax_resource_options options = {
		.path = "r", .get = get, .arg = (void *)says, .cacheable = true};
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	return site;
}

static int client = -1;

/* Returns the attached program. */
static int begin(struct coax_context **context, struct coax_site *site, bool own_loop)
{
	struct coax_context_options options = lab_options();

	options.site = site;
	options.workers = own_loop ? 1 : 2;
	options.own_loop = own_loop;
	options.logger = keeper_logger;
	options.accel.lease_ms = 300;
	lab_begin();
	*context = context_open(options);
	client = lab_client_open();
	return lab_program();
}

static const uint8_t get_r[] = {0x40, 0x01, 0x12, 0x34, 0xb1, 'r'};

/* Ask by the network with a message ID of its own; what comes back is this text. */
static void expect_text(const char *says)
{
	static uint8_t id;
	uint8_t request[sizeof(get_r)], reply[64];
	ssize_t length;

	memcpy(request, get_r, sizeof(request));
	request[3] = ++id;
	length = client_ask(client, request, sizeof(request), reply, sizeof(reply));
	ASSERT_GT(length, (ssize_t)strlen(says));
	EXPECT_MEMEQ(reply + length - strlen(says), says, strlen(says));
}

static bool kernel_answers(int program)
{
	uint8_t reply[64];

	return lab_ask(program, get_r, sizeof(get_r), reply, sizeof(reply)) > 0;
}

TEST("once a Site has been exchanged, the kernel answers nothing from the former, then the new")
{
	struct coax_site *former = new_site(text, "former"), *new = new_site(text, "new");
	struct coax_context *context;
	int program = begin(&context, former, false);

	expect_text("former");
	EXPECT_TRUE(kernel_answers(program));
	coax_context_set_site(context, new);
	EXPECT_FALSE(kernel_answers(program));
	coax_site_destroy(former);
	expect_text("new");
	EXPECT_TRUE(kernel_answers(program));

	coax_context_set_site(context, NULL);
	EXPECT_FALSE(kernel_answers(program));
	expect_text("not a server");
	EXPECT_FALSE(kernel_answers(program));
	coax_context_shutdown(context);
	coax_site_destroy(new);
}

TEST("once rules have been set, the kernel answers nothing that they keep from plain coap")
{
	const struct coax_access_rule closed = {"/r", "secure", COAX_ACCESS_ALL};
	const struct coax_access_rule open = {"/r", "*", COAX_ACCESS_READ};
	struct coax_site *site = new_site(text, "says");
	struct coax_context *context;
	int program = begin(&context, site, false);
	struct coax_access *access;
	uint8_t reply[64];
	size_t bad;

	expect_text("says");
	EXPECT_TRUE(kernel_answers(program));
	ASSERT_EQ(coax_access_create(&access, &closed, 1, &bad), 0);
	ASSERT_EQ(coax_site_set_access(site, access), 0);
	EXPECT_FALSE(kernel_answers(program));
	for (int i = 0; i < 3; i++) {
		ASSERT_GE(client_ask(client, get_r, sizeof(get_r), reply, sizeof(reply)), 4);
		EXPECT_EQ(reply[1], COAX_UNAUTHORIZED);
		EXPECT_FALSE(kernel_answers(program));
	}
	ASSERT_EQ(coax_access_create(&access, &open, 1, &bad), 0);
	ASSERT_EQ(coax_site_set_access(site, access), 0);
	expect_text("says");
	EXPECT_TRUE(kernel_answers(program));
	coax_context_shutdown(context);
	coax_site_destroy(site);
}

TEST("what was deferred under the former Site is answered under the new one, and not published")
{
	struct coax_site *former = new_site(keep, NULL), *new = new_site(text, "new");
	struct coax_context *context;
	int program = begin(&context, former, false);
	uint8_t reply[64];

	ASSERT_EQ(send(client, get_r, sizeof(get_r), 0), (ssize_t)sizeof(get_r));
	while (!__atomic_load_n(&kept, __ATOMIC_ACQUIRE))
		usleep(1000);
	coax_context_set_site(context, new);
	coax_message_set_payload(coax_responder_response(kept), "late", 4);
	coax_respond(kept, COAX_CONTENT);
	do
		ASSERT_GE(client_receive(client, reply, sizeof(reply)), 4);
	while (reply[1] == COAX_EMPTY);
	EXPECT_EQ(reply[1], COAX_CONTENT);
	EXPECT_FALSE(kernel_answers(program));
	expect_text("new");
	coax_context_shutdown(context);
	coax_site_destroy(former);
	coax_site_destroy(new);
}

TEST("in the application's own loop the kernel's lease is extended, and ends when it stops")
{
	struct coax_site *site = new_site(text, "world");
	struct coax_context *context;
	int program = begin(&context, site, true);
	struct pollfd readable = {.fd = coax_context_fd(context), .events = POLLIN};
	uint64_t until = coax_now() + 1000000000ULL;
	uint8_t reply[64];

	ASSERT_EQ(send(client, get_r, sizeof(get_r), 0), (ssize_t)sizeof(get_r));
	while (coax_now() < until) {
		int timeout = coax_context_timeout(context);

		/* A third of the lease. */
		EXPECT_GE(timeout, 0);
		EXPECT_LE(timeout, 100);
		poll(&readable, 1, timeout);
		coax_context_process(context);
	}
	EXPECT_GT(client_receive(client, reply, sizeof(reply)), 4);
	EXPECT_TRUE(kernel_answers(program));
	usleep(350000);
	EXPECT_FALSE(kernel_answers(program));
	coax_context_process(context);
	EXPECT_TRUE(kernel_answers(program));
	coax_context_shutdown(context);
	coax_site_destroy(site);
}

TEST("in the application's own loop the host's addresses are followed")
{
	struct coax_site *site = new_site(text, "world");
	struct coax_context *context;
	struct pollfd readable = {.events = POLLIN};

	begin(&context, site, true);
	EXPECT_FALSE(is_endpoint("192.0.2.9", 5683));
	lab_run("ip addr add 192.0.2.9/24 dev " LAB_SERVER);
	readable.fd = coax_context_fd(context);
	for (int i = 0; i < 100 && !is_endpoint("192.0.2.9", 5683); i++) {
		poll(&readable, 1, coax_context_timeout(context));
		coax_context_process(context);
	}
	EXPECT_TRUE(is_endpoint("192.0.2.9", 5683));
	coax_context_shutdown(context);
	coax_site_destroy(site);
}

TEST_MAIN()
