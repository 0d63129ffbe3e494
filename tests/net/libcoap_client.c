// SPDX-License-Identifier: BSD-2-Clause
/*
 * libcoap's client (Debian's libcoap3-bin) and a server of ours: bodies in blocks of each size,
 * observation, separate responses, all methods, groups.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <coax/coax.h>
#include "../harness.h"
#include "../lab.h"

#define PROGRAM "/usr/bin/coap-client-notls"
#define BODY	5000

static struct {
	struct coax_site *site;
	struct coax_resource *state, *large;
	struct coax_context *context;
	in_port_t port;
	uint8_t body[BODY];
	atomic_int value;
	atomic_bool stop;
	atomic_bool same; /* what was uploaded last is `body` */
	char output[1 << 20];
} world;

static void body_get(struct coax_responder *responder, void *arg)
{
	(void)arg;
	coax_responder_set_payload(responder, world.body, BODY);
	coax_respond(responder, COAX_CONTENT);
}

static void body_take(struct coax_responder *responder, void *arg)
{
	size_t length;
	const uint8_t *payload = coax_message_payload(coax_responder_request(responder), &length);

	(void)arg;
	atomic_store(&world.same, length == BODY && !memcmp(payload, world.body, BODY));
	coax_respond(responder, COAX_CHANGED);
}

/* What came, with the method's name in front. */
static void echo(struct coax_responder *responder, void *arg)
{
	const struct coax_message *request = coax_responder_request(responder);
	size_t length;
	const uint8_t *payload = coax_message_payload(request, &length);
	uint8_t *text = malloc(length + 2);

	(void)arg;
	text[0] = (uint8_t)('0' + coax_message_code(request));
	text[1] = ':';
	if (length)
		memcpy(text + 2, payload, length);
	coax_responder_set_payload(responder, text, length + 2);
	free(text);
	coax_respond(responder,
		     coax_message_code(request) == COAX_FETCH ? COAX_CONTENT : COAX_CHANGED);
}

static void state_get(struct coax_responder *responder, void *arg)
{
	char text[BODY];
	int length = snprintf(text, sizeof(text), "[state %d]", atomic_load(&world.value));

	if (arg)
		memset(text + length, '.', sizeof(text) - (size_t)length);
	coax_responder_set_payload(responder, text, arg ? sizeof(text) : (size_t)length);
	coax_respond(responder, COAX_CONTENT);
}

static void *answer_later(void *responder)
{
	usleep(300000);
	coax_responder_set_payload(responder, "at last", 7);
	coax_respond(responder, COAX_CONTENT);
	return NULL;
}

static void later_get(struct coax_responder *responder, void *arg)
{
	pthread_t thread;

	(void)arg;
	ASSERT_EQ(pthread_create(&thread, NULL, answer_later, coax_responder_defer(responder)), 0);
	pthread_detach(thread);
}

static void add(const struct coax_resource_options *options, struct coax_resource **resource)
{
	ASSERT_EQ(coax_site_add(world.site, options, resource), 0);
}

static void add_all(enum coax_reliability notifications)
{
	add(
		&(struct coax_resource_options){
			.path = "body", .get = body_get, .put = body_take, .post = body_take},
		NULL);
	add(
		&(struct coax_resource_options){
			.path = "echo", .post = echo, .fetch = echo, .patch = echo, .ipatch = echo},
		NULL);
	add(&(struct coax_resource_options){.path = "state",
					    .get = state_get,
					    .observable = true,
					    .notifications = notifications},
	    &world.state);
	add(&(struct coax_resource_options){.path = "large",
					    .get = state_get,
					    .arg = &world,
					    .observable = true,
					    .notifications = notifications},
	    &world.large);
	add(&(struct coax_resource_options){.path = "later", .get = later_get}, NULL);
}

static void begin_at(const char *bind, const char *group, enum coax_reliability notifications)
{
	struct coax_context_options options = {
		.bind = &bind,
		.bind_count = 1,
		.groups = &group,
		.group_count = group ? 1 : 0,
		.workers = 1,
		.tuning = {.leisure_ms = 200},
		.logger = {.from = COAX_LOG_ERROR + 1},
	};

	if (access(PROGRAM, X_OK))
		SKIP("no coap-client-notls (libcoap3-bin)");
	for (size_t i = 0; i < BODY; i++)
		world.body[i] = (uint8_t)(i * 7 + (i >> 8));
	ASSERT_EQ(coax_site_create(&world.site), 0);
	add_all(notifications);
	options.site = world.site;
	ASSERT_EQ(coax_context_create(&world.context, &options), 0);
	world.port = coax_context_port(world.context);
}

static void begin(void)
{
	begin_at("127.0.0.1:0", NULL, COAX_RELIABILITY_DEFAULT);
}

static void end(void)
{
	coax_context_shutdown(world.context);
	coax_site_destroy(world.site);
}

/* Run the program; what it prints is world.output. Returns its exit status. */
__attribute__((format(printf, 1, 2))) static int run(const char *format, ...)
{
	char arguments[512], command[640];
	va_list args;
	FILE *pipe;
	size_t length;

	va_start(args, format);
	vsnprintf(arguments, sizeof(arguments), format, args);
	va_end(args);
	snprintf(command, sizeof(command), "(%s) 2>&1 </dev/null", arguments);
	pipe = popen(command, "r");
	ASSERT_TRUE(pipe);
	length = fread(world.output, 1, sizeof(world.output) - 1, pipe);
	world.output[length] = 0;
	return pclose(pipe);
}

#define RUN(arguments, ...) run(PROGRAM " -v 6 " arguments, ##__VA_ARGS__)

static void expect_printed(const char *text)
{
	if (strstr(world.output, text))
		return;
	HARNESS_SAY("not printed: %s", text);
	printf("# %.2000s\n", world.output);
	harness_failed = 1;
}

static void expect_file_is_body(const char *name)
{
	uint8_t bytes[BODY + 1];
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", harness_directory(), name);
	file = fopen(path, "r");
	ASSERT_TRUE(file);
	ASSERT_EQ(fread(bytes, 1, sizeof(bytes), file), (size_t)BODY);
	EXPECT_MEMEQ(bytes, world.body, BODY);
	fclose(file);
}

static void write_body(void)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/in", harness_directory());
	file = fopen(path, "w");
	ASSERT_TRUE(file);
	ASSERT_EQ(fwrite(world.body, 1, BODY, file), (size_t)BODY);
	fclose(file);
}

TEST("libcoap's client fetches a body in blocks of each size")
{
	begin();
	for (int size = 16; size <= 1024; size *= 2) {
		EXPECT_EQ(RUN("-B 10 -b %d -o %s/out%d coap://127.0.0.1:%u/body", size,
			      harness_directory(), size, world.port),
			  0);
		char name[16];

		snprintf(name, sizeof(name), "out%d", size);
		expect_file_is_body(name);
	}
	end();
}

TEST("libcoap's client sends a body in blocks of each size, by PUT and POST")
{
	begin();
	write_body();
	for (int size = 16; size <= 1024; size *= 2)
		for (int post = 0; post < 2; post++) {
			atomic_store(&world.same, false);
			EXPECT_EQ(RUN("-B 10 -b %d -m %s -f %s/in coap://127.0.0.1:%u/body", size,
				      post ? "post" : "put", harness_directory(), world.port),
				  0);
			EXPECT_TRUE(atomic_load(&world.same));
			expect_printed("c:2.04");
		}
	end();
}

TEST("the answer to a body in blocks comes in blocks, too")
{
	begin();
	write_body();
	EXPECT_EQ(RUN("-B 10 -b 64 -m post -f %s/in -o %s/out coap://127.0.0.1:%u/echo",
		      harness_directory(), harness_directory(), world.port),
		  0);
	EXPECT_EQ(run("(printf 2: ; cat %s/in) | cmp - %s/out", harness_directory(),
		      harness_directory()),
		  0);
	end();
}

TEST("FETCH, PATCH and iPATCH carry their payload, and their answer comes back")
{
	static const struct {
		const char *method;
		const char *answer;
		const char *code;
	} methods[] = {{"fetch", "5:query", "c:2.05"},
		       {"patch", "6:query", "c:2.04"},
		       {"ipatch", "7:query", "c:2.04"}};

	begin();
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(RUN("-B 10 -m %s -t 0 -e query coap://127.0.0.1:%u/echo",
			      methods[i].method, world.port),
			  0);
		expect_printed(methods[i].answer);
		expect_printed(methods[i].code);
	}
	end();
}

TEST("libcoap's client waits for a separate response, and acknowledges it")
{
	struct coax_context_stats stats;

	begin();
	EXPECT_EQ(RUN("-B 10 coap://127.0.0.1:%u/later", world.port), 0);
	expect_printed("at last");
	expect_printed("t:CON c:2.05");
	coax_context_stats_read(world.context, &stats);
	EXPECT_EQ(stats.retransmissions, 0ULL);
	end();
}

static void *change_on_and_on(void *resource)
{
	while (!atomic_load(&world.stop)) {
		usleep(100000);
		atomic_fetch_add(&world.value, 1);
		coax_resource_changed(resource);
	}
	return NULL;
}

static void observe(const char *path, struct coax_resource *resource)
{
	struct coax_context_stats stats;
	pthread_t thread;
	char text[32];
	int seen = 0;

	ASSERT_EQ(pthread_create(&thread, NULL, change_on_and_on, resource), 0);
	EXPECT_EQ(RUN("-B 10 -s 2 coap://127.0.0.1:%u/%s", world.port, path), 0);
	atomic_store(&world.stop, true);
	pthread_join(thread, NULL);
	for (int i = 0; i <= atomic_load(&world.value); i++) {
		snprintf(text, sizeof(text), "[state %d]", i);
		seen += strstr(world.output, text) != NULL;
	}
	printf("# saw %d of %d states\n", seen, atomic_load(&world.value) + 1);
	EXPECT_GE(seen, 10);
	coax_context_stats_read(world.context, &stats);
	EXPECT_EQ(stats.observers, 0ULL);
	EXPECT_EQ(stats.observers_lost, 0ULL);
	EXPECT_EQ(stats.retransmissions, 0ULL);
}

TEST("libcoap's client observes, and is no observer any more when its time is over")
{
	begin();
	observe("state", world.state);
	end();
}

TEST("so it does with confirmable notifications")
{
	begin_at("127.0.0.1:0", NULL, COAX_RELIABLE);
	observe("state", world.state);
	end();
}

TEST("it completes large notifications by requests for the other blocks")
{
	begin();
	observe("large", world.large);
	end();
}

TEST("libcoap's client asks a group on IPv4 and IPv6, and gets our answer from our address")
{
	lab_begin();
	begin_at("*:5683", LAB_SERVER, COAX_RELIABILITY_DEFAULT);
	lab_run("nsenter -t %d -n ip route add 224.0.0.0/4 dev %s", lab_client_pid, LAB_CLIENT);
	EXPECT_EQ(run("nsenter -t %d -n " PROGRAM " -v 6 -N -B 2 coap://224.0.1.187/state",
		      lab_client_pid),
		  0);
	expect_printed("[state 0]");
	EXPECT_EQ(run("nsenter -t %d -n " PROGRAM " -v 6 -N -B 2 coap://[ff02::fd%%" LAB_CLIENT
		      "]/state",
		      lab_client_pid),
		  0);
	expect_printed("[state 0]");
	/* Silence instead of errors (RFC 7252 section 8.2). */
	run("nsenter -t %d -n " PROGRAM " -v 6 -N -B 1 coap://224.0.1.187/nothing", lab_client_pid);
	EXPECT_TRUE(!strstr(world.output, "4.04"));
	end();
}

TEST_MAIN()
