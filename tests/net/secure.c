// SPDX-License-Identifier: BSD-2-Clause
/*
 * coaps between two Contexts over loopback (RFC 7252 section 9): requests and bodies, and how they
 * fail; names, rules, workers and threads.
 */
#define HARNESS_TIMEOUT 60

#include <pthread.h>
#include "../client.h"
#include "../hosts.h"
#include "../secure.h"

TEST("a GET by coaps with a pre-shared key gets its response")
{
	struct coax_context *context;

	serve();
	context = client();
	EXPECT_ANSWER(context, "hello", "hello");
	EXPECT_EQ(SERVER_COUNT(requests), 1U);
	EXPECT_EQ(SERVER_COUNT(sessions), 1U);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("a resource learns who asks")
{
	struct coax_context *context;

	serve();
	context = client();
	EXPECT_ANSWER(context, "who", "me");
	coax_context_shutdown(context);
	stop_serving();
}

TEST("requests share a session, and messages in it have the exchange layer's care")
{
	struct coax_context *context;

	serve();
	context = client();
	for (int i = 0; i < 20; i++)
		EXPECT_EQ((int)ask(context, COAX_POST, "count").code, COAX_CHANGED);
	EXPECT_EQ(atomic_load(&server.handled), 20);
	EXPECT_EQ(SERVER_COUNT(sessions), 1U);
	coax_context_shutdown(context);
	stop_serving();
}

static atomic_int answered;

static void count_answer(void *arg, int result, const struct coax_message *response,
			 const union coax_address *remote)
{
	(void)arg;
	(void)remote;
	if (!result && coax_message_code(response) == COAX_CHANGED)
		atomic_fetch_add(&answered, 1);
}

TEST("requests that are made at once wait for one handshake, and all get their responses")
{
	const struct coax_request_options options = {.secure = true};
	struct coax_context *context;
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_POST, "count");

	serve();
	context = client();
	for (int i = 0; i < 50; i++)
		ASSERT_EQ(coax_request(context, &server.remote, &m, &options, count_answer, NULL,
				       NULL),
			  0);
	EXPECT_TRUE(EVENTUALLY(atomic_load(&answered) == 50));
	EXPECT_EQ(atomic_load(&server.handled), 50);
	EXPECT_EQ(SERVER_COUNT(sessions), 1U);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("a body of 1 MiB goes there and comes back in blocks")
{
	struct coax_request_options upload = {
		.body = &(struct coax_body){.length = sizeof(body), .data = body}};
	struct coax_context *context;
	struct answer answer;

	serve();
	context = client();
	answer = ask_with(context, COAX_PUT, "body", upload);
	EXPECT_EQ(answer.result, 0);
	EXPECT_EQ((int)answer.code, COAX_CHANGED);
	EXPECT_TRUE(server.body_is_right);
	answer = ask(context, COAX_GET, "body");
	EXPECT_EQ(answer.result, 0);
	ASSERT_EQ(answer.length, sizeof(body));
	EXPECT_MEMEQ(coax_message_payload(&answer.message, &answer.length), body, sizeof(body));
	coax_context_shutdown(context);
	stop_serving();
}

TEST("a message as long as there are goes in one record")
{
	struct coax_request_options options = {.single = true};
	struct coax_context *context;
	struct answer answer;
	size_t length = 2000;

	serve();
	context = client();
	do {
		options.body = &(struct coax_body){.length = ++length, .data = body};
		server.body_taken = 0;
		answer = ask_with(context, COAX_PUT, "body", options);
		if (!answer.result)
			EXPECT_EQ(server.body_taken, length);
	} while (!answer.result && length < 2048);
	EXPECT_EQ(answer.result, -EMSGSIZE);
	EXPECT_GT(length, 2020U);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("a deferred answer comes in its session, with an empty ACK before it")
{
	struct coax_context *context;
	static struct outcome outcome;
	const struct coax_request_options options = {.secure = true};
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "late");

	serve();
	context = client();
	sem_init(&outcome.told, 0, 0);
	ASSERT_EQ(coax_request(context, &server.remote, &m, &options, outcome_take, &outcome, NULL),
		  0);
	ASSERT_TRUE(EVENTUALLY(atomic_load(&server.deferred)));
	usleep(300000);
	get_who(atomic_load(&server.deferred), NULL);
	outcome_wait(&outcome);
	EXPECT_EQ(outcome.result, 0);
	EXPECT_EQ(outcome.length, 2U);
	EXPECT_MEMEQ(outcome.payload, "me", 2);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("IPv6 goes the same way")
{
	const char *bind = "127.0.0.1:0", *bind_secure = "[::1]:0";
	struct coax_context_options options = {.server = true,
					       .bind = &bind,
					       .bind_count = 1,
					       .bind_secure = &bind_secure,
					       .bind_secure_count = 1,
					       .workers = 2,
					       .logger = logger};
	struct coax_context *context, *requester = client();

	options.server_credentials = server_credentials("me", KEY);
	ASSERT_EQ(coax_context_create(&context, &options), 0);
	coax_credentials_release(options.server_credentials);
	ASSERT_EQ(coax_address_parse(&server.remote, "::1", coax_context_secure_port(context)), 0);
	EXPECT_EQ((int)ask(requester, COAX_GET, "hello").code, COAX_NOT_FOUND);
	coax_context_shutdown(requester);
	coax_context_shutdown(context);
}

TEST("a wrong key: the request fails, and says why")
{
	struct coax_context *context;
	struct answer answer;

	serve();
	context = client_with(1, client_credentials("me", OTHER));
	answer = ask(context, COAX_GET, "hello");
	EXPECT_LT(answer.result, 0);
	EXPECT_NE(answer.result, -ETIMEDOUT);
	EXPECT_NE(answer.reason[0], '\0');
	HARNESS_SAY("%d: %s", answer.result, answer.reason);
	answer = ask_with(context, COAX_GET, "hello",
			  (struct coax_request_options){.results = COAX_RESULTS_RESPONSES});
	EXPECT_EQ(answer.result, 0);
	EXPECT_EQ((int)answer.code, COAX_BAD_GATEWAY);
	EXPECT_STREQ(answer.text, answer.reason);
	coax_context_shutdown(context);
	EXPECT_EQ(SERVER_COUNT(sessions), 0U);
	EXPECT_EQ(SERVER_COUNT(requests), 0U);
	stop_serving();
}

TEST("an identity that the server does not know: the request fails, and says why")
{
	struct coax_context *context;
	struct answer answer;

	serve();
	context = client_with(1, client_credentials("stranger", KEY));
	answer = ask(context, COAX_GET, "hello");
	EXPECT_LT(answer.result, 0);
	EXPECT_NE(answer.reason[0], '\0');
	HARNESS_SAY("%d: %s", answer.result, answer.reason);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("without credentials a request is refused before anything is sent")
{
	struct coax_context *context;
	struct coax_context_stats stats;
	struct answer answer;

	serve();
	context = client_with(1, NULL);
	answer = ask(context, COAX_GET, "hello");
	EXPECT_EQ(answer.result, -ENOKEY);
	EXPECT_TRUE(strstr(answer.reason, "no credentials"));
	coax_context_stats_read(context, &stats);
	EXPECT_EQ(stats.datagrams_out, 0U);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("a Context without DTLS makes no secure request, and finds no transport for coaps")
{
	const struct coax_request_options options = {.secure = true};
	struct coax_context *context = requester_start(1);
	struct coax_observation *observation;
	const char *error;
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "hello");
	union coax_address remote;

	ASSERT_EQ(coax_address_parse(&remote, "127.0.0.1:5684", 0), 0);
	EXPECT_EQ(coax_request(context, &remote, &m, &options, outcome_take, NULL, NULL),
		  -EPROTONOSUPPORT);
	EXPECT_EQ(coax_observe(context, &remote, &m, &options, &observation), -EPROTONOSUPPORT);
	EXPECT_EQ(coax_find_remote(context, "coaps://127.0.0.1/", NULL, NULL, &error),
		  -EPROTONOSUPPORT);
	EXPECT_EQ(coax_context_set_client_credentials(context, NULL), -EOPNOTSUPP);
	EXPECT_EQ(coax_context_set_server_credentials(context, NULL), -EOPNOTSUPP);
	EXPECT_EQ(coax_context_secure_port(context), 0);
	coax_context_shutdown(context);
}

TEST("a group is not asked by coaps")
{
	const struct coax_request_options options = {.secure = true};
	struct coax_context *context = client();
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "hello");
	union coax_address group;

	ASSERT_EQ(coax_address_parse(&group, "224.0.1.187:5684", 0), 0);
	EXPECT_EQ(coax_request_multicast(context, &group, &m, &options, outcome_take, NULL, NULL),
		  -EINVAL);
	EXPECT_EQ(coax_request(context, &group, &m, &options, outcome_take, NULL, NULL), -EINVAL);
	coax_context_shutdown(context);
}

TEST("nobody listens there: the network says so, and the request ends at once")
{
	struct coax_context *context = client();
	struct answer answer;
	struct peer peer;

	peer_open(&peer);
	close(peer.fd);
	server.remote = peer.address;
	for (int i = 0; i < 2; i++) {
		answer = ask(context, COAX_GET, "hello");
		EXPECT_EQ(answer.result, -ECONNREFUSED);
		EXPECT_TRUE(strstr(answer.reason, "refused"));
	}
	coax_context_shutdown(context);
}

TEST("nobody answers the handshake: the request ends when its time is up, and others can")
{
	struct coax_context *context = client();
	struct answer answer;
	struct peer silent;

	peer_open(&silent);
	server.remote = silent.address;
	answer = ask_with(context, COAX_GET, "hello",
			  (struct coax_request_options){.timeout_ms = 300});
	EXPECT_EQ(answer.result, -ETIMEDOUT);
	EXPECT_TRUE(strstr(answer.reason, "handshake"));
	coax_context_shutdown(context);
}

TEST("a request that waits for a handshake can be cancelled, and so can its Context end")
{
	static struct outcome cancelled, shut;
	const struct coax_request_options options = {.secure = true};
	struct coax_context *context = client();
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "hello");
	struct peer silent;

	peer_open(&silent);
	sem_init(&cancelled.told, 0, 0);
	sem_init(&shut.told, 0, 0);
	ASSERT_EQ(coax_request(context, &silent.address, &m, &options, outcome_take, &cancelled,
			       &cancelled.request),
		  0);
	ASSERT_EQ(coax_request(context, &silent.address, &m, &options, outcome_take, &shut, NULL),
		  0);
	coax_request_cancel(cancelled.request);
	outcome_wait(&cancelled);
	EXPECT_EQ(cancelled.result, -ECANCELED);
	EXPECT_EQ(shut.calls, 0);
	coax_context_shutdown(context);
	outcome_wait(&shut);
	EXPECT_EQ(shut.result, -ESHUTDOWN);
}

TEST("with many workers each peer's session has its worker")
{
	struct coax_context *clients[8];

	serve_with(4, server_credentials("me", KEY), NULL);
	for (int i = 0; i < 8; i++)
		clients[i] = client_with(i % 2 ? 1 : 3, client_credentials("me", KEY));
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 8; i++)
			EXPECT_ANSWER(clients[i], "hello", "hello");
	EXPECT_EQ(SERVER_COUNT(sessions), 8U);
	for (int i = 0; i < 8; i++)
		coax_context_shutdown(clients[i]);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
	stop_serving();
}

static void *ask_often(void *arg)
{
	const struct coax_request_options options = {.secure = true};

	for (int i = 0; i < 50; i++) {
		uint8_t buffer[64], reply[256];
		struct coax_message response,
			m = request_message(buffer, sizeof(buffer), COAX_POST, "count");

		if (coax_request_wait(arg, &server.remote, &m, &options, reply, sizeof(reply),
				      &response) == 0 &&
		    coax_message_code(&response) == COAX_CHANGED)
			atomic_fetch_add(&answered, 1);
	}
	return NULL;
}

TEST("many threads ask, while credentials are loaded anew")
{
	struct coax_context *context;
	pthread_t threads[4];

	serve_with(2, server_credentials("me", KEY), NULL);
	context = client_with(2, client_credentials("me", KEY));
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, ask_often, context), 0);
	for (int i = 0; i < 10; i++) {
		struct coax_credentials *same = server_credentials("me", KEY);

		ASSERT_EQ(coax_context_set_server_credentials(server.context, same), 0);
		coax_credentials_release(same);
		same = client_credentials("me", KEY);
		ASSERT_EQ(coax_context_set_client_credentials(context, same), 0);
		coax_credentials_release(same);
		usleep(5000);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(atomic_load(&answered), 200);
	EXPECT_EQ(atomic_load(&server.handled), 200);
	coax_context_shutdown(context);
	stop_serving();
}

struct finding {
	sem_t told;
	int result;
	char transport[8];
	union coax_address remote;
};

static void found(void *arg, int result, const struct coax_found *what)
{
	struct finding *finding = arg;

	finding->result = result;
	snprintf(finding->transport, sizeof(finding->transport), "%s", what->transport);
	if (what->count)
		finding->remote = what->remotes[0];
	sem_post(&finding->told);
}

TEST("coaps is found to go by DTLS, to port 5684 unless the URI says another one")
{
	struct coax_context *context = client();
	struct finding finding;

	sem_init(&finding.told, 0, 0);
	ASSERT_EQ(coax_find_remote(context, "coaps://127.0.0.1/x", found, &finding, NULL), 0);
	sem_wait(&finding.told);
	EXPECT_EQ(finding.result, 0);
	EXPECT_STREQ(finding.transport, "dtls");
	EXPECT_EQ(coax_address_port(&finding.remote), 5684);
	ASSERT_EQ(coax_find_remote(context, "coap://127.0.0.1/x", found, &finding, NULL), 0);
	sem_wait(&finding.told);
	EXPECT_STREQ(finding.transport, "udp");
	coax_context_shutdown(context);
}

TEST("a name is looked up, and asked by coaps")
{
	const struct coax_request_options options = {.secure = true, .timeout_ms = 10000};
	struct coax_context *context;
	uint8_t buffer[64], reply[256];
	struct coax_message m, response;

	set_hosts("127.0.0.1 localhost\n");
	serve();
	context = client();
	m = request_message(buffer, sizeof(buffer), COAX_GET, NULL);
	coax_message_add_string(&m, COAX_URI_HOST, "localhost");
	coax_message_add_uint(&m, COAX_URI_PORT, coax_address_port(&server.remote));
	coax_message_add_string(&m, COAX_URI_PATH, "hello");
	EXPECT_EQ(coax_request_wait(context, NULL, &m, &options, reply, sizeof(reply), &response),
		  0);
	EXPECT_EQ((int)coax_message_code(&response), COAX_CONTENT);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("with DTLS alone nothing is received without security")
{
	static const char *const dtls[] = {"dtls"};
	const char *bind = "127.0.0.1:0";
	struct coax_context_options options = {
		.bind_secure = &bind,
		.bind_secure_count = 1,
		.server = true,
		.workers = 1,
		.transports = dtls,
		.transport_count = 1,
		.logger = logger,
	};
	struct coax_context *context, *requester;
	struct answer answer;

	options.server_credentials = server_credentials("me", KEY);
	ASSERT_EQ(coax_context_create(&context, &options), 0);
	coax_credentials_release(options.server_credentials);
	EXPECT_EQ(coax_context_port(context), coax_context_secure_port(context));
	ASSERT_EQ(coax_address_parse(&server.remote, "127.0.0.1", coax_context_port(context)), 0);
	requester = client();
	answer = ask(requester, COAX_GET, "hello");
	EXPECT_EQ(answer.result, 0);
	EXPECT_EQ((int)answer.code, COAX_NOT_FOUND);
	coax_context_shutdown(requester);
	coax_context_shutdown(context);
}

TEST("what comes to the secure port and is no record is dropped, and so are records at the plain one")
{
	const uint8_t ping[] = {0x40, 0, 0x12, 0x34}, record[] = {23, 254, 253, 0, 1, 0, 0, 0, 0};
	uint8_t reply[64];
	int fd;

	serve();
	fd = client_open("127.0.0.1", coax_context_secure_port(server.context));
	ASSERT_EQ(send(fd, ping, sizeof(ping), 0), (ssize_t)sizeof(ping));
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(datagrams_in) == 1));
	EXPECT_EQ(SERVER_COUNT(pings), 0U);
	EXPECT_EQ(recv(fd, reply, sizeof(reply), MSG_DONTWAIT), -1);
	close(fd);
	fd = client_open("127.0.0.1", coax_context_port(server.context));
	ASSERT_EQ(send(fd, record, sizeof(record), 0), (ssize_t)sizeof(record));
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(datagrams_in) == 2));
	EXPECT_EQ(SERVER_COUNT(requests), 0U);
	close(fd);
	stop_serving();
}

TEST("rules decide by who asks: 4.01 without security, 4.03 for who may not")
{
	const struct coax_access_rule rules[] = {
		{.path = "/hello", .who = "psk:me", .methods = COAX_ACCESS_READ},
		{.path = "/who", .who = "secure", .methods = COAX_ACCESS_ALL},
		{.path = "/count", .who = "psk:you", .methods = COAX_ACCESS_ALL},
		{.path = "/observed", .who = "*", .methods = COAX_ACCESS_ALL},
	};
	struct coax_access *access;
	struct coax_context *context;
	union coax_address secure;
	uint8_t buffer[64], reply[128];
	struct coax_message m, response;
	size_t bad;

	serve();
	context = client();
	ASSERT_EQ(coax_access_create(&access, rules, sizeof(rules) / sizeof(rules[0]), &bad), 0);
	ASSERT_EQ(coax_site_set_access(server.site, access), 0);
	EXPECT_ANSWER(context, "hello", "hello");
	EXPECT_ANSWER(context, "who", "me");
	EXPECT_EQ((int)ask(context, COAX_PUT, "hello").code, COAX_FORBIDDEN);
	EXPECT_EQ((int)ask(context, COAX_POST, "count").code, COAX_FORBIDDEN);
	EXPECT_EQ((int)ask(context, COAX_GET, "body").code, COAX_FORBIDDEN);
	secure = server.remote;
	ASSERT_EQ(
		coax_address_parse(&server.remote, "127.0.0.1", coax_context_port(server.context)),
		0);
	m = request_message(buffer, sizeof(buffer), COAX_GET, "hello");
	EXPECT_EQ(coax_request_wait(context, &server.remote, &m, NULL, reply, sizeof(reply),
				    &response),
		  0);
	EXPECT_EQ((int)coax_message_code(&response), COAX_UNAUTHORIZED);
	m = request_message(buffer, sizeof(buffer), COAX_GET, "observed");
	EXPECT_EQ(coax_request_wait(context, &server.remote, &m, NULL, reply, sizeof(reply),
				    &response),
		  0);
	EXPECT_EQ((int)coax_message_code(&response), COAX_CONTENT);
	server.remote = secure;
	coax_context_shutdown(context);
	stop_serving();
}

TEST("one loop of the application's does it all: DTLS as client and server")
{
	static const char *const bind = "127.0.0.1:0";
	static struct outcome outcome;
	const struct coax_request_options secure = {.secure = true};
	struct coax_context_options options = {
		.bind = &bind, .bind_count = 1, .own_loop = true, .logger = logger};
	struct coax_context *context;
	uint8_t buffer[64];
	struct coax_message m = request_message(buffer, sizeof(buffer), COAX_GET, "hello");

	ASSERT_EQ(coax_site_create(&server.site), 0);
	add("/hello", get_hello, NULL, NULL);
	options.site = server.site;
	options.server_credentials = server_credentials("me", KEY);
	options.client_credentials = client_credentials("me", KEY);
	ASSERT_EQ(coax_context_create(&context, &options), 0);
	coax_credentials_release(options.server_credentials);
	coax_credentials_release(options.client_credentials);
	ASSERT_EQ(
		coax_address_parse(&server.remote, "127.0.0.1", coax_context_secure_port(context)),
		0);
	sem_init(&outcome.told, 0, 0);
	ASSERT_EQ(coax_request(context, &server.remote, &m, &secure, outcome_take, &outcome, NULL),
		  0);
	while (!atomic_load(&outcome.calls)) {
		struct pollfd readable = {.fd = coax_context_fd(context), .events = POLLIN};

		ASSERT_GE(poll(&readable, 1, coax_context_timeout(context)), 0);
		coax_context_process(context);
	}
	EXPECT_EQ(outcome.result, 0);
	EXPECT_MEMEQ(outcome.payload, "hello", 5);
	coax_context_shutdown(context);
	coax_site_destroy(server.site);
}

TEST("nonsense is refused with a word on what")
{
	static const char *const udp[] = {"udp"}, *const dtls[] = {"dtls"};
	static const char *const bind = "127.0.0.1:0", *const group = "lo", *const wrong = "wrong";
	const struct coax_context_options nonsense[] = {
		{.bind_secure = &bind, .bind_secure_count = 1},
		{.server = true,
		 .bind_secure = &bind,
		 .bind_secure_count = 1,
		 .transports = udp,
		 .transport_count = 1},
		{.server = true,
		 .groups = &group,
		 .group_count = 1,
		 .transports = dtls,
		 .transport_count = 1},
		{.server = true,
		 .bind = &bind,
		 .bind_count = 1,
		 .bind_secure = &wrong,
		 .bind_secure_count = 1},
	};

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		struct coax_context_options options = nonsense[i];
		struct coax_context *context;

		options.logger = logger;
		EXPECT_EQ(coax_context_create(&context, &options), -EINVAL);
	}
}

TEST_MAIN()
