// SPDX-License-Identifier: BSD-2-Clause
// timeout: 180
/*
 * What a proxy has fetched, answered by the kernel: for as long as it is fresh and no longer, and
 * never after a change.
 */
#include <time.h>
#include "../proxy.h"
#include "../keeper.h"
#include "../client.h"

static struct origin origin;
static int program;

static void begin(void)
{
	static const char *const interfaces[] = {LAB_SERVER};

	lab_begin();
	origin_start(&origin);
	between_accel = (struct coax_accel_options){.interfaces = interfaces, .interface_count = 1};
	between_start_plainly(&origin, NULL);
	program = lab_program();
}

static void end(void)
{
	close(program);
	between_end();
	origin_end(&origin);
}

/* What the kernel says; false: nothing. */
static bool ask_kernel_for(const struct coax_message *m, struct said *said)
{
	uint8_t reply[1500];
	ssize_t length = lab_ask(program, m->data, m->length, reply, sizeof(reply));

	if (length <= 0)
		return false;
	ASSERT_EQ(coax_message_parse(&said->m, reply, (size_t)length), 0);
	say(said, &said->m);
	return true;
}

/* The same for a GET for "p/PATH". */
static bool ask_kernel(const char *path, struct said *said)
{
	uint8_t buffer[128];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, path);

	return ask_kernel_for(&m, said);
}

/* The same bytes to userspace, by loopback, so that the kernel gets to know the answer. */
static void ask_userspace(const char *path)
{
	uint8_t buffer[128], reply[1500];
	struct coax_message m = asking(buffer, sizeof(buffer), COAX_GET, path);
	int fd = client_open("127.0.0.1", between.port);
	static uint16_t id;

	coax_message_set_id(&m, ++id);
	ASSERT_EQ(send(fd, m.data, m.length, 0), (ssize_t)m.length);
	while (client_receive(fd, reply, sizeof(reply)) == 4)
		;
	close(fd);
}

TEST("what was fetched is answered by the kernel, with what is left of its Max-Age, to the end of it")
{
	static struct said said;

	begin();
	atomic_store(&origin.max_age, 3);
	EXPECT_FALSE(ask_kernel("p/a", &said));
	ask_userspace("p/a");
	ASSERT_TRUE(ask_kernel("p/a", &said));
	EXPECT_EQ(said.code, COAX_CONTENT);
	EXPECT_STREQ(said.text, "v1");
	EXPECT_LE(said.max_age, 3U);
	EXPECT_FALSE(ask_kernel("p/b", &said));
	usleep(1100000);
	ASSERT_TRUE(ask_kernel("p/a", &said));
	EXPECT_LE(said.max_age, 1U);
	end();
}

TEST("queries, negative answers and validations are the kernel's, too; what is Max-Age 0 is not")
{
	static struct said said;

	begin();
	origin.etag = "e1";
	ask_userspace("p/a?b=c");
	ASSERT_TRUE(ask_kernel("p/a?b=c", &said));
	EXPECT_STREQ(said.text, "v1");
	EXPECT_FALSE(ask_kernel("p/a?b=d", &said));
	atomic_store(&origin.code, COAX_NOT_FOUND);
	ask_userspace("p/nowhere");
	ASSERT_TRUE(ask_kernel("p/nowhere", &said));
	EXPECT_EQ(said.code, COAX_NOT_FOUND);
	atomic_store(&origin.code, COAX_CONTENT);
	atomic_store(&origin.max_age, 0);
	ask_userspace("p/never");
	EXPECT_FALSE(ask_kernel("p/never", &said));
	end();
}

TEST("a change through the proxy takes it from the kernel before it is acknowledged")
{
	static struct said said;

	begin();
	for (int version = 2; version < 20; version++) {
		ask_userspace("p/a");
		ask_userspace("p/a?q");
		ASSERT_TRUE(ask_kernel("p/a", &said));
		ASSERT_TRUE(ask_kernel("p/a?q", &said));
		atomic_store(&origin.version, version);
		atomic_store(&origin.code, COAX_CHANGED);
		EXPECT_EQ(ask(COAX_PUT, "p/a")->code, COAX_CHANGED);
		EXPECT_FALSE(ask_kernel("p/a", &said));
		EXPECT_FALSE(ask_kernel("p/a?q", &said));
		atomic_store(&origin.code, COAX_CONTENT);
	}
	end();
}

TEST("a notification from the origin takes the former representation from the kernel")
{
	uint8_t buffer[128];
	struct coax_message m;
	struct coax_observation *observation;
	static struct said said;

	begin();
	m = asking(buffer, sizeof(buffer), COAX_GET, "p/a");
	ASSERT_EQ(coax_observe(between.client, &between.address, &m, NULL, &observation), 0);
	WAIT_FOR(between_stats().notified == 1);
	ask_userspace("p/a");
	ASSERT_TRUE(ask_kernel("p/a", &said));
	EXPECT_STREQ(said.text, "v1");
	atomic_store(&origin.version, 2);
	coax_resource_changed(origin.resource);
	WAIT_FOR(between_stats().notified == 2);
	/* Counted before it is taken in. */
	WAIT_FOR(!ask_kernel("p/a", &said) || strcmp(said.text, "v2") == 0);
	ask_userspace("p/a");
	ASSERT_TRUE(ask_kernel("p/a", &said));
	EXPECT_STREQ(said.text, "v2");
	EXPECT_EQ(between_stats().forwarded, 1ULL);
	coax_observation_free(observation);
	end();
}

TEST("when the proxy is told to do something else, the kernel keeps what stays the same, and no more")
{
	const char *uri = origin.uri, *other = "coap://127.0.0.1:1";
	struct coax_proxy_mapping mappings[] = {
		{.prefix = "p/q", .origins = &uri, .origin_count = 1},
		{.prefix = "p", .origins = &uri, .origin_count = 1},
	};
	const struct coax_proxy_options options = {.mappings = mappings, .mapping_count = 2};
	static struct said said;

	begin();
	ask_userspace("p/a");
	ask_userspace("p/q/a");
	ASSERT_TRUE(ask_kernel("p/a", &said));
	ASSERT_TRUE(ask_kernel("p/q/a", &said));
	ASSERT_EQ(coax_proxy_set(between.proxy, &options), 0);
	EXPECT_TRUE(ask_kernel("p/a", &said));
	EXPECT_FALSE(ask_kernel("p/q/a", &said));
	ask_userspace("p/q/a");
	ASSERT_TRUE(ask_kernel("p/q/a", &said));
	mappings[0].origins = &other;
	ASSERT_EQ(coax_proxy_set(between.proxy, &options), 0);
	EXPECT_TRUE(ask_kernel("p/a", &said));
	EXPECT_FALSE(ask_kernel("p/q/a", &said));
	end();
}

static struct coax_responder *held;
static atomic_bool is_held;

static void hold(struct coax_responder *responder, void *arg)
{
	(void)arg;
	held = coax_responder_defer(responder);
	atomic_store(&is_held, true);
}

/* Sent to userspace and held at the origin, until `meanwhile` has been done. */
static void ask_slowly(struct coax_message *m, void (*meanwhile)(void))
{
	int fd = client_open("127.0.0.1", between.port);
	uint8_t reply[1500];

	atomic_store(&is_held, false);
	coax_message_set_id(m, (uint16_t)(coax_message_id(m) + 1));
	ASSERT_EQ(send(fd, m->data, m->length, 0), (ssize_t)m->length);
	WAIT_FOR(atomic_load(&is_held));
	meanwhile();
	coax_respond(held, COAX_CONTENT);
	while (client_receive(fd, reply, sizeof(reply)) == 4)
		;
	close(fd);
}

static void do_nothing(void)
{
}

static void add_host(void)
{
	const char *uri = origin.uri;
	const struct coax_proxy_mapping mappings[] = {
		{.prefix = "p", .origins = &uri, .origin_count = 1},
		{.host = "h.example", .origins = &uri, .origin_count = 1},
	};
	const struct coax_proxy_options options = {.mappings = mappings, .mapping_count = 2};

	ASSERT_EQ(coax_proxy_set(between.proxy, &options), 0);
}

static void own(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_respond(responder, COAX_CONTENT);
}

/* The same bytes to userspace, and whether the kernel has the answer then. */
static bool gets_known(struct coax_message *m, struct said *said)
{
	int fd = client_open("127.0.0.1", between.port);
	uint8_t reply[1500];

	coax_message_set_id(m, (uint16_t)(coax_message_id(m) + 1));
	ASSERT_EQ(send(fd, m->data, m->length, 0), (ssize_t)m->length);
	client_receive(fd, reply, sizeof(reply));
	close(fd);
	return ask_kernel_for(m, said);
}

TEST("what the kernel has that was asked of a host here goes when the host is another's")
{
	const struct coax_resource_options resource = {
		.path = "own", .get = own, .cacheable = true};
	uint8_t buffer[128];
	struct coax_message m;
	static struct said said;

	begin();
	ASSERT_EQ(coax_site_add(between.site, &resource, NULL), 0);
	m = asking(buffer, sizeof(buffer), COAX_GET, "own");
	ASSERT_EQ(coax_message_add(&m, COAX_URI_HOST, "h.example", 9), 0);
	ASSERT_TRUE(gets_known(&m, &said));
	add_host();
	EXPECT_FALSE(ask_kernel_for(&m, &said));
	end();
}

TEST("what was asked of a host before it was another's is not given to the kernel afterwards")
{
	static const char *const interfaces[] = {LAB_SERVER};
	uint8_t buffer[128];
	struct coax_message m;
	static struct said said;

	lab_begin();
	origin_start_with(&origin, hold);
	between_accel = (struct coax_accel_options){.interfaces = interfaces, .interface_count = 1};
	between_start_plainly(&origin, NULL);
	program = lab_program();
	ASSERT_EQ(
		coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_CON, COAX_GET, 0, NULL, 0),
		0);
	ASSERT_EQ(coax_message_add(&m, COAX_URI_HOST, "h.example", 9), 0);
	ASSERT_EQ(coax_uri_path_add_options("p/a", &m), 0);
	ask_slowly(&m, do_nothing);
	ASSERT_TRUE(ask_kernel_for(&m, &said));
	coax_message_remove(&m, COAX_URI_PATH);
	ASSERT_EQ(coax_uri_path_add_options("p/b", &m), 0);
	ask_slowly(&m, add_host);
	EXPECT_FALSE(ask_kernel_for(&m, &said));
	end();
}

TEST_TIMEOUT("while clients use it, the origin is asked once an expiry, and there is no gap", 60)
{
	static struct said said;
	uint64_t until;
	int gaps = 0, asked = 0;

	begin();
	origin.etag = "e1";
	atomic_store(&origin.max_age, 3);
	ask_userspace("p/a");
	for (until = coax_now() + 9 * NS_PER_SEC; coax_now() < until; asked++) {
		gaps += !ask_kernel("p/a", &said);
		usleep(1000);
	}
	EXPECT_EQ(gaps, 0);
	EXPECT_GT(asked, 1000);
	EXPECT_GE(origin.requests, 4);
	EXPECT_LE(origin.requests, 6);
	/* And each time it is only asked whether it is still so. */
	EXPECT_EQ(between_stats().validated, (unsigned)origin.requests - 1ULL);
	end();
}

TEST("a client's identity in the kernel's answers is nobody's: other options go to userspace")
{
	uint8_t buffer[128], reply[1500];
	struct coax_message m;

	begin();
	ask_userspace("p/a");
	m = asking(buffer, sizeof(buffer), COAX_GET, "p/a");
	coax_message_add(&m, COAX_IF_MATCH, "e1", 2);
	EXPECT_EQ(lab_ask(program, m.data, m.length, reply, sizeof(reply)), 0);
	end();
}

TEST_MAIN()
