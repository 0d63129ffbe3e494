// SPDX-License-Identifier: BSD-2-Clause
/*
 * How results are told, and requests that name where they go.
 */
#include "../hosts.h"
#include "../requester.h"

static struct outcome *outcome_new(void)
{
	struct outcome *outcome = calloc(1, sizeof(*outcome));

	sem_init(&outcome->told, 0, 0);
	return outcome;
}

static void ask(struct coax_context *context, const union coax_address *remote,
		enum coax_results results, struct outcome *outcome)
{
	const struct coax_request_options options = {.results = results, .timeout_ms = 300};
	uint8_t buffer[64];
	struct coax_message message = request_message(buffer, sizeof(buffer), COAX_GET, "thing");

	ASSERT_EQ(coax_request(context, remote, &message, &options, outcome_take, outcome, NULL),
		  0);
}

/* The result when the peer answers with `code`, or not at all (0). */
static struct outcome *tell(enum coax_results results, uint8_t code)
{
	struct coax_context *context = requester_start(1);
	struct outcome *outcome = outcome_new();
	struct peer peer;

	peer_open(&peer);
	ask(context, &peer.address, results, outcome);
	peer_take(&peer);
	if (code)
		peer_answer(&peer, code, "text", 4);
	outcome_wait(outcome);
	coax_context_shutdown(context);
	close(peer.fd);
	return outcome;
}

static void expect(struct outcome *outcome, int result, bool response, uint8_t code)
{
	EXPECT_EQ(outcome->result, result);
	EXPECT_EQ(outcome->has_response, response);
	if (response)
		EXPECT_EQ(outcome->code, code);
	free(outcome);
}

TEST("by default a response of any code is a result, and a failure is an error")
{
	expect(tell(COAX_RESULTS_DEFAULT, COAX_CONTENT), 0, true, COAX_CONTENT);
	expect(tell(COAX_RESULTS_DEFAULT, COAX_NOT_FOUND), 0, true, COAX_NOT_FOUND);
	expect(tell(COAX_RESULTS_DEFAULT, 0), -ETIMEDOUT, false, 0);
}

TEST("raising, an unsuccessful response is an error, and can still be read")
{
	struct outcome *outcome = tell(COAX_RESULTS_RAISING, COAX_NOT_FOUND);

	EXPECT_EQ(outcome->length, 4U);
	expect(outcome, -EREMOTEIO, true, COAX_NOT_FOUND);
	expect(tell(COAX_RESULTS_RAISING, COAX_CONTENT), 0, true, COAX_CONTENT);
	expect(tell(COAX_RESULTS_RAISING, 0), -ETIMEDOUT, false, 0);
}

TEST("or all is told as a response, failures as what a proxy would say, with words")
{
	struct outcome *outcome;

	expect(tell(COAX_RESULTS_RESPONSES, COAX_NOT_FOUND), 0, true, COAX_NOT_FOUND);
	outcome = tell(COAX_RESULTS_RESPONSES, 0);
	EXPECT_GT(outcome->length, 0U);
	expect(outcome, 0, true, COAX_GATEWAY_TIMEOUT);
}

TEST("a port where nobody listens is a bad gateway, a kind of address without socket 5.05")
{
	struct coax_context *context = requester_start(1);
	struct outcome *outcome = outcome_new();
	uint8_t buffer[64];
	struct coax_message message = request_message(buffer, sizeof(buffer), COAX_GET, NULL);
	struct peer peer;
	union coax_address ipv6;

	peer_open(&peer);
	close(peer.fd);
	ask(context, &peer.address, COAX_RESULTS_RESPONSES, outcome);
	outcome_wait(outcome);
	expect(outcome, 0, true, COAX_BAD_GATEWAY);
	/* Known at once: the function itself says so. */
	ASSERT_EQ(coax_address_parse(&ipv6, "[::1]:5683", 0), 0);
	EXPECT_EQ(coax_request(context, &ipv6, &message, NULL, outcome_take, NULL, NULL),
		  -EAFNOSUPPORT);
	coax_context_shutdown(context);
}

TEST("what is pending at shutdown ends with -ESHUTDOWN, and nothing begins after it")
{
	struct coax_context *context = requester_start(2);
	struct outcome *outcomes[8];
	struct peer peer;

	peer_open(&peer);
	for (int i = 0; i < 8; i++) {
		outcomes[i] = outcome_new();
		ask(context, &peer.address, COAX_RESULTS_DEFAULT, outcomes[i]);
	}
	coax_context_shutdown(context);
	for (int i = 0; i < 8; i++) {
		outcome_wait(outcomes[i]);
		expect(outcomes[i], -ESHUTDOWN, false, 0);
	}
}

static struct coax_message to_host(uint8_t *buffer, size_t size, const char *host, in_port_t port)
{
	struct coax_message message = request_message(buffer, size, COAX_GET, "thing");

	if (host)
		coax_message_add_string(&message, COAX_URI_HOST, host);
	if (port)
		coax_message_add_uint(&message, COAX_URI_PORT, port);
	return message;
}

TEST("a request without remote goes where its Uri-Host says; an IP literal is not sent")
{
	struct coax_context *context = requester_start(1);
	struct outcome *outcome = outcome_new();
	struct peer peer;
	uint8_t buffer[128];
	struct coax_message message;

	peer_open(&peer);
	message = to_host(buffer, sizeof(buffer), "127.0.0.1", coax_address_port(&peer.address));
	ASSERT_EQ(coax_request(context, NULL, &message, NULL, outcome_take, outcome, NULL), 0);
	peer_take(&peer);
	EXPECT_FALSE(peer_was_sent(&peer, COAX_URI_HOST));
	EXPECT_FALSE(peer_was_sent(&peer, COAX_URI_PORT));
	peer_answer(&peer, COAX_CONTENT, NULL, 0);
	outcome_wait(outcome);
	expect(outcome, 0, true, COAX_CONTENT);
	coax_context_shutdown(context);
}

TEST("a request without remote and without a host that makes sense is refused")
{
	static const struct {
		const char *host;
		int result;
	} cases[] = {
		{NULL, -EDESTADDRREQ},	      {"[::1", -EINVAL},     {"::1::", -EINVAL},
		{"fe80::1%nothere", -EINVAL}, {"[::1]:99", -EINVAL}, {"224.0.1.187", -EINVAL},
		{"::1", -EAFNOSUPPORT},
	};
	struct coax_context *context = requester_start(1);
	uint8_t buffer[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct coax_message message = to_host(buffer, sizeof(buffer), cases[i].host, 5683);
		int result = coax_request(context, NULL, &message, NULL, outcome_take, NULL, NULL);

		if (result != cases[i].result) {
			HARNESS_SAY("%s: got %d", cases[i].host, result);
			harness_failed = 1;
		}
	}
	coax_context_shutdown(context);
}

TEST("a name is looked up, and sent as Uri-Host; addresses that no socket reaches are passed over")
{
	struct coax_context *context;
	struct outcome *outcome = outcome_new();
	struct peer peer;
	uint8_t buffer[128];
	struct coax_message message;
	struct coax_option host;

	set_hosts("::1 thing.example\n127.0.0.1 thing.example\n");
	context = requester_start(1);
	peer_open(&peer);
	message =
		to_host(buffer, sizeof(buffer), "thing.example", coax_address_port(&peer.address));
	ASSERT_EQ(coax_request(context, NULL, &message, NULL, outcome_take, outcome, NULL), 0);
	peer_take(&peer);
	ASSERT_TRUE(coax_message_find(&peer.request, COAX_URI_HOST, &host));
	EXPECT_MEMEQ(host.value, "thing.example", host.length);
	peer_answer(&peer, COAX_CONTENT, NULL, 0);
	outcome_wait(outcome);
	expect(outcome, 0, true, COAX_CONTENT);
	coax_context_shutdown(context);
}

TEST("when nothing can be sent to a name's first address, the next one is tried")
{
	struct coax_context *context;
	struct outcome *outcome = outcome_new();
	struct peer peer;
	uint8_t buffer[128];
	struct coax_message message;

	struct coax_context_stats stats;

	set_hosts("203.0.113.7 thing.example\n198.51.100.1 thing.example\n");
	if (unshare(CLONE_NEWNET))
		SKIP("needs a network namespace of its own");
	set_file("/etc/gai.conf", "precedence ::ffff:203.0.113.0/120 100\n");
	/* There is a route to the first, and nobody at its end. */
	if (system("ip link add a0 type veth peer name a1 && ip link set lo up && "
		   "ip addr add 198.51.100.1/32 dev lo && ip addr add 192.0.2.1/24 dev a0 && "
		   "echo 1 >/proc/sys/net/ipv4/neigh/a0/mcast_solicit && "
		   "echo 20 >/proc/sys/net/ipv4/neigh/a0/retrans_time_ms && "
		   "ip link set a0 up && ip link set a1 up && "
		   "ip route add 203.0.113.0/24 dev a0"))
		SKIP("needs veth");
	context = requester_start_at(4, "*:0");
	peer_open_at(&peer, "198.51.100.1");
	message =
		to_host(buffer, sizeof(buffer), "thing.example", coax_address_port(&peer.address));
	ASSERT_EQ(coax_request(context, NULL, &message, NULL, outcome_take, outcome, NULL), 0);
	peer_take(&peer);
	peer_answer(&peer, COAX_CONTENT, NULL, 0);
	outcome_wait(outcome);
	coax_context_stats_read(context, &stats);
	EXPECT_GE(stats.datagrams_out, 2U);
	expect(outcome, 0, true, COAX_CONTENT);
	coax_context_shutdown(context);
}

TEST("a name that nobody knows ends the request with -ENOENT")
{
	struct coax_context *context;
	struct outcome *outcome = outcome_new();
	uint8_t buffer[128];
	struct coax_message message = to_host(buffer, sizeof(buffer), "no.example", 0);

	set_hosts("127.0.0.1 localhost\n");
	context = requester_start(1);
	ASSERT_EQ(coax_request(context, NULL, &message, NULL, outcome_take, outcome, NULL), 0);
	outcome_wait(outcome);
	expect(outcome, -ENOENT, false, 0);
	coax_context_shutdown(context);
}

/* A name server that can be asked, and does not answer. Lookups go through `sources`. */
static int silent_name_server(const char *sources)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53)};
	int server;

	own_files();
	if (unshare(CLONE_NEWNET) || system("ip link set lo up"))
		SKIP("needs a network namespace of its own");
	set_file("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n");
	set_file("/etc/nsswitch.conf", sources);
	server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ASSERT_EQ(bind(server, (struct sockaddr *)&at, sizeof(at)), 0);
	return server;
}

static void wait_until_asked(int server)
{
	struct pollfd readable = {.fd = server, .events = POLLIN};

	ASSERT_EQ(poll(&readable, 1, 5000), 1);
}

TEST("while a name server keeps silent, requests are cancelled and others get their answers")
{
	int server = silent_name_server("hosts: dns\n");
	struct coax_context *context = requester_start(1);
	struct outcome *outcome = outcome_new(), *other = outcome_new();
	struct peer peer;
	uint8_t buffer[128];
	struct coax_message message = to_host(buffer, sizeof(buffer), "slow.example", 0);

	peer_open(&peer);
	ASSERT_EQ(coax_request(context, NULL, &message, NULL, outcome_take, outcome,
			       &outcome->request),
		  0);
	wait_until_asked(server);
	ask(context, &peer.address, COAX_RESULTS_DEFAULT, other);
	peer_take(&peer);
	peer_answer(&peer, COAX_CONTENT, NULL, 0);
	outcome_wait(other);
	expect(other, 0, true, COAX_CONTENT);
	coax_request_cancel(outcome->request);
	outcome_wait(outcome);
	expect(outcome, -ECANCELED, false, 0);
	coax_context_shutdown(context);
}

TEST("a name that hangs does not hold up other names, however often it is asked for")
{
	int server = silent_name_server("hosts: files dns\n");
	struct coax_context *context;
	struct outcome *slow[16], *outcome = outcome_new();
	struct peer peer;
	uint8_t buffer[128];
	struct coax_message message = to_host(buffer, sizeof(buffer), "slow.example", 0);

	set_file("/etc/hosts", "127.0.0.1 known.example\n");
	context = requester_start(1);
	peer_open(&peer);
	for (int i = 0; i < 16; i++) {
		slow[i] = outcome_new();
		ASSERT_EQ(coax_request(context, NULL, &message, NULL, outcome_take, slow[i], NULL),
			  0);
	}
	wait_until_asked(server);
	message =
		to_host(buffer, sizeof(buffer), "known.example", coax_address_port(&peer.address));
	ASSERT_EQ(coax_request(context, NULL, &message, NULL, outcome_take, outcome, NULL), 0);
	peer_take(&peer);
	peer_answer(&peer, COAX_CONTENT, NULL, 0);
	outcome_wait(outcome);
	expect(outcome, 0, true, COAX_CONTENT);
	coax_context_shutdown(context);
	for (int i = 0; i < 16; i++) {
		outcome_wait(slow[i]);
		expect(slow[i], -ESHUTDOWN, false, 0);
	}
}

static void take_found(void *arg, int result, const struct coax_found *found)
{
	struct outcome *outcome = arg;

	atomic_fetch_add(&outcome->calls, 1);
	outcome->result = result;
	outcome->length = found->count;
	EXPECT_EQ(result != 0, found->error != NULL);
	if (found->count) {
		EXPECT_STREQ(found->transport, "udp");
		memcpy(outcome->payload, found->remotes, sizeof(found->remotes[0]));
	}
	sem_post(&outcome->told);
}

TEST("lookups are limited to 64, and all end at shutdown")
{
	int server = silent_name_server("hosts: dns\n");
	struct coax_context *context = requester_start(1);
	struct outcome *outcomes[64];
	uint8_t buffer[128];
	struct coax_message message = to_host(buffer, sizeof(buffer), "slow.example", 0);

	for (int i = 0; i < 64; i++) {
		outcomes[i] = outcome_new();
		if (i % 2)
			ASSERT_EQ(coax_request(context, NULL, &message, NULL, outcome_take,
					       outcomes[i], NULL),
				  0);
		else
			ASSERT_EQ(coax_find_remote(context, "coap://slow.example/", take_found,
						   outcomes[i], NULL),
				  0);
	}
	EXPECT_EQ(coax_find_remote(context, "coap://slow.example/", take_found, NULL, NULL),
		  -ENOBUFS);
	EXPECT_EQ(coax_request(context, NULL, &message, NULL, outcome_take, NULL, NULL), -ENOBUFS);
	wait_until_asked(server);
	coax_context_shutdown(context);
	for (int i = 0; i < 64; i++) {
		outcome_wait(outcomes[i]);
		EXPECT_EQ(outcomes[i]->result, -ESHUTDOWN);
		free(outcomes[i]);
	}
}

static struct outcome *find(struct coax_context *context, const char *uri)
{
	struct outcome *outcome = outcome_new();
	const char *error = NULL;

	ASSERT_EQ(coax_find_remote(context, uri, take_found, outcome, &error), 0);
	outcome_wait(outcome);
	return outcome;
}

TEST("a URI's remote is found, with scope and port, or it is said what is missing")
{
	struct coax_context *context = requester_start(1);
	struct outcome *outcome = find(context, "coap://127.0.0.1:61616/x");
	const char *error = NULL;
	char text[COAX_ADDRESS_TEXT_MAX];

	EXPECT_EQ(outcome->result, 0);
	EXPECT_EQ(outcome->length, 1U);
	EXPECT_STREQ(coax_address_format((union coax_address *)outcome->payload, text),
		     "127.0.0.1:61616");
	free(outcome);
	/* This Context has sockets for IPv4 only. */
	outcome = find(context, "coap://[::1]/x");
	EXPECT_EQ(outcome->result, -EAFNOSUPPORT);
	free(outcome);
	EXPECT_EQ(coax_find_remote(context, "coaps://127.0.0.1/", take_found, NULL, &error),
		  -EPROTONOSUPPORT);
	EXPECT_TRUE(error && strstr(error, "\"coaps\""));
	EXPECT_EQ(coax_find_remote(context, "coap+tcp://127.0.0.1/", take_found, NULL, &error),
		  -EPROTONOSUPPORT);
	EXPECT_TRUE(error && strstr(error, "\"coap+tcp\""));
	EXPECT_EQ(coax_find_remote(context, "coap://127.0.0.1/#x", take_found, NULL, &error),
		  -EINVAL);
	EXPECT_TRUE(error && *error);
	EXPECT_EQ(
		coax_find_remote(context, "coap://[fe80::1%25nothere]/", take_found, NULL, &error),
		-EINVAL);
	EXPECT_TRUE(error && *error);
	coax_context_shutdown(context);
}

TEST_MAIN()
