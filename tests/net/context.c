// SPDX-License-Identifier: BSD-2-Clause
/*
 * The Context over real sockets on loopback.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <coax/coax.h>
#include "../harness.h"
#include "../client.h"

static struct coax_logger quiet = {.from = COAX_LOG_ERROR + 1};

static void hello(struct coax_responder *responder, void *arg)
{
	struct coax_message *m = coax_responder_response(responder);

	coax_message_add_uint(m, COAX_CONTENT_FORMAT, COAX_FORMAT_TEXT_PLAIN);
	coax_message_set_payload(m, arg, strlen(arg));
	coax_respond(responder, COAX_CONTENT);
}

static struct coax_site *site_with(struct coax_resource_options *options, size_t count)
{
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	for (size_t i = 0; i < count; i++)
		ASSERT_EQ(coax_site_add(site, &options[i], NULL), 0);
	return site;
}

static struct coax_site *hello_site(void)
{
	struct coax_resource_options options = {.path = "hello", .get = hello, .arg = "world"};

	return site_with(&options, 1);
}

static struct coax_context *serve(struct coax_site *site, const char *bind, unsigned int workers)
{
	struct coax_context_options options = {
		.site = site,
		.bind = &bind,
		.bind_count = 1,
		.workers = workers,
		.logger = quiet,
	};
	struct coax_context *context;

	ASSERT_EQ(coax_context_create(&context, &options), 0);
	return context;
}

static struct coax_context *client(void)
{
	struct coax_context_options options = {.logger = quiet};
	struct coax_context *context;

	ASSERT_EQ(coax_context_create(&context, &options), 0);
	return context;
}

static void get(struct coax_message *m, uint8_t *buffer, size_t size, const char *path)
{
	ASSERT_EQ(coax_message_start(m, buffer, size, COAX_TYPE_CON, COAX_GET, 0, NULL, 0), 0);
	ASSERT_EQ(coax_uri_path_add_options(path, m), 0);
}

static union coax_address at(const char *text, in_port_t port)
{
	union coax_address address;

	ASSERT_EQ(coax_address_parse(&address, text, port), 0);
	return address;
}

static void expect_payload(const struct coax_message *m, const char *text)
{
	size_t length;
	const uint8_t *payload = coax_message_payload(m, &length);

	ASSERT_EQ(length, strlen(text));
	EXPECT_MEMEQ(payload, text, length);
}

TEST("a client Context gets what a server Context serves")
{
	struct coax_site *site = hello_site();
	struct coax_context *server = serve(site, "127.0.0.1:0", 2);
	struct coax_context *requester = client();
	union coax_address remote = at("127.0.0.1", coax_context_port(server));
	uint8_t out[256], in[1152];
	struct coax_message request, response;

	get(&request, out, sizeof(out), "hello");
	ASSERT_EQ(coax_request_wait(requester, &remote, &request, NULL, in, sizeof(in), &response),
		  0);
	EXPECT_EQ(coax_message_code(&response), COAX_CONTENT);
	expect_payload(&response, "world");
	coax_context_shutdown(requester);
	coax_context_shutdown(server);
	coax_site_destroy(site);
}

TEST("a Context with several workers asks and is answered on sockets of its own")
{
	struct coax_site *site = hello_site();
	struct coax_context *server = serve(site, "127.0.0.1:0", 4);
	union coax_address remote = at("127.0.0.1", coax_context_port(server));
	uint8_t out[256], in[1152];
	struct coax_message request, response;

	get(&request, out, sizeof(out), "hello");
	for (int i = 0; i < 16; i++) {
		ASSERT_EQ(coax_request_wait(server, &remote, &request, NULL, in, sizeof(in),
					    &response),
			  0);
		expect_payload(&response, "world");
	}
	coax_context_shutdown(server);
	coax_site_destroy(site);
}

TEST("a Context without a site answers 4.04")
{
	struct coax_context *server = serve(NULL, "127.0.0.1:0", 1);
	int fd = client_open("127.0.0.1", coax_context_port(server));
	static const uint8_t request[] = {0x40, 0x01, 0x12, 0x34};
	uint8_t reply[64];

	ASSERT_EQ(client_ask(fd, request, sizeof(request), reply, sizeof(reply)) >= 4, 1);
	EXPECT_EQ(reply[0] & 0xf0, 0x60);
	EXPECT_EQ(reply[1], COAX_NOT_FOUND);
	EXPECT_EQ(reply[2] << 8 | reply[3], 0x1234);
	coax_context_shutdown(server);
}

TEST("an answer leaves from the address that the request came to")
{
	struct coax_site *site = hello_site();
	struct coax_context *server = serve(site, "*:0", 2);
	static const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "127.1.2.3", "::1"};
	static const uint8_t request[] = {0x40, 0x01, 0x12, 0x34, 0xb5, 'h', 'e', 'l', 'l', 'o'};
	uint8_t reply[64];

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		/* A connected socket hears only the address that it asked. */
		int fd = client_open(addresses[i], coax_context_port(server));

		ASSERT_GT(client_ask(fd, request, sizeof(request), reply, sizeof(reply)), 4);
		EXPECT_EQ(reply[1], COAX_CONTENT);
		close(fd);
	}
	coax_context_shutdown(server);
	coax_site_destroy(site);
}

TEST("an address that another program has is refused although workers share theirs")
{
	struct coax_context *first = serve(NULL, "127.0.0.1:0", 2), *second = NULL;
	char text[COAX_ADDRESS_TEXT_MAX];
	const char *bind = text;
	struct coax_context_options options = {.bind = &bind, .bind_count = 1, .logger = quiet};

	snprintf(text, sizeof(text), "127.0.0.1:%u", coax_context_port(first));
	EXPECT_EQ(coax_context_create(&second, &options), -EADDRINUSE);
	coax_context_shutdown(first);
}

TEST("an address that is none is refused")
{
	static const char *const wrong[] = {"", "nonsense:", "1.2.3.4.5", "[::1",
					    "127.0.0.1:99999"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct coax_context_options options = {
			.bind = &wrong[i], .bind_count = 1, .logger = quiet};
		struct coax_context *context;

		if (*wrong[i])
			EXPECT_EQ(coax_context_create(&context, &options), -EINVAL);
	}
}

TEST("a ping is answered with RST and a client's ping succeeds")
{
	struct coax_context *server = serve(NULL, "[::1]:0", 1);
	struct coax_context *requester = client();
	union coax_address remote = at("::1", coax_context_port(server));
	static const uint8_t ping[] = {0x40, 0x00, 0xab, 0xcd};
	static const uint8_t pong[] = {0x70, 0x00, 0xab, 0xcd};
	int fd = client_open("::1", coax_context_port(server));
	struct coax_message request;
	uint8_t buffer[64];

	ASSERT_EQ(client_ask(fd, ping, sizeof(ping), buffer, sizeof(buffer)), 4);
	EXPECT_MEMEQ(buffer, pong, 4);

	ASSERT_EQ(coax_message_start(&request, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_EMPTY, 0,
				     NULL, 0),
		  0);
	EXPECT_EQ(coax_request_wait(requester, &remote, &request, NULL, NULL, 0, NULL), 0);
	coax_context_shutdown(requester);
	coax_context_shutdown(server);
}

TEST("a request to a closed port ends with ECONNREFUSED, not with a time-out")
{
	struct coax_context *gone = serve(NULL, "127.0.0.1:0", 1);
	union coax_address remote = at("127.0.0.1", coax_context_port(gone));
	struct coax_context *requester = client();
	struct coax_message request, response;
	uint8_t out[64], in[64];

	coax_context_shutdown(gone);
	get(&request, out, sizeof(out), "x");
	EXPECT_EQ(coax_request_wait(requester, &remote, &request, NULL, in, sizeof(in), &response),
		  -ECONNREFUSED);
	coax_context_shutdown(requester);
}

TEST("a request that nobody answers ends when its time is over")
{
	union coax_address remote = at("127.0.0.1", client_silent_port());
	struct coax_context *requester = client();
	struct coax_request_options options = {.timeout_ms = 50};
	struct coax_message request, response;
	uint8_t out[64], in[64];

	get(&request, out, sizeof(out), "x");
	EXPECT_EQ(coax_request_wait(requester, &remote, &request, &options, in, sizeof(in),
				    &response),
		  -ETIMEDOUT);
	coax_context_shutdown(requester);
}

/* A handler that hands its request to a thread, which answers when told to. */
struct later {
	pthread_t thread;
	struct coax_responder *responder;
	int go[2];
};

static void *answer_later(void *arg)
{
	struct later *later = arg;
	char byte;

	if (read(later->go[0], &byte, 1) == 1) {
		coax_message_set_payload(coax_responder_response(later->responder), "late", 4);
		coax_respond(later->responder, COAX_CONTENT);
	}
	return NULL;
}

static void defer(struct coax_responder *responder, void *arg)
{
	struct later *later = arg;

	later->responder = coax_responder_defer(responder);
	pthread_create(&later->thread, NULL, answer_later, later);
}

TEST("a handler may answer later from another thread: empty ACK, then a separate response")
{
	struct later later;
	struct coax_resource_options options = {.path = "later", .get = defer, .arg = &later};
	struct coax_site *site = site_with(&options, 1);
	struct coax_context *server = serve(site, "127.0.0.1:0", 1);
	int fd = client_open("127.0.0.1", coax_context_port(server));
	static const uint8_t request[] = {0x42, 0x01, 0x12, 0x34, 0xaa, 0xbb,
					  0xb5, 'l',  'a',  't',  'e',	'r'};
	static const uint8_t ack[] = {0x60, 0x00, 0x12, 0x34};
	struct coax_message response;
	uint8_t reply[64];
	ssize_t length;

	ASSERT_EQ(pipe(later.go), 0);
	ASSERT_EQ(client_ask(fd, request, sizeof(request), reply, sizeof(reply)), 4);
	EXPECT_MEMEQ(reply, ack, 4);

	ASSERT_EQ(write(later.go[1], "x", 1), 1);
	length = client_receive(fd, reply, sizeof(reply));
	ASSERT_GT(length, 4);
	ASSERT_EQ(coax_message_parse(&response, reply, (size_t)length), 0);
	EXPECT_TRUE(coax_message_type(&response) == COAX_TYPE_CON);
	EXPECT_EQ(coax_message_token_length(&response), 2U);
	EXPECT_MEMEQ(coax_message_token(&response), request + 4, 2);
	expect_payload(&response, "late");
	pthread_join(later.thread, NULL);
	coax_context_shutdown(server);
	coax_site_destroy(site);
}

TEST("a responder that is answered after shutdown is dropped, not used after free")
{
	struct later later;
	struct coax_resource_options options = {.path = "later", .get = defer, .arg = &later};
	struct coax_site *site = site_with(&options, 1);
	struct coax_context *server = serve(site, "127.0.0.1:0", 1);
	int fd = client_open("127.0.0.1", coax_context_port(server));
	static const uint8_t request[] = {0x40, 0x01, 0x12, 0x34, 0xb5, 'l', 'a', 't', 'e', 'r'};
	uint8_t reply[64];

	ASSERT_EQ(pipe(later.go), 0);
	ASSERT_EQ(client_ask(fd, request, sizeof(request), reply, sizeof(reply)), 4);
	coax_context_shutdown(server);
	ASSERT_EQ(write(later.go[1], "x", 1), 1);
	pthread_join(later.thread, NULL);
	coax_site_destroy(site);
}

/* Cancels the request from the request's own callback. */
struct self_cancelling {
	_Atomic(struct coax_request *) request;
	atomic_int result;
};

static void cancel_self(void *arg, int result, const struct coax_message *response,
			const union coax_address *remote)
{
	struct self_cancelling *self = arg;

	(void)response;
	(void)remote;
	while (!atomic_load(&self->request))
		;
	coax_request_cancel(atomic_load(&self->request));
	atomic_store(&self->result, result + 1);
}

static void count_result(void *arg, int result, const struct coax_message *response,
			 const union coax_address *remote)
{
	(void)response;
	(void)remote;
	atomic_fetch_add((atomic_int *)arg, result == -ECANCELED || result == -ESHUTDOWN ? 1 : 100);
}

static void nothing(struct coax_responder *responder, void *arg)
{
	(void)arg;
	if (!coax_responder_defer(responder))
		coax_respond(responder, COAX_SERVICE_UNAVAILABLE);
}

TEST("a request can be cancelled, also from its own callback")
{
	struct coax_resource_options options = {.path = "never", .get = nothing};
	struct coax_site *site = site_with(&options, 1);
	struct coax_context *server = serve(site, "127.0.0.1:0", 1);
	struct coax_context *requester = client();
	union coax_address remote = at("127.0.0.1", coax_context_port(server));
	struct self_cancelling self = {.request = NULL};
	struct coax_request *own, *other;
	struct coax_message request;
	atomic_int results = 0;
	uint8_t out[64];

	get(&request, out, sizeof(out), "absent");
	ASSERT_EQ(coax_request(requester, &remote, &request, NULL, cancel_self, &self, &own), 0);
	atomic_store(&self.request, own);
	for (int i = 0; i < 5000 && !self.result; i++)
		usleep(1000);
	EXPECT_EQ(self.result, 1);

	get(&request, out, sizeof(out), "never");
	ASSERT_EQ(coax_request(requester, &remote, &request, NULL, count_result, &results, &other),
		  0);
	coax_request_cancel(other);
	for (int i = 0; i < 5000 && !results; i++)
		usleep(1000);
	EXPECT_EQ(results, 1);
	coax_context_shutdown(requester);
	/* The responder that nobody answers belongs to the test: it goes with the process. */
	_exit(harness_failed);
}

TEST("shutdown ends pending requests with an error")
{
	union coax_address remote = at("127.0.0.1", client_silent_port());
	struct coax_context *requester = client();
	struct coax_message request;
	atomic_int results = 0;
	uint8_t out[64];

	get(&request, out, sizeof(out), "x");
	for (int i = 0; i < 10; i++)
		ASSERT_EQ(coax_request(requester, &remote, &request, NULL, count_result, &results,
				       NULL),
			  0);
	coax_context_shutdown(requester);
	EXPECT_EQ(results, 10);
}

struct hammer {
	pthread_t thread;
	in_port_t port;
	unsigned int answered;
};

static void *hammer(void *arg)
{
	struct hammer *h = arg;
	uint8_t request[] = {0x44, 0x01, 0, 0, 1, 2, 3, 4, 0xb5, 'h', 'e', 'l', 'l', 'o'};
	uint8_t reply[64];
	int fd = -1;

	for (unsigned int i = 0; i < 2000; i++) {
		if (i % 100 == 0) { /* another port: another worker */
			if (fd >= 0)
				close(fd);
			fd = client_open("127.0.0.1", h->port);
		}
		request[2] = (uint8_t)(i >> 8);
		request[3] = (uint8_t)i;
		memcpy(request + 4, &i, 4);
		if (client_ask(fd, request, sizeof(request), reply, sizeof(reply)) > 8 &&
		    reply[1] == COAX_CONTENT && !memcmp(reply + 2, request + 2, 6))
			h->answered++;
	}
	close(fd);
	return NULL;
}

TEST("many clients on many ports each get the answers to their own requests")
{
	struct coax_site *site = hello_site();
	struct coax_context *server = serve(site, "127.0.0.1:0", 3);
	struct coax_context_stats stats;
	struct hammer hammers[4];

	for (int i = 0; i < 4; i++) {
		hammers[i] = (struct hammer){.port = coax_context_port(server)};
		pthread_create(&hammers[i].thread, NULL, hammer, &hammers[i]);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(hammers[i].thread, NULL);
		EXPECT_EQ(hammers[i].answered, 2000U);
	}
	/* What is sent is counted after it has left: the last client may be ahead of the count. */
	for (int i = 0; i < 5000; i++) {
		coax_context_stats_read(server, &stats);
		if (stats.datagrams_out >= 8000)
			break;
		usleep(1000);
	}
	EXPECT_EQ(stats.requests, 8000U);
	EXPECT_EQ(stats.datagrams_in, 8000U);
	EXPECT_EQ(stats.datagrams_out, 8000U);
	coax_context_shutdown(server);
	coax_site_destroy(site);
}

TEST("a kernel half that cannot be had is said once, and userspace serves")
{
	struct coax_site *site = hello_site();
	const char *bind = "127.0.0.1:0", *interface = "nosuchinterface";
	struct coax_context_options options = {
		.site = site,
		.bind = &bind,
		.bind_count = 1,
		.logger = quiet,
		.accel = {.interfaces = &interface, .interface_count = 1},
	};
	struct coax_context *context;
	static const uint8_t request[] = {0x40, 0x01, 0x12, 0x34, 0xb5, 'h', 'e', 'l', 'l', 'o'};
	uint8_t reply[64];

	/* A bpffs may be mounted on the way: not on the machine's own tree. */
	if (!unshare(CLONE_NEWNS))
		ASSERT_EQ(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ASSERT_EQ(coax_context_create(&context, &options), 0);
	ASSERT_GT(client_ask(client_open("127.0.0.1", coax_context_port(context)), request,
			     sizeof(request), reply, sizeof(reply)),
		  4);
	EXPECT_EQ(reply[1], COAX_CONTENT);
	coax_context_shutdown(context);
	coax_site_destroy(site);
}

static void *shut_down(void *context)
{
	coax_context_shutdown(context);
	return NULL;
}

TEST("during shutdown new requests get 5.03, no promise of a response that never comes")
{
	struct later later;
	struct coax_resource_options options = {.path = "later", .get = defer, .arg = &later};
	struct coax_site *site = site_with(&options, 1);
	struct coax_context *server = serve(site, "127.0.0.1:0", 1);
	int fd = client_open("127.0.0.1", coax_context_port(server));
	uint8_t request[] = {0x40, 0x01, 0x12, 0x34, 0xb5, 'l', 'a', 't', 'e', 'r'};
	uint8_t absent[] = {0x40, 0x01, 0x20, 0x00};
	uint8_t reply[128];
	pthread_t thread;

	ASSERT_EQ(pipe(later.go), 0);
	ASSERT_EQ(client_ask(fd, request, sizeof(request), reply, sizeof(reply)), 4);
	pthread_create(&thread, NULL, shut_down, server);
	do {
		absent[3]++;
		ASSERT_GT(client_ask(fd, absent, sizeof(absent), reply, sizeof(reply)), 3);
	} while (reply[1] == COAX_NOT_FOUND);
	EXPECT_EQ(reply[0] & 0xf0, 0x60);
	EXPECT_EQ(reply[1], COAX_SERVICE_UNAVAILABLE);
	EXPECT_EQ(reply[3], absent[3]);

	ASSERT_EQ(write(later.go[1], "x", 1), 1);
	EXPECT_GT(client_receive(fd, reply, sizeof(reply)), 4);
	EXPECT_EQ(reply[1], COAX_CONTENT);
	pthread_join(later.thread, NULL);
	pthread_join(thread, NULL);
	coax_site_destroy(site);
}

static void count_line(void *arg, enum coax_log_level level, const char *name, const char *line)
{
	(void)name;
	(void)line;
	if (level == COAX_LOG_ERROR)
		atomic_fetch_add((atomic_int *)arg, 1);
}

TEST("a Context that cannot be made has said why at ERROR, once")
{
	static const char *const elsewhere[] = {"192.0.2.1:5683", "192.0.2.1:0"};
	const char *many[200];
	char texts[200][32];
	atomic_int lines = 0;
	struct coax_context_options options = {
		.logger = {.write = count_line, .arg = &lines},
		.bind_count = 1,
		.workers = 2,
	};
	struct coax_context *context;

	for (int i = 0; i < 2; i++) {
		options.bind = &elsewhere[i];
		EXPECT_EQ(coax_context_create(&context, &options), -EADDRNOTAVAIL);
		EXPECT_EQ(lines, i + 1);
	}
	for (int i = 0; i < 200; i++) {
		snprintf(texts[i], sizeof(texts[i]), "127.0.0.%d:0", i + 1);
		many[i] = texts[i];
	}
	options.bind = many;
	options.bind_count = 200;
	EXPECT_EQ(coax_context_create(&context, &options), -E2BIG);
	EXPECT_EQ(lines, 3);

	options.bind_count = 1;
	options.tuning.ack_random_percent = 1;
	EXPECT_EQ(coax_context_create(&context, &options), -EINVAL);
	EXPECT_EQ(lines, 4);
}

TEST("a request to a broadcast address is one to many: a CON is ignored, errors stay away")
{
	struct coax_site *site = hello_site();
	struct coax_context *server = serve(site, "*:0", 1);
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(coax_context_port(server)),
	};
	uint8_t request[] = {0x40, 0x01, 0x12, 0x34, 0xb5, 'h', 'e', 'l', 'l', 'o'};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;
	struct coax_context_stats stats;
	uint8_t reply[64];

	inet_pton(AF_INET, "127.255.255.255", &to.sin_addr);
	ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)), 0);
	sendto(fd, request, sizeof(request), 0, (struct sockaddr *)&to, sizeof(to));
	/* A NON GET is answered, by an address that is one host's. */
	request[0] = 0x50;
	request[3]++;
	sendto(fd, request, sizeof(request), 0, (struct sockaddr *)&to, sizeof(to));
	ASSERT_GT(client_receive(fd, reply, sizeof(reply)), 4);
	EXPECT_EQ(reply[0] & 0xf0, 0x50);
	EXPECT_EQ(reply[1], COAX_CONTENT);
	coax_context_stats_read(server, &stats);
	EXPECT_EQ(stats.requests, 1U);
	EXPECT_EQ(stats.ignored, 1U);
	coax_context_shutdown(server);
	coax_site_destroy(site);
}

/* What was logged last from WARNING on, and under which name. */
static struct {
	char name[32];
	char line[256];
} heard;

static void hear(void *arg, enum coax_log_level level, const char *name, const char *line)
{
	(void)arg;
	(void)level;
	snprintf(heard.name, sizeof(heard.name), "%s", name);
	snprintf(heard.line, sizeof(heard.line), "%s", line);
}

static int create_and_end(struct coax_context_options options)
{
	struct coax_context *context;
	int err;

	options.logger.write = hear;
	memset(&heard, 0, sizeof(heard));
	err = coax_context_create(&context, &options);
	if (!err)
		coax_context_shutdown(context);
	return err;
}

TEST("a server without a Site binds to port 5683 of all addresses and answers 4.04 not a server")
{
	static const uint8_t request[] = {0x40, 0x01, 0x12, 0x34, 0xb5, 'h', 'e', 'l', 'l', 'o'};
	struct coax_context_options options = {.server = true, .logger = quiet};
	struct coax_site *site = hello_site();
	struct coax_context *server;
	uint8_t reply[64];

	if (unshare(CLONE_NEWNET))
		SKIP("needs a network namespace of its own");
	ASSERT_EQ(system("ip link set lo up"), 0);
	ASSERT_EQ(coax_context_create(&server, &options), 0);
	EXPECT_EQ(coax_context_port(server), COAX_PORT);
	ASSERT_EQ(client_ask(client_open("127.0.0.1", COAX_PORT), request, sizeof(request), reply,
			     sizeof(reply)),
		  4 + 1 + 12);
	EXPECT_EQ(reply[1], COAX_NOT_FOUND);
	EXPECT_MEMEQ(reply + 5, "not a server", 12);
	/* And the Site is given later. */
	coax_context_set_site(server, site);
	ASSERT_GT(client_ask(client_open("::1", COAX_PORT), request, sizeof(request), reply,
			     sizeof(reply)),
		  4);
	EXPECT_EQ(reply[1], COAX_CONTENT);
	coax_context_shutdown(server);
	coax_site_destroy(site);
}

TEST("a Context listens to several addresses, with and without a port")
{
	static const char *const bind[] = {"127.0.0.1", "127.0.0.2:5700", "[::1]:5701",
					   "127.0.0.3"};
	static const struct {
		const char *address;
		in_port_t port;
	} served[] = {{"127.0.0.1", 5683}, {"127.0.0.2", 5700}, {"::1", 5701}, {"127.0.0.3", 5683}};
	struct coax_site *site = hello_site();
	struct coax_context_options options = {
		.site = site, .bind = bind, .bind_count = 4, .workers = 2, .logger = quiet};
	static const uint8_t request[] = {0x40, 0x01, 0x12, 0x34, 0xb5, 'h', 'e', 'l', 'l', 'o'};
	struct coax_context *server;
	uint8_t reply[64];

	if (unshare(CLONE_NEWNET))
		SKIP("needs a network namespace of its own");
	ASSERT_EQ(system("ip link set lo up"), 0);
	ASSERT_EQ(coax_context_create(&server, &options), 0);
	for (int i = 0; i < 4; i++) {
		int fd = client_open(served[i].address, served[i].port);

		ASSERT_GT(client_ask(fd, request, sizeof(request), reply, sizeof(reply)), 4);
		EXPECT_EQ(reply[1], COAX_CONTENT);
	}
	coax_context_shutdown(server);
	coax_site_destroy(site);
}

TEST("a Context's lines go by its name, coap for a client's and coap-server for a server's")
{
	static const char *const wrong = "nowhere";
	const struct coax_context_options options = {.bind = &wrong, .bind_count = 1};
	struct coax_context_options server = options, named = options;

	EXPECT_EQ(create_and_end(options), -EINVAL);
	EXPECT_STREQ(heard.name, "coap");
	server.server = true;
	EXPECT_EQ(create_and_end(server), -EINVAL);
	EXPECT_STREQ(heard.name, "coap-server");
	named.logger.name = "pump";
	EXPECT_EQ(create_and_end(named), -EINVAL);
	EXPECT_STREQ(heard.name, "pump");
}

TEST("transports are chosen by name, and one that there is not is an error that names those")
{
	static const char *const udp[] = {"udp"}, *const unknown[] = {"udp", "pigeon"};

	EXPECT_EQ(create_and_end(
			  (struct coax_context_options){.transports = udp, .transport_count = 1}),
		  0);
	EXPECT_EQ(create_and_end((struct coax_context_options){.transports = unknown,
							       .transport_count = 2}),
		  -EPROTONOSUPPORT);
	EXPECT_STREQ(heard.line, "there is no transport \"pigeon\"; there are: udp, dtls");
}

TEST("a tuning that makes no sense is refused with a word on which")
{
	static const struct {
		struct coax_tuning tuning;
		const char *word;
	} wrong[] = {
		{{.block_size = 8}, "block_size"},
		{{.block_size = 100}, "block_size"},
		{{.block_size = 2048}, "block_size"},
		{{.body_max = 1ULL << 31}, "body_max"},
		{{.body_max = 1 << 20, .bodies_max = 1 << 19}, "bodies_max"},
		{{.notify_confirm_ms = 90000000}, "notify_confirm_ms"},
	};
	static const struct coax_tuning sound[] = {
		{.block_size = 16},
		{.block_size = 1024, .notify_confirm_ms = 86400000},
		{.body_max = 1 << 30, .bodies_max = 1 << 30},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		EXPECT_EQ(create_and_end((struct coax_context_options){.tuning = wrong[i].tuning}),
			  -EINVAL);
		EXPECT_TRUE(strstr(heard.line, wrong[i].word));
	}
	for (size_t i = 0; i < sizeof(sound) / sizeof(sound[0]); i++)
		EXPECT_EQ(create_and_end((struct coax_context_options){.tuning = sound[i]}), 0);
}

/* Many requests that are answered all at once, some of whose clients are gone by then. */
#define CROWD 110
#define GONE  10 /* each eleventh */

static struct {
	struct coax_responder *responders[CROWD];
	atomic_int count;
} crowd;

static void join_crowd(struct coax_responder *responder, void *arg)
{
	struct coax_responder *later = coax_responder_defer(responder);

	(void)arg;
	ASSERT_TRUE(later);
	crowd.responders[atomic_load(&crowd.count)] = later;
	atomic_fetch_add(&crowd.count, 1);
}

TEST("peers that vanish cost no other its response")
{
	struct coax_resource_options resource = {.path = "crowd", .get = join_crowd};
	struct coax_site *site = site_with(&resource, 1);
	struct coax_context *server = serve(site, "127.0.0.1:0", 1);
	uint8_t request[] = {0x50, 0x01, 0, 0, 0xb5, 'c', 'r', 'o', 'w', 'd'};
	int clients[CROWD], lost = 0;
	uint8_t reply[64];

	for (int i = 0; i < CROWD; i++)
		clients[i] = client_open("127.0.0.1", coax_context_port(server));
	for (int round = 0; round < 100; round++) {
		atomic_store(&crowd.count, 0);
		request[3] = (uint8_t)round;
		for (int i = 0; i < CROWD; i++)
			ASSERT_EQ(send(clients[i], request, sizeof(request), 0),
				  (ssize_t)sizeof(request));
		while (atomic_load(&crowd.count) < CROWD)
			sched_yield();
		for (int i = 0; i < CROWD; i += CROWD / GONE)
			close(clients[i]);
		for (int i = 0; i < CROWD; i++)
			coax_respond(crowd.responders[i], COAX_CONTENT);
		for (int i = 0; i < CROWD; i++) {
			if (i % (CROWD / GONE) == 0)
				clients[i] = client_open("127.0.0.1", coax_context_port(server));
			else if (client_receive(clients[i], reply, sizeof(reply)) < 4 ||
				 reply[3] != request[3])
				lost++;
		}
	}
	EXPECT_EQ(lost, 0);
	coax_context_shutdown(server);
	coax_site_destroy(site);
}

TEST_MAIN()
