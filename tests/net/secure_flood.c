// SPDX-License-Identifier: BSD-2-Clause
// timeout: 90
/*
 * A hundred secure sessions with a Context go on while ClientHellos from forged sources pour in,
 * with the kernel half before it and without.
 */
#include "../harness.h"
#include "../hellos.h"
#include "../keeper.h"

#define SESSIONS 100
#define SECONDS	 2
/* A machine that is busy with other things sends less. */
#define FLOOD_MIN 5000

static struct {
	struct coax_context *context;
	struct coax_site *site;
} server;

static void get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_message_set_payload(coax_responder_response(responder), "data", 4);
	coax_respond(responder, COAX_CONTENT);
}

static struct coax_credentials *credentials(void)
{
	static const char text[] =
		"{\":it\": {\"dtls\": {\"psk\": {\"ascii\": \"sixteen bytes ok\"}, "
		"\"client-identity\": {\"ascii\": \"device\"}}}}";
	char error[COAX_CREDENTIALS_ERROR_MAX];
	struct coax_credentials *credentials;

	ASSERT_EQ(coax_credentials_parse(&credentials, text, strlen(text), "test.json", error), 0);
	return credentials;
}

static void begin(bool with_kernel)
{
	const struct coax_resource_options resource = {.path = "/data", .get = get};
	const char *interface = LAB_SERVER;
	struct coax_context_options options = {
		.workers = 1,
		.logger = keeper_logger,
		.accel = {.interfaces = &interface, .interface_count = with_kernel},
	};

	lab_begin();
	/* What is answered to the forged sources leaves. */
	lab_run("ip route add 198.18.0.0/15 via " LAB_CLIENT_IPV4);
	ASSERT_EQ(coax_site_create(&server.site), 0);
	ASSERT_EQ(coax_site_add(server.site, &resource, NULL), 0);
	options.site = server.site;
	options.server_credentials = credentials();
	ASSERT_EQ(coax_context_create(&server.context, &options), 0);
	coax_credentials_release(options.server_credentials);
}

static void end(void)
{
	coax_context_shutdown(server.context);
	coax_site_destroy(server.site);
}

static struct coax_context_stats stats(void)
{
	struct coax_context_stats stats;

	coax_context_stats_read(server.context, &stats);
	return stats;
}

/* Returns what the client side of the sessions printed. */
static const char *ask_beside(struct hellos_flood *flood)
{
	static struct hellos_client client;
	static char command[512];
	const char *build = getenv("COAX_BUILD");
	pthread_t asking, pouring;

	snprintf(command, sizeof(command),
		 "%s/coax-bench dtls --requests --destination " LAB_SERVER_IPV4
		 " --identity device --key 'sixteen bytes ok' --path /data --sessions %d "
		 "--seconds %d 2>&1",
		 build ? build : "build", SESSIONS, SECONDS);
	client.command = command;
	ASSERT_EQ(pthread_create(&asking, NULL, hellos_run_client, &client), 0);
	WAIT_UNTIL(stats().sessions == (uint64_t)SESSIONS);
	ASSERT_EQ(pthread_create(&pouring, NULL, hellos_pour, flood), 0);
	pthread_join(asking, NULL);
	flood->stop = true;
	pthread_join(pouring, NULL);
	printf("# %s# %.0f ClientHellos a second\n", client.said,
	       (double)flood->sent / flood->seconds);
	return client.said;
}

static uint64_t field(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	ASSERT_TRUE(at);
	return strtoull(at + strlen(name), NULL, 10);
}

static void expect_unharmed(const char *line)
{
	EXPECT_GT(field(line, " replies="), (uint64_t)SESSIONS);
	EXPECT_EQ(field(line, " errors="), 0ULL);
	EXPECT_EQ(field(line, " ended="), 0ULL);
	EXPECT_EQ(field(line, " failed="), 0ULL);
	/* Of those that the wire had no room for. */
	EXPECT_LE(field(line, " lost="), field(line, " sent=") / 50);
}

TEST_TIMEOUT("a hundred sessions go on behind the kernel half while ClientHellos are poured in", 40)
{
	struct hellos_flood flood = {.pause = 100};

	begin(true);
	expect_unharmed(ask_beside(&flood));
	EXPECT_GT(flood.sent, (uint64_t)FLOOD_MIN);
	EXPECT_GT(keeper_counters().hello, (uint64_t)FLOOD_MIN);
	EXPECT_EQ(stats().hellos_verified, 0ULL);
	end();
}

TEST_TIMEOUT("so they do when userspace alone answers the ClientHellos", 40)
{
	struct hellos_flood flood = {.pause = 2000};

	begin(false);
	expect_unharmed(ask_beside(&flood));
	EXPECT_GT(flood.sent, (uint64_t)FLOOD_MIN);
	EXPECT_GT(stats().hellos_verified, flood.sent / 2);
	EXPECT_EQ(stats().handshakes, (uint64_t)SESSIONS);
	end();
}

TEST_MAIN()
