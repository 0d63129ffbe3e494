// SPDX-License-Identifier: BSD-2-Clause
/*
 * coaps where the kernel half answers coap: it is told who has a session, and of what is said in
 * one, nothing.
 */
#define HARNESS_TIMEOUT 60

#include <pthread.h>
#include <coax/coax.h>
#include "../harness.h"
#include "../keeper.h"

#define SECRET "nobody else is to read this"
#define KEY    "a key of 16 byte"

static struct {
	struct coax_context *context;
	struct coax_site *site;
	struct coax_context *client;
} world;

static void get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_message_set_payload(coax_responder_response(responder), SECRET, strlen(SECRET));
	coax_respond(responder, COAX_CONTENT);
}

static void post(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_message_set_payload(coax_responder_response(responder), SECRET, strlen(SECRET));
	coax_respond(responder, COAX_CHANGED);
}

static struct coax_credentials *credentials(void)
{
	static const char text[] = "{\":it\": {\"dtls\": {\"psk\": {\"ascii\": \"" KEY
				   "\"}, \"client-identity\": {\"ascii\": \"me\"}}}}";
	char error[COAX_CREDENTIALS_ERROR_MAX];
	struct coax_credentials *parsed;

	ASSERT_EQ(coax_credentials_parse(&parsed, text, strlen(text), "test.json", error), 0);
	return parsed;
}

static void *open_client(void *arg)
{
	struct coax_context_options options = {.logger = keeper_logger};

	(void)arg;
	lab_enter_client();
	ASSERT_EQ(coax_credentials_for_psk(&options.client_credentials, "me", 2, KEY, strlen(KEY)),
		  0);
	ASSERT_EQ(coax_context_create(&world.client, &options), 0);
	coax_credentials_release(options.client_credentials);
	return NULL;
}

static void begin(void)
{
	const struct coax_resource_options resource = {
		.path = "/r", .get = get, .post = post, .cacheable = true};
	const char *interface = LAB_SERVER;
	struct coax_context_options options = {
		.workers = 1,
		.logger = keeper_logger,
		.accel = {.interfaces = &interface, .interface_count = 1},
	};
	pthread_t thread;

	lab_begin();
	ASSERT_EQ(coax_site_create(&world.site), 0);
	ASSERT_EQ(coax_site_add(world.site, &resource, NULL), 0);
	options.site = world.site;
	options.server_credentials = credentials();
	ASSERT_EQ(coax_context_create(&world.context, &options), 0);
	coax_credentials_release(options.server_credentials);
	ASSERT_EQ(pthread_create(&thread, NULL, open_client, NULL), 0);
	pthread_join(thread, NULL);
}

static void end(void)
{
	coax_context_shutdown(world.client);
	coax_context_shutdown(world.context);
	coax_site_destroy(world.site);
}

static uint8_t ask(uint8_t code, bool secure)
{
	const struct coax_request_options options = {.secure = secure, .timeout_ms = 10000};
	union coax_address remote;
	uint8_t buffer[64], reply[256];
	struct coax_message m, response;

	ASSERT_EQ(coax_address_parse(&remote, LAB_SERVER_IPV4, secure ? 5684 : 5683), 0);
	ASSERT_EQ(coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, code, 0, NULL, 0),
		  0);
	coax_message_add_string(&m, COAX_URI_PATH, "r");
	if (coax_request_wait(world.client, &remote, &m, &options, reply, sizeof(reply), &response))
		return 0;
	return coax_message_code(&response);
}

static struct coax_context_stats stats(void)
{
	struct coax_context_stats stats;

	coax_context_stats_read(world.context, &stats);
	return stats;
}

/* Whether the words lie in an array of the kernel half's. */
static bool array_holds(const char *map, const char *words)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);
	int fd = keeper_map(map);
	bool found = false;
	uint8_t *value;

	ASSERT_EQ(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	value = malloc(info.value_size);
	for (uint32_t i = 0; i < info.max_entries && !found; i++)
		found = bpf_map_lookup_elem(fd, &i, value) == 0 &&
			memmem(value, info.value_size, words, strlen(words));
	free(value);
	close(fd);
	return found;
}

TEST("what is answered in a session is neither published nor kept for duplicates in the kernel")
{
	begin();
	EXPECT_EQ((int)ask(COAX_GET, true), COAX_CONTENT);
	EXPECT_EQ((int)ask(COAX_GET, true), COAX_CONTENT);
	EXPECT_EQ((int)ask(COAX_POST, true), COAX_CHANGED);
	EXPECT_EQ(stats().published, 0U);
	EXPECT_EQ(keeper_entries("index"), 0U);
	EXPECT_FALSE(array_holds("slots", SECRET));
	EXPECT_FALSE(array_holds("exchanges", SECRET));
	/* The same without a session, so that it is known that this could be seen. */
	EXPECT_EQ((int)ask(COAX_GET, false), COAX_CONTENT);
	EXPECT_EQ((int)ask(COAX_POST, false), COAX_CHANGED);
	EXPECT_NE(stats().published, 0U);
	EXPECT_NE(keeper_entries("index"), 0U);
	EXPECT_TRUE(array_holds("slots", SECRET));
	EXPECT_TRUE(array_holds("exchanges", SECRET));
	end();
}

TEST("the kernel asks for the cookie, and knows the session while it lasts")
{
	struct coax_stats seen;

	begin();
	EXPECT_EQ(keeper_entries("sessions"), 0U);
	EXPECT_EQ((int)ask(COAX_GET, true), COAX_CONTENT);
	seen = keeper_counters();
	EXPECT_EQ(seen.hello, 1U);
	EXPECT_EQ(seen.pass_cookie, 1U);
	EXPECT_NE(seen.pass_session, 0U);
	EXPECT_EQ(seen.drop_record, 0U);
	EXPECT_EQ(keeper_entries("sessions"), 1U);
	EXPECT_EQ(stats().hellos_verified, 0U);
	EXPECT_EQ(stats().sessions, 1U);
	coax_context_shutdown(world.client);
	world.client = NULL;
	for (int i = 0; i < 500 && stats().sessions; i++)
		usleep(10000);
	EXPECT_EQ(stats().sessions, 0U);
	EXPECT_EQ(keeper_entries("sessions"), 0U);
	end();
}

TEST_MAIN()
