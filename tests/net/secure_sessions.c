// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sessions between two Contexts over loopback: observations in them, how they begin and end,
 * credentials that change.
 */
#define HARNESS_TIMEOUT 60

#include "../secure.h"

TEST("an observation gets notifications in its session")
{
	struct coax_observation *observation;
	struct coax_context *context;

	serve();
	context = client();
	observation = observe(context);
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(next(observation, 5000), i);
		atomic_store(&server.value, i + 1);
		coax_resource_changed(server.observed);
	}
	EXPECT_EQ(SERVER_COUNT(observers), 1U);
	coax_observation_free(observation);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(observers) == 0));
	coax_context_shutdown(context);
	stop_serving();
}

TEST("when the client closes the session, its observer is gone")
{
	struct coax_observation *observation;
	struct coax_context *context;
	struct coax_credentials *none;

	serve();
	context = client();
	observation = observe(context);
	EXPECT_EQ(next(observation, 5000), 0);
	EXPECT_EQ(SERVER_COUNT(observers), 1U);
	/* Without its credentials a session ends. */
	none = client_credentials("somebody", OTHER);
	ASSERT_EQ(coax_context_set_client_credentials(context, none), 0);
	coax_credentials_release(none);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(observers) == 0));
	EXPECT_EQ(SERVER_COUNT(observers_lost), 1U);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
	EXPECT_LT(next(observation, 5000), 0);
	coax_observation_free(observation);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("when the server closes the session, the observation ends, and another one can begin")
{
	struct coax_observation *observation;
	struct coax_context *context;
	struct coax_credentials *others;

	serve();
	context = client();
	observation = observe(context);
	EXPECT_EQ(next(observation, 5000), 0);
	others = server_credentials("you", OTHER);
	ASSERT_EQ(coax_context_set_server_credentials(server.context, others), 0);
	coax_credentials_release(others);
	EXPECT_EQ(next(observation, 5000), -ECONNRESET);
	coax_observation_free(observation);
	others = server_credentials("me", KEY);
	ASSERT_EQ(coax_context_set_server_credentials(server.context, others), 0);
	coax_credentials_release(others);
	observation = observe(context);
	EXPECT_EQ(next(observation, 5000), 0);
	coax_observation_free(observation);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("credentials that are loaded anew and hold the same keys disturb no session")
{
	struct coax_observation *observation;
	struct coax_credentials *same;
	struct coax_context *context;

	serve();
	context = client();
	observation = observe(context);
	EXPECT_EQ(next(observation, 5000), 0);
	same = server_credentials("me", KEY);
	ASSERT_EQ(coax_context_set_server_credentials(server.context, same), 0);
	coax_credentials_release(same);
	same = client_credentials("me", KEY);
	ASSERT_EQ(coax_context_set_client_credentials(context, same), 0);
	coax_credentials_release(same);
	EXPECT_ANSWER(context, "hello", "hello");
	atomic_store(&server.value, 1);
	coax_resource_changed(server.observed);
	EXPECT_EQ(next(observation, 5000), 1);
	EXPECT_EQ(SERVER_COUNT(handshakes), 1U);
	coax_observation_free(observation);
	coax_context_shutdown(context);
	stop_serving();
}

TEST("two clients have a session each, and each its own observation")
{
	struct coax_observation *first_observation, *second_observation;
	struct coax_context *first, *second;

	serve();
	first = client();
	second = client();
	first_observation = observe(first);
	second_observation = observe(second);
	EXPECT_EQ(next(first_observation, 5000), 0);
	EXPECT_EQ(next(second_observation, 5000), 0);
	EXPECT_EQ(SERVER_COUNT(sessions), 2U);
	EXPECT_EQ(SERVER_COUNT(observers), 2U);
	coax_context_shutdown(first);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 1));
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(observers) == 1));
	atomic_store(&server.value, 7);
	coax_resource_changed(server.observed);
	EXPECT_EQ(next(second_observation, 5000), 7);
	coax_observation_free(first_observation);
	coax_observation_free(second_observation);
	coax_context_shutdown(second);
	stop_serving();
}

TEST("who shuts down closes its sessions on the wire, and the next request begins a new one")
{
	struct coax_context *context;
	in_port_t port;

	serve();
	context = client();
	EXPECT_ANSWER(context, "hello", "hello");
	coax_context_shutdown(context);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
	context = client();
	EXPECT_ANSWER(context, "hello", "hello");
	port = coax_address_port(&server.remote);
	stop_serving();
	EXPECT_NE(port, 0);
	memset(&server, 0, sizeof(server));
	serve();
	EXPECT_ANSWER(context, "hello", "hello");
	coax_context_shutdown(context);
	stop_serving();
}

TEST("a server that shuts down tells those who observe before it closes their sessions")
{
	struct coax_observation *observation;
	struct coax_context *context;

	serve();
	context = client();
	observation = observe(context);
	EXPECT_EQ(next(observation, 5000), 0);
	stop_serving();
	EXPECT_EQ(next(observation, 5000), -EREMOTEIO);
	coax_observation_free(observation);
	coax_context_shutdown(context);
}

TEST("there are no more sessions than may be: the one idle longest makes room, observers and all")
{
	const struct coax_tuning tuning = {.sessions_max = 2};
	struct coax_observation *observation;
	struct coax_context *clients[3];

	serve_with(1, server_credentials("me", KEY), &tuning);
	for (int i = 0; i < 3; i++)
		clients[i] = client();
	observation = observe(clients[0]);
	EXPECT_EQ(next(observation, 5000), 0);
	EXPECT_ANSWER(clients[1], "hello", "hello");
	EXPECT_ANSWER(clients[2], "hello", "hello");
	EXPECT_EQ(SERVER_COUNT(sessions), 2U);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(observers) == 0));
	EXPECT_EQ(next(observation, 5000), -ECONNRESET);
	EXPECT_ANSWER(clients[0], "hello", "hello");
	coax_observation_free(observation);
	for (int i = 0; i < 3; i++)
		coax_context_shutdown(clients[i]);
	stop_serving();
}

TEST("a session that is not used ends, by the server's clock, and the next request begins another")
{
	const struct coax_tuning tuning = {.session_idle_ms = 300};
	struct coax_context *context;
	struct coax_context_stats stats;

	serve_with(1, server_credentials("me", KEY), &tuning);
	context = client();
	for (int i = 1; i < 3; i++) {
		EXPECT_ANSWER(context, "hello", "hello");
		EXPECT_EQ(SERVER_COUNT(handshakes), (uint64_t)i);
		EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
		EXPECT_TRUE(EVENTUALLY(
			(coax_context_stats_read(context, &stats), stats.sessions == 0)));
	}
	coax_context_shutdown(context);
	stop_serving();
}

/* A server that is there no more says nothing, and another one in its place knows no session. */
TEST("when a session is lost at the other end, a request in it times out, and the next is answered")
{
	struct coax_credentials *credentials = server_credentials("me", KEY);
	const char *plain = "127.0.0.1:0";
	struct coax_context *context, *second;
	struct coax_context_options options = {.server = true,
					       .bind = &plain,
					       .bind_count = 1,
					       .workers = 1,
					       .server_credentials = credentials,
					       .logger = logger};
	struct coax_context_stats stats;
	struct answer answer;
	char secure[32];
	pid_t pid;
	int ready[2];
	in_port_t port;

	ASSERT_EQ(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct coax_context *first;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ASSERT_EQ(coax_context_create(&first, &options), 0);
		port = coax_context_secure_port(first);
		ASSERT_EQ(write(ready[1], &port, sizeof(port)), (ssize_t)sizeof(port));
		for (;;)
			pause();
	}
	ASSERT_EQ(read(ready[0], &port, sizeof(port)), (ssize_t)sizeof(port));
	ASSERT_EQ(coax_address_parse(&server.remote, "127.0.0.1", port), 0);
	context = client_with(1, client_credentials("me", KEY));
	EXPECT_EQ((int)ask(context, COAX_GET, "hello").code, COAX_NOT_FOUND);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	snprintf(secure, sizeof(secure), "127.0.0.1:%u", port);
	options.bind_secure = &(const char *){secure};
	options.bind_secure_count = 1;
	ASSERT_EQ(coax_context_create(&second, &options), 0);
	/* One that has little patience does not decide it alone. */
	for (int i = 0; i < 2; i++) {
		coax_context_stats_read(context, &stats);
		EXPECT_EQ(stats.sessions, 1U);
		answer = ask_with(context, COAX_GET, "hello",
				  (struct coax_request_options){.timeout_ms = 1600});
		EXPECT_EQ(answer.result, -ETIMEDOUT);
	}
	EXPECT_EQ((int)ask(context, COAX_GET, "hello").code, COAX_NOT_FOUND);
	coax_context_shutdown(context);
	coax_context_shutdown(second);
	coax_credentials_release(credentials);
}

static int take_place(void *arg)
{
	return coax_context_pause(arg, 5000);
}

TEST("who takes a Context's place gets its secure sockets too, and clients begin new sessions there")
{
	int sockets[16];
	char plain[32];
	const char *bind = plain;
	struct coax_succession succession = {.sockets = sockets, .ready = take_place};
	struct coax_context_options options = {.server = true,
					       .bind = &bind,
					       .bind_count = 1,
					       .workers = 2,
					       .logger = logger,
					       .succession = &succession};
	struct coax_context *context, *former, *successor;
	struct coax_context_stats stats;
	char secure[32];

	serve_with(2, server_credentials("me", KEY), NULL);
	former = server.context;
	context = client();
	EXPECT_ANSWER(context, "hello", "hello");
	succession.arg = former;
	succession.socket_count = coax_context_sockets(former, sockets, 16);
	EXPECT_EQ(succession.socket_count, 4U);
	snprintf(plain, sizeof(plain), "127.0.0.1:%u", coax_context_port(former));
	snprintf(secure, sizeof(secure), "127.0.0.1:%u", coax_context_secure_port(former));
	options.bind_secure = &(const char *){secure};
	options.bind_secure_count = 1;
	options.server_credentials = server_credentials("me", KEY);
	ASSERT_EQ(coax_context_create(&successor, &options), 0);
	coax_credentials_release(options.server_credentials);
	coax_context_hand_over(former);
	coax_context_shutdown(former);
	EXPECT_TRUE(EVENTUALLY((coax_context_stats_read(context, &stats), stats.sessions == 0)));
	EXPECT_EQ((int)ask(context, COAX_GET, "hello").code, COAX_NOT_FOUND);
	coax_context_shutdown(context);
	coax_context_shutdown(successor);
	coax_site_destroy(server.site);
}

static struct coax_credentials *both_identities(void)
{
	static const char text[] =
		"{\":one\": {\"dtls\": {\"psk\": {\"ascii\": \"" KEY "\"}, \"client-identity\": "
		"{\"ascii\": \"one\"}}}, \":two\": {\"dtls\": {\"psk\": {\"ascii\": \"" OTHER
		"\"}, \"client-identity\": {\"ascii\": \"two\"}}}}";

	return parsed(text);
}

/* Who it is changes with each session, and so the one before it ends: mostly by the client's
 * close_notify. */
TEST_TIMEOUT("sessions come and go by the thousand, and leave nothing", 300)
{
	const char *chosen = getenv("COAX_CONTEXT_SESSIONS");
	uint64_t count = chosen ? strtoull(chosen, NULL, 10) : 1000;
	struct coax_credentials *one = client_credentials("one", KEY);
	struct coax_credentials *two = client_credentials("two", OTHER), *servers;
	struct coax_context *context;

	serve_with(1, both_identities(), NULL);
	context = client_with(1, coax_credentials_hold(one));
	for (uint64_t i = 0; i < count; i++) {
		ASSERT_EQ(coax_context_set_client_credentials(context, i % 2 ? one : two), 0);
		EXPECT_ANSWER(context, "who", i % 2 ? "one" : "two");
		if (i % 50)
			continue;
		/* The server has this key no more, and then again. */
		servers = i % 2 ? server_credentials("two", OTHER) : server_credentials("one", KEY);
		ASSERT_EQ(coax_context_set_server_credentials(server.context, servers), 0);
		coax_credentials_release(servers);
		ASSERT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
		servers = both_identities();
		ASSERT_EQ(coax_context_set_server_credentials(server.context, servers), 0);
		coax_credentials_release(servers);
	}
	EXPECT_EQ(SERVER_COUNT(handshakes), count);
	EXPECT_LE(SERVER_COUNT(sessions), 1U);
	coax_context_shutdown(context);
	EXPECT_TRUE(EVENTUALLY(SERVER_COUNT(sessions) == 0));
	stop_serving();
	coax_credentials_release(one);
	coax_credentials_release(two);
}

TEST_MAIN()
