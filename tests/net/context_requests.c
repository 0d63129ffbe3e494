// SPDX-License-Identifier: BSD-2-Clause
/*
 * What coax/context.h promises of requests, over real sockets.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <coax/coax.h>
#include "../harness.h"
#include "../client.h"
#include "../context.h"

static struct coax_context *start(unsigned int workers)
{
	return context_open((struct coax_context_options){.workers = workers});
}

static union coax_address at(const char *text, in_port_t port)
{
	union coax_address address;

	ASSERT_EQ(coax_address_parse(&address, text, port), 0);
	return address;
}

static struct coax_message message(uint8_t *buffer, size_t size, uint8_t code)
{
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, buffer, size, COAX_TYPE_CON, code, 0, NULL, 0), 0);
	return m;
}

static void ignore_result(void *arg, int result, const struct coax_message *response,
			  const union coax_address *remote)
{
	(void)arg;
	(void)result;
	(void)response;
	(void)remote;
}

TEST("one confirmable request a remote at a time, however many workers there are")
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct coax_context *requester = start(4);
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	socklen_t length = sizeof(in);
	union coax_address remote;
	uint8_t out[16], seen[16];
	struct coax_message request = message(out, sizeof(out), COAX_GET);

	ASSERT_EQ(bind(fd, (struct sockaddr *)&in, length), 0);
	ASSERT_EQ(getsockname(fd, (struct sockaddr *)&in, &length), 0);
	remote = at("127.0.0.1", ntohs(in.sin_port));
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(
			coax_request(requester, &remote, &request, NULL, ignore_result, NULL, NULL),
			0);
	ASSERT_GT(client_receive(fd, seen, sizeof(seen)), 4);
	EXPECT_EQ(poll(&readable, 1, 300), 0);
	coax_context_shutdown(requester);
}

/* Begins the next request as soon as one ends, until told otherwise. */
struct restless {
	struct coax_context *context;
	union coax_address remote;
	atomic_int rounds;
	atomic_int last_round;
	atomic_bool ended;
};

static void begin(struct restless *restless);

static void begin_again(void *arg, int result, const struct coax_message *response,
			const union coax_address *remote)
{
	struct restless *restless = arg;

	(void)result;
	(void)response;
	(void)remote;
	if (atomic_fetch_add(&restless->rounds, 1) < atomic_load(&restless->last_round))
		begin(restless);
	else
		atomic_store(&restless->ended, true);
}

static void begin(struct restless *restless)
{
	uint8_t out[16];
	struct coax_message request = message(out, sizeof(out), COAX_GET);
	struct coax_request *handle;

	ASSERT_EQ(coax_request(restless->context, &restless->remote, &request, NULL, begin_again,
			       restless, &handle),
		  0);
	coax_request_cancel(handle);
}

TEST("callbacks that begin requests without end do not keep a worker from its sockets")
{
	struct coax_context *server = start(1), *requester = start(1);
	union coax_address remote = at("127.0.0.1", coax_context_port(server));
	struct restless restless = {
		.context = requester,
		.remote = at("127.0.0.1", client_silent_port()),
		.last_round = 1000000,
	};
	uint8_t out[16], in[64];
	struct coax_message request = message(out, sizeof(out), COAX_GET), response;

	begin(&restless);
	EXPECT_EQ(coax_request_wait(requester, &remote, &request, NULL, in, sizeof(in), &response),
		  0);
	EXPECT_FALSE(restless.ended);
	atomic_store(&restless.last_round, 0);
	while (!atomic_load(&restless.ended))
		usleep(1000);
	coax_context_shutdown(requester);
	coax_context_shutdown(server);
}

/* Cancels its request whatever came of it. */
static void cancel_own(void *arg, int result, const struct coax_message *response,
		       const union coax_address *remote)
{
	(void)response;
	(void)remote;
	EXPECT_EQ(result, -ESHUTDOWN);
	coax_request_cancel(*(struct coax_request **)arg);
}

TEST("a request that its callback cancels at shutdown leaves nothing behind")
{
	struct coax_context *requester = start(1);
	union coax_address remote = at("127.0.0.1", client_silent_port());
	struct coax_request *handle;
	uint8_t out[16];
	struct coax_message request = message(out, sizeof(out), COAX_GET);

	ASSERT_EQ(coax_request(requester, &remote, &request, NULL, cancel_own, &handle, &handle),
		  0);
	coax_context_shutdown(requester);
	handle = NULL; /* what is lost is found by a leak checker */
}

TEST("a request that the network refuses to carry ends with its error, not with a time-out")
{
	struct coax_context *requester;
	uint8_t out[16], in[64];
	struct coax_message request = message(out, sizeof(out), COAX_GET), response;
	union coax_address remote = at("192.0.2.1", COAX_PORT);

	if (unshare(CLONE_NEWNET))
		SKIP("needs a network namespace of its own");
	requester = start(1);
	EXPECT_EQ(coax_request_wait(requester, &remote, &request, NULL, in, sizeof(in), &response),
		  -ENETUNREACH);
	/* The next begins when the first has ended. */
	EXPECT_EQ(coax_request_wait(requester, &remote, &request, NULL, in, sizeof(in), &response),
		  -ENETUNREACH);
	coax_context_shutdown(requester);
}

static void never_run(void *arg, int result, const struct coax_message *response,
		      const union coax_address *remote)
{
	(void)arg;
	(void)result;
	(void)response;
	(void)remote;
	abort();
}

static int refused(struct coax_context *context, const struct coax_message *m,
		   const union coax_address *remote)
{
	return coax_request(context, remote, m, NULL, never_run, NULL, NULL);
}

TEST("what is no request is refused at once, and the callback does not run")
{
	struct coax_context *requester = start(1);
	union coax_address remote = at("127.0.0.1", client_silent_port()), nowhere = {.in = {0}};
	union coax_address group = at("224.0.1.187", COAX_PORT), port_less = at("127.0.0.1", 0);
	const struct coax_request_options single = {.single = true};
	uint8_t out[2048], payload[2040] = {0};
	struct coax_message request = message(out, sizeof(out), COAX_CONTENT);

	EXPECT_EQ(refused(requester, &request, &remote), -EINVAL);
	request = message(out, sizeof(out), COAX_GET);
	EXPECT_EQ(refused(requester, &request, &nowhere), -EINVAL);
	EXPECT_EQ(refused(requester, &request, &group), -EINVAL);
	EXPECT_EQ(refused(requester, &request, &port_less), -EINVAL);
	ASSERT_EQ(coax_message_set_payload(&request, payload, sizeof(payload)), 0);
	EXPECT_EQ(coax_request(requester, &remote, &request, &single, never_run, NULL, NULL),
		  -EMSGSIZE);
	request = message(out, sizeof(out), COAX_GET);
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(coax_message_add(&request, COAX_URI_QUERY, payload, 250), 0);
	EXPECT_EQ(refused(requester, &request, &remote), -EMSGSIZE);
	request = message(out, sizeof(out), COAX_EMPTY);
	coax_message_add_string(&request, COAX_URI_PATH, "x");
	EXPECT_EQ(refused(requester, &request, &remote), -EINVAL);
	coax_context_shutdown(requester);
}

TEST_MAIN()
