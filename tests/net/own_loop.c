// SPDX-License-Identifier: BSD-2-Clause
/*
 * A Context in the application's own loop: no thread but this one does anything.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <coax/coax.h>
#include "context/worker.h"
#include "../harness.h"
#include "../client.h"
#include "../context.h"

static const struct coax_logger quiet = {.from = COAX_LOG_ERROR + 1};

static const uint8_t get_hello[] = {0x40, 0x01, 0x12, 0x34, 0xb5, 'h', 'e', 'l', 'l', 'o'};

static pthread_t handler_thread;

static void hello(struct coax_responder *responder, void *arg)
{
	(void)arg;
	handler_thread = pthread_self();
	coax_message_set_payload(coax_responder_response(responder), "world", 5);
	coax_respond(responder, COAX_CONTENT);
}

/* A request that somebody answers later. */
static struct coax_responder *kept;

static void keep(struct coax_responder *responder, void *arg)
{
	(void)arg;
	kept = coax_responder_defer(responder);
}

static struct coax_site *new_site(void)
{
	struct coax_resource_options options[] = {
		{.path = "hello", .get = hello},
		{.path = "later", .get = keep},
	};
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(coax_site_add(site, &options[i], NULL), 0);
	return site;
}

static struct coax_context *open_with(struct coax_site *site, struct coax_tuning tuning)
{
	return context_open(
		(struct coax_context_options){.site = site, .own_loop = true, .tuning = tuning});
}

static struct coax_context *open_loop(struct coax_site *site)
{
	return open_with(site, (struct coax_tuning){.ack_timeout_ms = 0});
}

/* One round of an application's loop. Returns what poll() did. */
static int turn(struct coax_context *context)
{
	struct pollfd readable = {.fd = coax_context_fd(context), .events = POLLIN};
	int result = poll(&readable, 1, coax_context_timeout(context));

	coax_context_process(context);
	return result;
}

static int threads_of_ours(void)
{
	char line[128];
	FILE *status = fopen("/proc/self/status", "re");
	int threads = 0;

	ASSERT_TRUE(status);
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "Threads: %d", &threads) == 1)
			break;
	fclose(status);
	return threads;
}

TEST("a Context without threads serves in its application's loop, by poll and process")
{
	struct coax_site *site = new_site();
	int threads = threads_of_ours();
	struct coax_context *server = open_loop(site);
	int fd = client_open("127.0.0.1", coax_context_port(server));
	uint8_t reply[64];

	EXPECT_EQ(threads_of_ours(), threads);
	EXPECT_GE(coax_context_fd(server), 0);
	EXPECT_EQ(coax_context_timeout(server), -1);
	ASSERT_EQ(send(fd, get_hello, sizeof(get_hello), 0), (ssize_t)sizeof(get_hello));
	EXPECT_EQ(turn(server), 1);
	ASSERT_GT(recv(fd, reply, sizeof(reply), MSG_DONTWAIT), 4);
	EXPECT_EQ(reply[1], COAX_CONTENT);
	EXPECT_TRUE(pthread_equal(handler_thread, pthread_self()));
	coax_context_shutdown(server);
	coax_site_destroy(site);
}

TEST("without anything to do, process returns at once and does nothing")
{
	struct coax_context *context = open_loop(NULL);

	for (int i = 0; i < 1000; i++)
		coax_context_process(context);
	EXPECT_EQ(coax_context_timeout(context), -1);
	coax_context_shutdown(context);
}

TEST("a Context with threads has no descriptor, nothing due, and nothing to process")
{
	struct coax_context_options options = {.logger = quiet};
	struct coax_context *context;

	ASSERT_EQ(coax_context_create(&context, &options), 0);
	EXPECT_EQ(coax_context_fd(context), -EINVAL);
	EXPECT_EQ(coax_context_timeout(context), -1);
	coax_context_process(context);
	coax_context_shutdown(context);
}

TEST("several workers and a loop of one's own exclude each other")
{
	struct coax_context_options options = {.own_loop = true, .workers = 2, .logger = quiet};
	struct coax_context *context;

	EXPECT_EQ(coax_context_create(&context, &options), -EINVAL);
}

static void take_result(void *arg, int result, const struct coax_message *response,
			const union coax_address *remote)
{
	(void)remote;
	*(int *)arg = result ? result : coax_message_code(response);
}

static void ask(struct coax_context *context, const union coax_address *remote, const char *path,
		int *result)
{
	uint8_t out[64];
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, out, sizeof(out), COAX_TYPE_CON, COAX_GET, 0, NULL, 0), 0);
	ASSERT_EQ(coax_uri_path_add_options(path, &m), 0);
	ASSERT_EQ(coax_request(context, remote, &m, NULL, take_result, result, NULL), 0);
}

static union coax_address address_of(const struct coax_context *context)
{
	union coax_address address;

	ASSERT_EQ(coax_address_parse(&address, "127.0.0.1", coax_context_port(context)), 0);
	return address;
}

TEST("one loop drives a client and a server: what is posted makes the descriptor readable")
{
	struct coax_site *site = new_site();
	struct coax_context *server = open_loop(site), *requester = open_loop(NULL);
	union coax_address remote = address_of(server);
	int result = 0;

	ask(requester, &remote, "hello", &result);
	for (int i = 0; i < 100 && !result; i++) {
		struct pollfd both[] = {
			{.fd = coax_context_fd(server), .events = POLLIN},
			{.fd = coax_context_fd(requester), .events = POLLIN},
		};

		EXPECT_GT(poll(both, 2, 1000), 0);
		if (both[0].revents)
			coax_context_process(server);
		if (both[1].revents)
			coax_context_process(requester);
	}
	EXPECT_EQ(result, COAX_CONTENT);
	coax_context_shutdown(requester);
	coax_context_shutdown(server);
	coax_site_destroy(site);
}

TEST("the timeout is that of the next retransmission, rounded up, and process then sends it")
{
	struct coax_context *requester =
		open_with(NULL, (struct coax_tuning){.ack_timeout_ms = 50,
						     .ack_random_percent = 100,
						     .max_retransmit = 3});
	union coax_address remote;
	struct coax_context_stats stats;
	int result = 0, timeout;

	ASSERT_EQ(coax_address_parse(&remote, "127.0.0.1", client_silent_port()), 0);
	ask(requester, &remote, "x", &result);
	EXPECT_EQ(turn(requester), 1);
	timeout = coax_context_timeout(requester);
	EXPECT_GT(timeout, 0);
	EXPECT_LE(timeout, 50);
	/* It never wakes too early, which would be a busy loop. */
	EXPECT_EQ(turn(requester), 0);
	coax_context_stats_read(requester, &stats);
	EXPECT_EQ(stats.retransmissions, 1U);
	coax_context_shutdown(requester);
	EXPECT_EQ(result, -ESHUTDOWN);
}

TEST("processing until something is done ends when it is, or at its deadline")
{
	struct coax_context *context = open_loop(NULL);
	atomic_bool done = false;
	uint64_t before = coax_now();

	coax_context_process_until(context, &done, before + 20000000);
	EXPECT_GE(coax_now(), before + 20000000);
	atomic_store(&done, true);
	coax_context_process_until(context, &done, UINT64_MAX);
	coax_context_shutdown(context);
}

static void *answer_kept(void *arg)
{
	(void)arg;
	usleep(20000);
	coax_respond(kept, COAX_CONTENT);
	return NULL;
}

TEST("shutdown runs the loop while it waits: what was deferred is answered, the new gets 5.03")
{
	struct coax_site *site = new_site();
	struct coax_context *server = open_loop(site);
	int fd = client_open("127.0.0.1", coax_context_port(server));
	static const uint8_t get_later[] = {0x50, 0x01, 0x12, 0x34, 0xb5, 'l', 'a', 't', 'e', 'r'};
	uint8_t reply[64];
	pthread_t thread;

	ASSERT_EQ(send(fd, get_later, sizeof(get_later), 0), (ssize_t)sizeof(get_later));
	turn(server);
	ASSERT_TRUE(kept);
	ASSERT_EQ(send(fd, get_hello, sizeof(get_hello), 0), (ssize_t)sizeof(get_hello));
	ASSERT_EQ(pthread_create(&thread, NULL, answer_kept, NULL), 0);
	coax_context_shutdown(server);
	pthread_join(thread, NULL);
	ASSERT_GT(recv(fd, reply, sizeof(reply), MSG_DONTWAIT), 3);
	EXPECT_EQ(reply[1], COAX_SERVICE_UNAVAILABLE);
	ASSERT_GT(recv(fd, reply, sizeof(reply), MSG_DONTWAIT), 3);
	EXPECT_EQ(reply[1], COAX_CONTENT);
	coax_site_destroy(site);
}

TEST("shutdown ends within its time when somebody never answers, and drops what comes later")
{
	struct coax_site *site = new_site();
	struct coax_context *server = open_loop(site);
	int fd = client_open("127.0.0.1", coax_context_port(server));
	static const uint8_t get_later[] = {0x50, 0x01, 0x12, 0x34, 0xb5, 'l', 'a', 't', 'e', 'r'};
	uint64_t before = coax_now();

	ASSERT_EQ(send(fd, get_later, sizeof(get_later), 0), (ssize_t)sizeof(get_later));
	turn(server);
	ASSERT_TRUE(kept);
	coax_context_shutdown(server);
	EXPECT_LE(coax_now() - before, 3500000000ULL);
	coax_respond(kept, COAX_CONTENT);
	coax_site_destroy(site);
}

TEST("a Context can be shut down as soon as it is made")
{
	for (int i = 0; i < 100; i++) {
		struct coax_context_options options = {
			.own_loop = i % 2, .workers = i % 2 ? 1 : 4, .logger = quiet};
		struct coax_context *context;

		ASSERT_EQ(coax_context_create(&context, &options), 0);
		coax_context_shutdown(context);
	}
	coax_context_shutdown(NULL);
}

TEST("a Site is exchanged for another between two rounds")
{
	struct coax_site *site = new_site(), *empty;
	struct coax_context *server = open_loop(site);
	int fd = client_open("127.0.0.1", coax_context_port(server));
	uint8_t request[sizeof(get_hello)], reply[64];

	ASSERT_EQ(coax_site_create(&empty), 0);
	memcpy(request, get_hello, sizeof(request));
	for (int i = 0; i < 10; i++) {
		coax_context_set_site(server, i % 2 ? site : empty);
		request[3]++;
		ASSERT_EQ(send(fd, request, sizeof(request), 0), (ssize_t)sizeof(request));
		turn(server);
		ASSERT_GT(recv(fd, reply, sizeof(reply), MSG_DONTWAIT), 3);
		EXPECT_EQ(reply[1], i % 2 ? COAX_CONTENT : COAX_NOT_FOUND);
	}
	coax_context_shutdown(server);
	coax_site_destroy(empty);
	coax_site_destroy(site);
}

TEST_MAIN()
