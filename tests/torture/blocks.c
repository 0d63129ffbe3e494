// SPDX-License-Identifier: BSD-2-Clause
// timeout: 90
/*
 * Blocks are whole, of one representation and never stale, under load: a writer changes large
 * representations while clients walk through them and one asks the kernel half for any block. There
 * are fewer slots than blocks. No block mixes representations, its ETag is that of its bytes, none
 * from the kernel half is older than the last change that was acknowledged, and walks come to their
 * end.
 *
 * COAX_TORTURE_SECONDS in the environment makes it longer.
 */
#include <linux/types.h>
#include <coax/coax.h>
#include <coax/maps.h>
#include "../harness.h"
#include "../client.h"
#include "../lab.h"
#include "roles.h"
#include "accel/accel.h"

#define PORT	  5683
#define RESOURCES 3
#define SLOTS	  96
#define BLOCKS	  40
#define EXPONENT  3
#define SIZE	  (16 << EXPONENT)
#define PAUSE_US  3000 /* between changes, that walks have a chance */

struct state {
	char name[2];
	_Atomic uint32_t version;
	_Atomic uint32_t acknowledged;
	struct coax_resource *resource;
};

static struct state states[RESOURCES];
static atomic_ulong changes, from_kernel, walks, begun_anew, failures;

static void fill(const struct state *state, uint32_t version, uint32_t number, uint8_t *block)
{
	uint32_t word = version * 0x01000193 + number * 0x9e3779b9 + (uint8_t)state->name[0];

	for (int i = 0; i < SIZE; i += 4, word = word * 1664525 + 1013904223)
		memcpy(block + i, &word, 4);
}

static void on_get(struct coax_responder *responder, void *arg)
{
	struct state *state = arg;
	uint32_t version = atomic_load(&state->version);
	uint8_t body[BLOCKS * SIZE];

	/* Now and then a change overtakes the rendering. */
	if (version % 4 == 0)
		usleep(PAUSE_US);
	for (uint32_t i = 0; i < BLOCKS; i++)
		fill(state, version, i, body + i * SIZE);
	coax_message_add(coax_responder_response(responder), COAX_ETAG, &version, sizeof(version));
	coax_responder_set_payload(responder, body, sizeof(body));
	coax_respond(responder, COAX_CONTENT);
}

static void on_put(struct coax_responder *responder, void *arg)
{
	struct state *state = arg;

	atomic_fetch_add(&state->version, 1);
	coax_resource_changed(state->resource);
	coax_respond(responder, COAX_CHANGED);
}

static void fail(const char *what, uint32_t version, uint32_t least)
{
	if (atomic_fetch_add(&failures, 1) < 5)
		HARNESS_SAY("%s: version %u, %u was acknowledged before", what, version, least);
}

/* Is it this block of what its ETag says? Returns that, or 0. */
static uint32_t check(const struct state *state, const struct coax_message *response,
		      uint32_t number)
{
	uint8_t wanted[SIZE];
	struct coax_option etag;
	struct coax_block block;
	uint32_t version;
	size_t length;
	const uint8_t *payload = coax_message_payload(response, &length);

	if (coax_message_code(response) != COAX_CONTENT ||
	    !coax_message_find(response, COAX_ETAG, &etag) || etag.length != sizeof(version) ||
	    coax_message_find_block(response, COAX_BLOCK2, &block) != 1 || block.number != number ||
	    block.more != (number + 1 < BLOCKS)) {
		fail("not the block that was asked for", number, coax_message_code(response));
		return 0;
	}
	memcpy(&version, etag.value, sizeof(version));
	fill(state, version, number, wanted);
	if (length != SIZE || memcmp(payload, wanted, SIZE)) {
		fail("torn", version, 0);
		return 0;
	}
	return version;
}

static size_t request(uint8_t *bytes, uint8_t code, const struct state *state, uint32_t id,
		      uint32_t number)
{
	const struct coax_block block = {.number = number, .exponent = EXPONENT};
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, bytes, 32, COAX_TYPE_CON, code, (uint16_t)id, &id, 4), 0);
	coax_message_add_string(&m, COAX_URI_PATH, state->name);
	if (code == COAX_GET)
		coax_message_add_block(&m, COAX_BLOCK2, &block);
	return m.length;
}

/* Over a socket, again and again as a client would, until the answer to this request is there. */
static bool ask(int fd, const uint8_t *bytes, size_t length, uint8_t *reply,
		struct coax_message *response)
{
	for (int tries = 0; tries < 100; tries++) {
		struct pollfd readable = {.fd = fd, .events = POLLIN};
		ssize_t got;

		if (send(fd, bytes, length, 0) < 0 || poll(&readable, 1, 100) != 1)
			continue;
		got = recv(fd, reply, COAX_MESSAGE_MAX, 0);
		if (got >= 8 && !memcmp(reply + 4, bytes + 4, 4) &&
		    !coax_message_parse(response, reply, (size_t)got))
			return true;
	}
	fail("no answer", 0, 0);
	return false;
}

static int client_side(void)
{
	int fd;

	lab_enter_client();
	fd = client_open(LAB_SERVER_IPV4, PORT);
	ASSERT_GE(fd, 0);
	return fd;
}

static void *writer(void *arg)
{
	uint8_t bytes[32], reply[COAX_MESSAGE_MAX];
	struct coax_message response;
	int fd = client_side();

	(void)arg;
	for (uint32_t i = 0; !stop; i++) {
		struct state *state = &states[i % RESOURCES];
		uint32_t version = atomic_load(&state->version);

		if (!ask(fd, bytes, request(bytes, COAX_PUT, state, i, 0), reply, &response))
			break;
		atomic_store(&state->acknowledged, version + 1);
		atomic_fetch_add(&changes, 1);
		usleep(PAUSE_US);
	}
	close(fd);
	return NULL;
}

/* From the first block to the last under one ETag; with another one, anew. */
static bool walk(int fd, const struct state *state, uint32_t *id)
{
	uint8_t bytes[32], reply[COAX_MESSAGE_MAX];
	struct coax_message response;
	uint32_t version = 0;

	for (uint32_t number = 0; number < BLOCKS && !stop; number++) {
		uint32_t least = atomic_load(&state->acknowledged), got;

		if (!ask(fd, bytes, request(bytes, COAX_GET, state, ++*id, number), reply,
			 &response))
			return false;
		got = check(state, &response, number);
		if (!got)
			return false;
		if (number == 0 && got < least)
			fail("a stale beginning", got, least);
		if (number > 0 && got != version) {
			atomic_fetch_add(&begun_anew, 1);
			number = UINT32_MAX;
		}
		version = got;
	}
	return true;
}

static void *walker(void *arg)
{
	uint32_t id = (uint32_t)(uintptr_t)arg << 28;
	int fd = client_side();

	while (!stop) {
		/* By another worker than the writer's is the one that a change can overtake. */
		if (walks % 8 == 0) {
			close(fd);
			fd = client_open(LAB_SERVER_IPV4, PORT);
		}
		if (!walk(fd, &states[walks % RESOURCES], &id))
			break;
		atomic_fetch_add(&walks, 1);
	}
	close(fd);
	return NULL;
}

/* Puts frames right into the program: what comes back is from the slots. */
static void *frame_reader(void *arg)
{
	int program = *(int *)arg;

	for (uint32_t i = 0; !stop; i++) {
		struct state *state = &states[i % RESOURCES];
		uint32_t number = i * 7 % BLOCKS, least = atomic_load(&state->acknowledged), got;
		uint8_t bytes[32], reply[COAX_MESSAGE_MAX];
		size_t length = request(bytes, COAX_GET, state, i, number);
		struct coax_message response;
		ssize_t replied = lab_ask(program, bytes, length, reply, sizeof(reply));

		if (replied <= 0)
			continue;
		if (coax_message_parse(&response, reply, (size_t)replied)) {
			fail("no message", 0, 0);
			continue;
		}
		got = check(state, &response, number);
		if (got && got < least)
			fail("stale", got, least);
		atomic_fetch_add(&from_kernel, 1);
	}
	return NULL;
}

static struct coax_site *create_site(void)
{
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	for (int i = 0; i < RESOURCES; i++) {
		struct coax_resource_options options = {
			.path = states[i].name,
			.get = on_get,
			.put = on_put,
			.arg = &states[i],
			.cacheable = true,
		};

		states[i].name[0] = (char)('a' + i);
		states[i].version = 10;
		ASSERT_EQ(coax_site_add(site, &options, &states[i].resource), 0);
	}
	return site;
}

TEST_TIMEOUT("no block is torn or stale, and walks through what changes come to their end", 85)
{
	struct coax_context_options options = lab_options();
	const role_fn roles[] = {writer, walker, walker, frame_reader};
	struct coax_context *context;
	struct coax_context_stats stats;
	int program;

	lab_begin();
	options.site = create_site();
	options.workers = 2;
	options.logger.from = COAX_LOG_WARNING;
	options.accel.slots = SLOTS;
	context = context_open(options);
	program = lab_program();
	play_roles(roles, sizeof(roles) / sizeof(*roles), &program, 3);

	coax_context_stats_read(context, &stats);
	printf("# %lu changes, %llu published, %lu blocks from the kernel\n", changes,
	       (unsigned long long)stats.published, from_kernel);
	printf("# %lu walks, begun anew %lu times\n", walks, begun_anew);
	EXPECT_EQ(failures, 0UL);
	EXPECT_GT(changes, 100UL);
	EXPECT_GT(stats.published, 1000UL);
	EXPECT_GT(from_kernel, 1000UL);
	EXPECT_GT(walks, 100UL);
	coax_context_shutdown(context);
	coax_site_destroy(options.site);
}

TEST_MAIN()
